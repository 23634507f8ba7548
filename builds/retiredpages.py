"""Production's retired databases: how long each is kept, and its backups to take away."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST, require_safe

from builds import retire
from builds.download import begin, file, there
from builds.models import Download, Retired
from hosting.models import Backup, Instance
from portal import clock, numbers, ranges
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from projects.access import Access, Tool, project_or_404

SHOWN = 5  # backups of each
SOON, LATER = 2, 15  # seconds between polls while something is made, and while nothing is


@require_GET
def retired(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    rows = listed(access)
    context = {"access": access, "nav": "settings", "retired": rows, "days": retire.KEPT.days}
    busy = any(each.state != State.DONE for row in rows for each in (*row["backups"], *row["downloads"]))
    return respond(request, "builds/retired.html", context, every=SOON if busy else LATER)


def listed(access: Access) -> list[dict[str, Any]]:
    """The project's retired databases, each with the day on which it goes, and what the person may take away."""
    rows = Retired.objects.there().filter(project=access.project).select_related("branch", "instance", "asked_by")
    return [
        {
            "row": row,
            "goes_at": goes_at(row.instance),
            "backups": list(Backup.objects.filter(instance=row.instance, forgotten_at=None).order_by("-pk")[:SHOWN]),
            "downloads": list(_downloads(access, row).order_by("-pk")),
        }
        for row in rows.order_by("-at")
    ]


def _downloads(access: Access, row: Retired) -> Any:
    mine = there().filter(backup__instance=row.instance, asked_by=access.person)
    return mine.select_related("backup", "branch__project", "story")


def goes_at(instance: Instance) -> datetime | None:
    """When the clean-up removes it at the earliest. None: not at all."""
    return None if instance.hours_left is None else clock.now() + timedelta(hours=instance.hours_left)


@require_POST
def ask_retired_download(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Odoo's zip of one of its backups."""
    access, row = _retired_or_404(request, slug, pk)
    kept = Backup.objects.filter(instance=row.instance, forgotten_at=None)
    chosen = get_object_or_404(kept.exclude(snapshot=""), pk=numbers.parse(request.POST.get("backup", "")) or 0)
    try:
        begin(branch=row.branch, backup=chosen, form=Download.Form.ZIP, by=access.person)
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("retired", slug=slug)


@require_safe
def send_retired_download(request: HttpRequest, slug: str, pk: int, download: int) -> HttpResponseBase:
    """Only to the person for whom it was made."""
    access, row = _retired_or_404(request, slug, pk)
    made = get_object_or_404(_downloads(access, row).filter(pk=download).exclude(expires_at=None))
    try:
        return ranges.send(request, file(made), name=made.filename, tag=f"d{made.pk}")
    except FileNotFoundError:
        raise Http404 from None


def _retired_or_404(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Retired]:
    access = project_or_404(request, slug, Tool.SETTINGS)
    rows = Retired.objects.there().select_related("instance", "branch__project")
    return access, get_object_or_404(rows, project=access.project, pk=pk)
