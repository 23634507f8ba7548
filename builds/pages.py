"""Pages that list: projects, branches, builds."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from builds import ageing, reading, resting, rollback
from builds.models import Build, Retired
from hosting import cronruns, sleep
from portal import numbers
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from portal.templatetags.berth import look
from projects import gitcommands
from projects.access import Access, Tool, branch_or_404, deleted_projects, project_or_404, visitors_welcome
from projects.models import Branch, Project, Stage

CARDS = 24  # projects of a page
SHOWN = 40  # branches of the sidebar; a search finds the others
ROWS, CELLS = 20, 8  # branches and builds of the grid
HISTORY = 25  # builds of a branch's page
MOVES_TO_DEVELOPMENT = {
    Stage.PRODUCTION: "its database is retired",
    Stage.STAGING: "its database stays as it is",
    Stage.DEVELOPMENT: "",
}
SOON, LATER = 2, 10  # seconds between polls while something goes on, and while nothing does


@require_GET
def projects(request: HttpRequest) -> HttpResponse:
    assert request.user.is_authenticated
    search = request.GET.get("q", "").strip()
    found = reading.with_newest(Project.objects.visible_to(request.user))
    if search:
        found = found.filter(Q(name__icontains=search) | Q(slug__icontains=search) | Q(repository__icontains=search))
    pages = Paginator(found, CARDS)
    page = pages.get_page(request.GET.get("page"))
    cards = reading.cards(list(page.object_list))
    deleted = deleted_projects(request).order_by("name")
    context = {"cards": cards, "page": page, "search": search, "deleted": deleted, "title": "Projects"}
    return respond(request, "projects/list.html", context, every=_pace(card.latest for card in cards))


@require_GET
def branches(request: HttpRequest, slug: str) -> HttpResponse:
    """The production branch's page, or the most active one's; where there is none, how to push one."""
    access = project_or_404(request, slug, Tool.HISTORY)
    alive = reading.by_activity(access.project.branches.alive())
    chosen = alive.filter(stage=Stage.PRODUCTION).first() or alive.first()
    if chosen is None:
        return render(request, "builds/no_branch.html", {"access": access, "nav": "branches"})
    return redirect("branch", slug=slug, pk=chosen.pk)


@require_GET
def branch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.HISTORY)
    history = (
        reading.for_lists().filter(branch=branch).select_related("asked_by", "instance", "runtime").order_by("-pk")
    )
    before = numbers.parse(request.GET.get("before", ""))
    if before is not None:
        history = history.filter(number__lt=before)
    builds = list(history[: HISTORY + 1])
    context = branch_context(access, branch, "history") | sidebar(access, request.GET.get("q", "").strip(), branch)
    context["failed_wake"] = sleep.failed_wake(branch.instance)
    context |= {"builds": builds[:HISTORY], "more": builds[HISTORY:], "is_older": before is not None}
    context["stale"] = ageing.is_stale(branch.instance)
    context["unbuilt"] = context["may_deploy"] and is_unbuilt(branch, context["latest"])
    context["title"] = f"{look(context['latest']).mark} {branch} · {access.project}".strip()
    every = SOON if context["rest"] == sleep.Rest.WAKING else _pace(builds)
    return respond(request, "builds/branch.html", context, every=every, also="columns")


@require_POST
def wake(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    _access, branch = branch_or_404(request, slug, pk, Tool.CONNECT)
    try:
        resting.wake(branch)
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("branch", slug=slug, pk=pk)


@visitors_welcome
@require_GET
def builds(request: HttpRequest, slug: str) -> HttpResponse:
    """The grid: a row a branch, a cell a build."""
    access = project_or_404(request, slug, Tool.BUILDS)
    search = request.GET.get("q", "").strip()
    found = reading.by_stage(_matching(access.project.branches.alive(), search))
    pages = Paginator(found, ROWS)
    page = pages.get_page(request.GET.get("page"))
    rows = reading.rows(list(page.object_list), cells=CELLS)
    context = {"access": access, "nav": "builds", "rows": rows, "page": page, "search": search}
    context["title"] = f"Builds · {access.project}"
    every = _pace(build for row in rows for build in row.builds)
    return respond(request, "builds/grid.html", context, every=every)


def branch_context(access: Access, branch: Branch, tab: str) -> dict[str, Any]:
    """What the head of a branch's pages shows."""
    production: Branch | None = branch
    if branch.stage != Stage.PRODUCTION:
        production = access.project.branches.alive().filter(stage=Stage.PRODUCTION).first()
    return {
        "moves": _moves(access, branch, has_production=production is not None),
        "access": access,
        "nav": "branches",
        "tab": tab,
        "branch": branch,
        "switched_off": cronruns.switched_off(branch.instance) if branch.instance else [],
        "rest": sleep.rest(branch.instance),
        "retiring": branch.stage == Stage.PRODUCTION and Retired.objects.going_on().filter(branch=branch).exists(),
        **_serving(access, branch),
        "latest": reading.for_lists().filter(branch=branch).order_by("-pk").first(),
        "may_connect": access.may_on(Tool.CONNECT, branch),
        "may_deploy": access.may(Tool.DEPLOY, branch.stage),
        "may_set": access.may(Tool.BRANCH_SETTINGS, branch.stage),
        "may_read_logs": access.may_on(Tool.LOGS, branch),
        "may_read_mails": branch.stage != Stage.PRODUCTION and access.may_on(Tool.MAILS, branch),
        "may_back_up": access.may(Tool.BACKUPS, branch.stage),
        "commands": gitcommands.commands(branch, base=production.name if production else branch.name),
        "github_url": settings.BERTH_GITHUB_URL,
    }


def _serving(access: Access, branch: Branch) -> dict[str, Any]:
    """The build of production that serves, which after a rollback isn't the latest, and the one to go back to."""
    if branch.stage != Stage.PRODUCTION or branch.instance is None or branch.instance.live_pool_id is None:
        return {}
    may_deploy = access.may(Tool.DEPLOY, branch.stage)
    return {
        "serving": reading.for_lists().serving(branch.instance),
        "way_back": rollback.target(branch.instance) if may_deploy else None,
    }


def _moves(access: Access, branch: Branch, *, has_production: bool) -> list[tuple[Stage, str]]:
    """The stages that the branch can be moved to by this person, each with what that does in a few words."""
    if not access.may(Tool.BRANCH_SETTINGS, branch.stage):
        return []
    does = {
        Stage.PRODUCTION: "its own database, at the project's address",
        Stage.STAGING: "a new neutralised copy of production",
        Stage.DEVELOPMENT: MOVES_TO_DEVELOPMENT[Stage(branch.stage)],
    }
    return [
        (stage, says)
        for stage, says in does.items()
        if stage != branch.stage
        and access.may(Tool.BRANCH_SETTINGS, stage)
        and not (stage == Stage.PRODUCTION and has_production)
        and not (stage == Stage.STAGING and branch.stage == Stage.PRODUCTION)
    ]


def sidebar(access: Access, search: str, chosen: Branch) -> dict[str, Any]:
    """The columns with their branches, each with its latest build; the chosen one is always there."""
    found = list(reading.by_stage(_matching(access.project.branches.alive(), search))[: SHOWN + 1])
    shown = found[:SHOWN]
    if not search and chosen not in shown:
        shown.append(chosen)
    columns: dict[Stage, list[reading.Row]] = {stage: [] for stage in reading.STAGES}
    for row in reading.rows(shown, cells=1):
        columns[Stage(row.branch.stage)].append(row)
    return {
        "columns": list(columns.items()),
        "branch_search": search,
        "hidden_branches": len(found) > SHOWN,
        "settable": [stage for stage in Stage if access.may(Tool.BRANCH_SETTINGS, stage)],
        "has_retired": not columns[Stage.PRODUCTION] and access.manages and has_retired(access.project),
    }


def has_retired(project: Project) -> bool:
    return Retired.objects.there().filter(project=project).exists()


def is_unbuilt(branch: Branch, latest: Build | None) -> bool:
    """Whether the newest commit made no build."""
    if not branch.head or (latest is not None and latest.commit == branch.head):
        return False
    return not branch.builds.filter(commit=branch.head).exists()


def _matching(branches: QuerySet[Branch], search: str) -> QuerySet[Branch]:
    return branches.filter(name__icontains=search) if search else branches


def _pace(builds: Any) -> int:
    """Seconds between polls."""
    return SOON if any(build is not None and build.state != State.DONE for build in builds) else LATER
