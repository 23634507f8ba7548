"""Pages of a merge: into which branch, what that does, and what came of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from builds import merging, reading
from portal import numbers
from portal.accounts import person
from portal.stories import StoryError
from projects import gitcommands
from projects.access import Access, Tool, branch_or_404
from projects.models import Branch, Stage


@require_http_methods(["GET", "POST"])
def merge_branch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Choose the other branch, say what it does (GET), then do it (POST): for who may change the other's settings."""
    access, branch = branch_or_404(request, slug, pk, Tool.HISTORY)
    chosen = request.POST.get("into") or request.GET.get("into", "")
    context: dict[str, Any] = {"access": access, "nav": "branches", "branch": branch}
    if not chosen:
        return render(request, "builds/merge.html", context | {"targets": targets(access, branch)})
    into = _into_or_404(access, chosen)
    if request.method == "POST":
        try:
            return _merged(request, branch, into)
        except StoryError as error:
            context["error"] = error
            if isinstance(error, merging.Conflict):
                context["commands"] = gitcommands.settle(branch.name, into.name)
    context |= {"into": into, "refused": merging.refusal(branch, into), "effects": merging.effects(branch, into)}
    return render(request, "builds/merge.html", context)


def targets(access: Access, branch: Branch) -> list[tuple[Stage, list[Branch]]]:
    """The branches that this person may merge it into, by stage."""
    stages = [stage for stage in reading.STAGES if access.may(Tool.BRANCH_SETTINGS, stage)]
    found = access.project.branches.alive().filter(stage__in=stages).exclude(pk=branch.pk).order_by("name")
    rows = [(stage, [each for each in found if each.stage == stage]) for stage in stages]
    return [(stage, each) for stage, each in rows if each]


def _into_or_404(access: Access, chosen: str) -> Branch:
    into = get_object_or_404(access.project.branches.alive(), pk=numbers.parse(chosen) or 0)
    access.require(Tool.BRANCH_SETTINGS, into.stage)
    into.project = access.project
    return into


def _merged(request: HttpRequest, branch: Branch, into: Branch) -> HttpResponse:
    """Raises StoryError."""
    commit = merging.merge(branch=branch, into=into, by=person(request))
    if commit is None:
        messages.info(request, f"There was nothing to merge: {into} has all of {branch} already.")
    else:
        messages.success(request, f"{branch} was merged into {into}, as {commit[:7]}. {merging.after_push(into)}")
    return redirect("branch", slug=into.project.slug, pk=into.pk)
