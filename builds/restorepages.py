"""Restoring: the page that says what will be lost, and the one that follows it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from builds import restore as stories_of_restores
from builds import steplog
from builds.access import backup_or_404
from builds.branchframe import branch_context, sidebar
from builds.models import Restore
from portal import numbers
from portal.accounts import person
from portal.live import respond
from portal.models import Result, State, Step
from portal.stories import StoryError
from projects.access import production_or_404
from projects.models import Branch, Stage

SOON = 2  # seconds between polls


@require_http_methods(["GET", "POST"])
def restore_here(request: HttpRequest, slug: str, pk: int, backup: int) -> HttpResponse:
    """Ask first (GET), then do it (POST), when the project's name was typed."""
    access, branch = production_or_404(request, slug, pk)
    chosen = backup_or_404(branch, backup)
    context: dict[str, Any] = {"access": access, "nav": "branches", "branch": branch, "backup": chosen}
    context["refused"] = stories_of_restores.refusal(branch, chosen)
    if request.method == "POST":
        if request.POST.get("typed", "").strip() != slug:
            context["mistyped"] = True
            return render(request, "builds/restore_here.html", context)
        try:
            by, force = person(request), "force" in request.POST
            begun = stories_of_restores.begin(branch=branch, backup=chosen, by=by, force=force)
        except StoryError as error:
            messages.error(request, error.in_words)
            return redirect("backup", slug=slug, pk=pk, backup=backup)
        return redirect("restore", slug=slug, pk=pk, restore=begun.pk)
    return render(request, "builds/restore_here.html", context)


@require_http_methods(["GET", "POST"])
def into_staging(request: HttpRequest, slug: str, pk: int, backup: int) -> HttpResponse:
    """A staging branch gets a neutralised copy of the backup, by a build of its newest commit."""
    access, branch = production_or_404(request, slug, pk)
    chosen = backup_or_404(branch, backup)
    staging = access.project.branches.alive().filter(stage=Stage.STAGING).exclude(head="").order_by("name")
    target = staging.filter(pk=numbers.parse(request.POST.get("branch", "")) or 0).first()
    if target is not None:
        try:
            build = stories_of_restores.into_staging(branch=target, backup=chosen, by=person(request))
        except StoryError as error:
            messages.error(request, error.in_words)
            return redirect("backup", slug=slug, pk=pk, backup=backup)
        return redirect("build", slug=slug, number=build.number)
    context = {"access": access, "nav": "branches", "branch": branch, "backup": chosen, "staging": staging}
    return render(request, "builds/into_staging.html", context)


@require_GET
def show(request: HttpRequest, slug: str, pk: int, restore: int) -> HttpResponse:
    access, branch = production_or_404(request, slug, pk)
    row = _restore_or_404(branch, restore)
    steps = list(row.story.steps.all()) if row.story else []
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    context |= {
        "title": f"Restore · {branch} · {access.project}",
        "restore": row,
        "steps": [(step, _excerpt(step)) for step in steps],
        "current": next((step for step in steps if step.state == State.RUNNING), None),
        "may_cancel": row.state != State.DONE and row.switched_at is None,
    }
    return respond(request, "builds/restore.html", context, every=None if row.state == State.DONE else SOON)


def _excerpt(step: Step) -> steplog.Excerpt | None:
    """The end of what it wrote, of one that goes on or failed."""
    wanted = step.state == State.RUNNING or step.result in {Result.FAILURE, Result.CANCELLED}
    return steplog.tail(step) if wanted else None


@require_POST
def cancel(request: HttpRequest, slug: str, pk: int, restore: int) -> HttpResponse:
    _access, branch = production_or_404(request, slug, pk)
    stories_of_restores.cancel(restore=_restore_or_404(branch, restore), by=person(request))
    return redirect("restore", slug=slug, pk=pk, restore=restore)


def _restore_or_404(branch: Branch, pk: int) -> Restore:
    related = ("backup", "before", "build", "asked_by", "story")
    return get_object_or_404(Restore.objects.select_related(*related), branch=branch, pk=pk)
