"""Pages that list: projects, branches, builds."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from builds import ageing, reading, resting
from builds.branchframe import branch_context, sidebar
from builds.models import Build
from hosting import sleep
from portal import numbers
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from portal.templatetags.berth import look
from projects.access import Tool, branch_or_404, deleted_projects, project_or_404, visitors_welcome
from projects.models import Branch, Project, Stage

CARDS = 24  # projects of a page
ROWS, CELLS = 20, 8  # branches and builds of the grid
HISTORY = 25  # builds of a branch's page
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
    found = reading.by_stage(reading.matching(access.project.branches.alive(), search))
    pages = Paginator(found, ROWS)
    page = pages.get_page(request.GET.get("page"))
    rows = reading.rows(list(page.object_list), cells=CELLS)
    context = {"access": access, "nav": "builds", "rows": rows, "page": page, "search": search}
    context["title"] = f"Builds · {access.project}"
    every = _pace(build for row in rows for build in row.builds)
    return respond(request, "builds/grid.html", context, every=every)


def is_unbuilt(branch: Branch, latest: Build | None) -> bool:
    """Whether the newest commit made no build."""
    if not branch.head or (latest is not None and latest.commit == branch.head):
        return False
    return not branch.builds.filter(commit=branch.head).exists()


def _pace(builds: Any) -> int:
    """Seconds between polls."""
    return SOON if any(build is not None and build.state != State.DONE for build in builds) else LATER
