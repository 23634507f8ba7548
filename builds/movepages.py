"""Pages around stage moves: what a move is going to do, asked before it is done, and production's retired databases."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from builds import begin, retiredpages, stages
from builds.models import Retired
from portal import numbers
from portal.accounts import person
from portal.stories import StoryError
from projects.access import Access, Tool, branch_or_404
from projects.models import Branch, Stage


@require_http_methods(["GET", "POST"])
def move_branch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Say what it does (GET), then do it (POST): for who may change the branch's settings here and there."""
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    wanted = request.POST.get("stage") or request.GET.get("stage", "")
    if wanted not in Stage.values or wanted == branch.stage:
        return redirect("branch", slug=slug, pk=pk)
    access.require(Tool.BRANCH_SETTINGS, wanted)
    stage = Stage(wanted)
    context = _context(access, branch, stage)
    if request.method == "POST" and not context["refused"]:
        typed = request.POST.get("typed", "").strip()
        if context["to_type"] in ("", typed):
            return _move(request, access, branch, stage)
        context["mistyped"] = typed
    return render(request, "builds/move.html", context)


def _move(request: HttpRequest, access: Access, branch: Branch, stage: Stage) -> HttpResponse:
    """Raises Http404 where a retired database is asked for that isn't the project's."""
    chosen, attach = request.POST.get("attach", ""), None
    if stage == Stage.PRODUCTION and chosen:
        attach = get_object_or_404(Retired.objects.there(), project=access.project, pk=numbers.parse(chosen) or 0)
    try:
        stages.move(branch=branch, stage=stage, by=person(request), attach=attach)
    except StoryError as error:
        messages.error(request, error.in_words)
    else:
        retiring = branch.stage == Stage.PRODUCTION and branch.instance is not None
        said = f"Production is being retired; then {branch} is on development." if retiring else ""
        messages.success(request, said or f"{branch} is on {stage} now.")
    return redirect("branch", slug=access.project.slug, pk=branch.pk)


def _context(access: Access, branch: Branch, stage: Stage) -> dict[str, Any]:
    retires, refused = branch.stage == Stage.PRODUCTION and branch.instance is not None, stages.refusal(branch, stage)
    return {
        "access": access,
        "nav": "branches",
        "branch": branch,
        "stage": stage,
        "refused": refused,
        "remedy": stages.remedy(branch, stage) if refused else "",
        "merge_into": stages.production_of(branch) if refused and stage == Stage.PRODUCTION else None,
        "effects": stages.effects(branch, stage),
        "retired": retiredpages.listed(access) if stage == Stage.PRODUCTION else [],
        "to_type": branch.name if retires else "",
        "copy_needed": stage == Stage.STAGING and stages.production_of(branch) is None,
    }


@require_POST
def build_head(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Build the branch's newest commit, where pushes don't do so by themselves."""
    _access, branch = branch_or_404(request, slug, pk, Tool.DEPLOY)
    try:
        build = begin.build_head(branch=branch, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
        return redirect("branch", slug=slug, pk=pk)
    return redirect("build", slug=slug, number=build.number)
