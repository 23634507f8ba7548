"""Importing: an archive is sent in pieces, looked at, shown with what is in it and what will be lost, and imported."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from builds import importing
from builds import parked as switching
from builds import upload as uploads
from builds.access import import_or_404, upload_or_404, uploads_of
from builds.branchframe import branch_context, sidebar
from builds.models import Restore, Upload
from builds.upload import Elsewhere, receive
from hosting import imports
from portal import numbers
from portal.live import respond
from portal.models import State
from portal.stories import StoryError
from projects.access import Access, Tool, branch_or_404
from projects.models import Branch

SOON = 2  # seconds between polls


@require_GET
def choose(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = _branch_or_404(request, slug, pk)
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    mine = uploads_of(access, branch).order_by("-pk")
    context |= {
        "title": f"Import · {branch} · {access.project}",
        "unfinished": mine.filter(story=None)[:3],
        "good": [each for each in mine.exclude(story=None)[:5] if not uploads.refusal(each)],
        "longest": imports.LONGEST,
        "piece": uploads.PIECE,
    }
    return render(request, "builds/import.html", context)


@require_POST
def begin_upload(request: HttpRequest, slug: str, pk: int) -> JsonResponse:
    """Where to send the pieces of a file, and from which byte on."""
    access, branch = _branch_or_404(request, slug, pk)
    size = numbers.parse(request.POST.get("size", ""))
    if size is None:
        return JsonResponse({"error": "The size of the file is missing."}, status=400)
    try:
        name = request.POST.get("name", "")
        row = uploads.begin(branch=branch, name=name or "archive", size=size, by=access.person)
    except StoryError as error:
        return JsonResponse({"error": error.in_words}, status=400)
    return JsonResponse({"upload": row.pk, "received": row.received_bytes})


@require_POST
def upload_piece(request: HttpRequest, slug: str, pk: int, upload: int) -> JsonResponse:
    """Bytes of the file, from `?offset=` on. 409 where they don't go on where the last piece ended."""
    access, branch = _branch_or_404(request, slug, pk)
    row = upload_or_404(access, branch, upload)
    offset = numbers.parse(request.GET.get("offset", ""))
    if offset is None:
        return JsonResponse({"error": "The offset is missing."}, status=400)
    try:
        row = receive(row, offset, request)
    except Elsewhere as elsewhere:
        return JsonResponse({"received": elsewhere.there}, status=409)
    except OSError as error:
        return JsonResponse({"error": f"The portal can't write it: {error.strerror}."}, status=507)
    return JsonResponse({"received": row.received_bytes})


@require_GET
def show(request: HttpRequest, slug: str, pk: int, upload: int) -> HttpResponse:
    """What is in it, or why it is refused; and the question whether to import it."""
    access, branch = _branch_or_404(request, slug, pk)
    row = upload_or_404(access, branch, upload)
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    context |= _asking(row, branch) | {
        "title": f"Import · {branch} · {access.project}",
        "mistyped": "no" in request.GET,
    }
    return respond(request, "builds/upload.html", context, every=None if row.state == State.DONE else SOON)


def _asking(row: Upload, branch: Branch) -> dict[str, Any]:
    return {
        "upload": row,
        "found": row.found,
        "going_on": row.story is not None and row.state != State.DONE,
        "step": row.story.steps.filter(state=State.RUNNING).first() if row.story else None,
        "refused": importing.refusal(branch, row) if row.state == State.DONE else "",
    }


@require_POST
def import_here(request: HttpRequest, slug: str, pk: int, upload: int) -> HttpResponse:
    access, branch = _branch_or_404(request, slug, pk)
    row, by = upload_or_404(access, branch, upload), access.person
    if request.POST.get("typed", "").strip() != slug:
        return redirect(f"{request.path.removesuffix('import/')}?no")
    try:
        begun = importing.begin(branch=branch, upload=row, by=by)
    except StoryError as error:
        messages.error(request, error.in_words)
        return redirect("upload", slug=slug, pk=pk, upload=upload)
    if isinstance(begun, Restore):
        return redirect("restore", slug=slug, pk=pk, restore=begun.pk)
    return redirect("build", slug=slug, number=begun.number)


# --- what was switched off --------------------------------------------------------------------------------------------
@require_GET
def switched_off(request: HttpRequest, slug: str, pk: int, restore: int) -> HttpResponse:
    access, branch = _branch_or_404(request, slug, pk)
    row = import_or_404(branch, restore)
    context = branch_context(access, branch, "backups") | sidebar(access, "", branch)
    listed = list(row.parked.select_related("story", "asked_by"))
    context |= {
        "title": f"Switched off by the import · {branch} · {access.project}",
        "restore": row,
        "listed": listed,
        "off": sum(each.switched_on_at is None for each in listed),
        "current": switching.is_current(row),
    }
    waits = any(switching.is_going_on(each) for each in listed)
    return respond(request, "builds/switched_off.html", context, every=SOON if waits else None)


@require_POST
def switch_on(request: HttpRequest, slug: str, pk: int, restore: int) -> HttpResponse:
    access, branch = _branch_or_404(request, slug, pk)
    row = import_or_404(branch, restore)
    parked = row.parked.filter(pk=numbers.parse(request.POST.get("parked", "")) or 0).first()
    if parked is not None:
        try:
            switching.begin(parked=parked, by=access.person)
        except StoryError as error:
            messages.error(request, error.in_words)
    return redirect("switched-off", slug=slug, pk=pk, restore=restore)


def _branch_or_404(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Branch]:
    """Production and staging: development begins with an empty database."""
    return branch_or_404(request, slug, pk, Tool.BACKUPS)
