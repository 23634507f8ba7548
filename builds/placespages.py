"""The operator's page of the places where backups lie. Places and their accounts are named at the command line."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from builds import placesreading, vaultcopies
from hosting.engines import remote
from hosting.models import VaultCopy
from portal.live import respond
from projects.access import operator_or_404

WANTED = 3  # places, besides this machine
SOON, LATER = 2, 30  # seconds between polls while a copy goes on, and while none does


@require_GET
def places(request: HttpRequest) -> HttpResponse:
    operator_or_404(request)
    found = placesreading.by_place()
    context = {
        "title": "Backup places",
        "places": [(place, remote.kind(place.address), rows) for place, rows in found],
        "wanted": max(0, WANTED - len(found)),
        "keeps_all": any(place.keeps_all for place, _rows in found),
    }
    going_on = any(row.going_on for _place, rows in found for row in rows)
    return respond(request, "builds/places.html", context, every=SOON if going_on else LATER)


@require_POST
def copy_now(request: HttpRequest, pk: int) -> HttpResponse:
    operator = operator_or_404(request)
    copy = get_object_or_404(VaultCopy.objects.filter(place__removed_at=None).select_related("place"), pk=pk)
    if vaultcopies.ask(copy, by=operator):
        messages.success(request, f"The copy at {copy.place} begins as soon as no other one goes on.")
    else:
        messages.info(request, f"That copy at {copy.place} is being brought up to date already.")
    return redirect("places")
