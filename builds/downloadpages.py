"""Backups to take away: asked for on the Backups tab, and sent to who asked."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from builds.access import backup_or_404
from builds.download import begin, file, there
from builds.models import Download
from portal import ranges
from portal.accounts import person
from portal.stories import StoryError
from projects.access import production_or_404


@require_POST
def ask_download(request: HttpRequest, slug: str, pk: int, backup: int) -> HttpResponse:
    _access, branch = production_or_404(request, slug, pk)
    chosen, form = backup_or_404(branch, backup), request.POST.get("form", Download.Form.ZIP)
    if form in Download.Form.values:
        try:
            begin(branch=branch, backup=chosen, form=Download.Form(form), by=person(request))
        except StoryError as error:
            messages.error(request, error.in_words)
    return redirect("backup", slug=slug, pk=pk, backup=backup)


@require_safe
def send_download(request: HttpRequest, slug: str, pk: int, download: int) -> HttpResponseBase:
    """Only to the person for whom it was made, while that is still an admin, and until its time is up."""
    access, branch = production_or_404(request, slug, pk)
    row = get_object_or_404(there().filter(branch=branch, asked_by=access.person, pk=download).exclude(expires_at=None))
    try:
        return ranges.send(request, file(row), name=row.filename, tag=f"d{row.pk}")
    except FileNotFoundError:
        raise Http404 from None
