"""The page of one build: read top down like a letter."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from builds import ageing, begin, failure, originpage, reading, rollbackpages, steplog
from builds.access import build_or_404
from builds.models import Build
from builds.origin import Origin
from builds.traffic import UsersSaw, is_counting
from hosting import keep, sleep
from portal import numbers
from portal.accounts import person
from portal.live import is_poll, respond
from portal.models import Result, State, Step
from portal.stories import StoryError
from portal.templatetags.berth import look
from projects.access import Access, Tool, visitors_welcome
from projects.models import Stage

POLL = 2  # seconds, while the build goes on
POLL_COUNTING = 10  # while what users see after it is counted


@dataclass(frozen=True)
class Told:
    """A step on the page. One that isn't open gets its output when it is opened."""

    step: Step
    excerpt: steplog.Excerpt | None
    reached: bool  # False where the build ended before it


@visitors_welcome
@require_GET
def build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """All of it for who may read the logs; others see only how it stands."""
    access, build = build_or_404(request, slug, number, Tool.BUILDS)
    may_read = access.may(Tool.LOGS, build.stage)
    steps = list(build.story.steps.all()) if build.story and (access.is_member or may_read) else []
    current = next((step for step in steps if step.state == State.RUNNING), None)
    context = _actions(access, build) | {
        "access": access,
        "nav": "builds",
        "build": build,
        "title": f"{look(build).mark} #{build.number} {look(build).word} · {access.project}",
        "told": [_told(step, build, readable=may_read) for step in steps],
        "current": current,
        "done_steps": sum(step.state == State.DONE for step in steps),
        "may_read": may_read,
        "ahead": _ahead(build),
        "tests_told": _tests_told(build),
        "failed": failure.card(build) if may_read else None,
        "checks_amiss": [check for check in build.checks if check["todo"]],
        "origin": Origin.of(build),
        "switched_off": _switched_off(build),
        "users_saw": UsersSaw.of(build.users_saw) if build.users_saw else None,
        "update_ended": _update_ended(build),
        "stand_in": build.odoo_image.startswith("stand-in"),
        "github_url": settings.BERTH_GITHUB_URL,
        "steps_changed": is_poll(request) and request.GET.get("steps") != str(len(steps)),
    }
    context["turns"] = turns = reading.turns(build) if access.is_member and build.stage == Stage.PRODUCTION else []
    every = POLL if any(turn.state != State.DONE for turn in turns) else _every(build)
    return respond(request, "builds/build.html", context, every=every, also="steps_now")


@visitors_welcome
@never_cache
@require_GET
def step_log(request: HttpRequest, slug: str, number: int, name: str) -> HttpResponseBase:
    """Output of a step: its end, what came before or after a cursor, or all of it as text."""
    access, build = build_or_404(request, slug, number, Tool.LOGS)
    step = build.story.steps.filter(name=name).first() if build.story else None
    if step is None:
        raise Http404
    before, after, command = (numbers.parse(request.GET.get(name, "")) for name in ("before", "after", "command"))
    if "text" in request.GET:
        return StreamingHttpResponse(steplog.whole(step), content_type="text/plain; charset=utf-8")
    if before is not None:
        excerpt = steplog.earlier(step, before)
    elif after is not None:
        excerpt = steplog.following(step, after, command or 0)
    else:
        excerpt = steplog.tail(step)
    context = {"access": access, "build": build, "excerpt": excerpt}
    return render(request, "builds/build.html#excerpt", context)


@require_POST
def rebuild(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    access, build = build_or_404(request, slug, number, Tool.DEPLOY)
    access.require(Tool.DEPLOY, build.branch.stage)  # where it is built now
    try:
        again = begin.rebuild(build=build, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
        return redirect("build", slug=slug, number=number)
    return redirect("build", slug=slug, number=again.number)


@require_POST
def cancel(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    _access, build = build_or_404(request, slug, number, Tool.DEPLOY)
    begin.cancel(build=build, by=person(request))
    messages.info(request, "Asked to stop. What the build has done so far is being undone.")
    return redirect("build", slug=slug, number=number)


def _actions(access: Access, build: Build) -> dict[str, Any]:
    instance = build.instance
    may_deploy = access.may(Tool.DEPLOY, build.stage)
    may_rebuild = may_deploy and access.may(Tool.DEPLOY, build.branch.stage)
    return {
        "may_rebuild": may_rebuild and build.state == State.DONE and build.branch.deleted_at is None,
        "may_cancel": may_deploy and build.state != State.DONE,
        "connect_url": instance.url if instance and build.serves and access.may(Tool.CONNECT, build.stage) else "",
        "serves": build.serves,
        "rest": sleep.rest(instance) if instance and build.serves else "",
        "way_back": rollbackpages.way_back(build, serves=build.serves) if may_deploy else None,
        "kept": ageing.notice(build),
        "may_pin": may_rebuild,
        "runs_still": build.pool is not None and build.pool.state in keep.LEFT,
        "may_read_odoo_log": instance is not None and access.may(Tool.LOGS, build.stage),
        "cancelling": build.story is not None and build.story.cancel_requested,
    }


def _told(step: Step, build: Build, *, readable: bool) -> Told:
    """The running step is open, and one that is red or yellow."""
    is_open = step.state == State.RUNNING or step.result in {Result.FAILURE, Result.WARNING}
    return Told(
        step=step,
        excerpt=steplog.tail(step) if is_open and readable else None,
        reached=step.state != State.QUEUED or build.state != State.DONE,
    )


def _every(build: Build) -> int | None:
    """Seconds until the page looks again; None when nothing more is going to happen."""
    if build.state != State.DONE:
        return POLL
    return POLL_COUNTING if is_counting(build) else None


def _ahead(build: Build) -> Build | None:
    """The build of the same branch that a waiting one waits for."""
    if build.state != State.QUEUED:
        return None
    return Build.objects.filter(branch=build.branch, state=State.RUNNING, pk__lt=build.pk).order_by("-pk").first()


def _update_ended(build: Build) -> str:
    """How the update that was rehearsed ended: `done`, `taken back` or `put off`; "" where it did not come to it."""
    told = build.rehearsal
    if build.switched_at is not None:
        return "done"
    if build.state != State.DONE or not told:
        return ""
    if "held_at" in told:
        return "taken back"
    return "put off" if told["way"] == "hold" and told["predicted_seconds"] > told["limit_seconds"] else ""


def _switched_off(build: Build) -> int | None:
    """How many things, on a copy of production; None where nobody counted."""
    found = originpage.report(build)
    return found.total if found.at else None


def _tests_told(build: Build) -> bool:
    """Whether the story's error names the failing tests already."""
    names = build.tests.get("names") or [""]
    return build.story is not None and bool(names[0]) and names[0] in build.story.error_detail
