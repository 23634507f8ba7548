"""The Backups tab of production."""

from datetime import timedelta
from typing import cast

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from builds import backup as story_of
from builds import nights, placesreading
from builds.access import backup_or_404
from builds.branchframe import branch_context, sidebar
from builds.models import Download
from hosting.models import Backup
from portal import clock
from portal.accounts import person
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from projects.access import Access, Tool, branch_or_404, production_or_404
from projects.models import Branch, Stage

SHOWN = 60  # more than the rule keeps, with those of a week that failed
RECENT = timedelta(days=7)  # a restore that is spoken of
SOON, LATER = 2, 15  # seconds between polls while one goes on, and while none does


@require_GET
def backups(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.BACKUPS)
    if branch.stage != Stage.PRODUCTION:
        return _of_staging(request, access, branch)
    rows = Backup.objects.filter(instance=branch.instance, forgotten_at=None)
    rows = rows.select_related("story", "asked_by").annotate(
        places=Count("copies", filter=Q(copies__place__removed_at=None, copies__vault__isnull=False)) + 1
    )
    listed = list(rows.order_by("-pk")[:SHOWN])
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    next_hour = nights.next_hour(access.project, clock.now())
    context |= {
        "title": f"Backups · {branch} · {access.project}",
        "going_on": next((each for each in listed if each.state != State.DONE), None),
        "backups": [each for each in listed if each.state == State.DONE],
        "proven": rows.filter(proof=Backup.Proof.PROVEN).order_by("-taken_at").first(),
        "next_hour": f"{next_hour:%H:%M}",
        "next_day": f"{next_hour:%-d %B}",
        "refused": story_of.refusal(access.project, branch.instance),
        "a_day": story_of.A_DAY,
        "restoring": branch.restores.filter(created_at__gt=clock.now() - RECENT).order_by("-pk").first(),
    }
    context |= placesreading.of_vault(access.project.vault)
    going_on = cast(Backup | None, context["going_on"])
    if going_on is not None and going_on.story is not None:
        context["step"] = going_on.story.steps.filter(state=State.RUNNING).order_by("position").first()
    return respond(request, "builds/branch_backups.html", context, every=SOON if going_on else LATER)


def _of_staging(request: HttpRequest, access: Access, branch: Branch) -> HttpResponse:
    """It has none of its own; production's can be restored into it."""
    production = access.project.branches.alive().filter(stage=Stage.PRODUCTION).first()
    proven = Backup.objects.filter(proof=Backup.Proof.PROVEN, forgotten_at=None)
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    context |= {
        "title": f"Backups · {branch} · {access.project}",
        "production": production,
        "backups": proven.filter(instance=production.instance).order_by("-taken_at")[:SHOWN] if production else [],
    }
    return render(request, "builds/branch_backups_staging.html", context)


@require_GET
def show(request: HttpRequest, slug: str, pk: int, backup: int) -> HttpResponse:
    """One backup, with what can be done with it."""
    access, branch = production_or_404(request, slug, pk)
    chosen = backup_or_404(branch, backup)
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    downloads = Download.objects.filter(backup=chosen, branch=branch, asked_by=access.person)
    shown = _newest_of_each_form(downloads.select_related("story", "backup", "branch__project"))
    context |= {"title": f"{chosen.get_kind_display()} backup · {access.project}", "backup": chosen, "downloads": shown}
    waiting = any(each.state != State.DONE for each in shown)
    return respond(request, "builds/backup.html", context, every=SOON if waiting else LATER)


def _newest_of_each_form(downloads: QuerySet[Download]) -> list[Download]:
    """Without those whose time is up."""
    newest = downloads.order_by("form", "-pk").distinct("form")
    return [each for each in newest if each.expires_at is None or each.expires_at > clock.now()]


@require_POST
def back_up(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    _access, branch = production_or_404(request, slug, pk)
    try:
        story_of.begin(branch=branch, kind=Backup.Kind.MANUAL, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("branch-backups", slug=slug, pk=pk)


@require_POST
def delete(request: HttpRequest, slug: str, pk: int, backup: int) -> HttpResponse:
    """One that was taken by hand; the others go by the rule. The next backup frees what it alone held."""
    _access, branch = production_or_404(request, slug, pk)
    try:
        story_of.delete(backup_or_404(branch, backup), by=person(request), project_id=branch.project_id)
        messages.success(request, "The backup was deleted.")
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("branch-backups", slug=slug, pk=pk)
