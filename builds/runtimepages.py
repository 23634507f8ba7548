"""The operator's page of the frozen images of Odoo."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from hosting import images, runtimes
from hosting.models import Host, Pool, Runtime
from hosting.odoo import lives
from portal import clock
from portal.live import respond
from projects import support
from projects.access import operator_or_404

SOON, LATER = 2, 30  # seconds between polls while something was asked for, and while nothing was


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    operator_or_404(request)
    wishes = {wish.series: wish for wish in Runtime.objects.asked().select_related("asked_by")}
    context: dict[str, Any] = {
        "title": "Odoo revisions",
        "series": [(each, wishes.get(each), _rows(each), _life(each)) for each in reversed(images.offered())],
        "days": runtimes.KEPT.days,
    }
    return respond(request, "builds/runtimes.html", context, every=SOON if wishes else LATER)


def _life(series: str) -> str:
    phase = lives.phase(series, clock.now().date())
    return "" if phase == lives.Phase.SUPPORTED else phase


def _rows(series: str) -> list[Runtime]:
    """Each with how many pools run or rest on it."""
    serving = Q(builds__pool__isnull=False) & ~Q(builds__pool__state=Pool.State.GONE)
    rows = Runtime.objects.frozen().filter(series=series).select_related("asked_by")
    return list(rows.annotate(pools=Count("builds__pool", filter=serving, distinct=True)).order_by("-pk"))


@require_POST
def freeze(request: HttpRequest, series: str) -> HttpResponse:
    operator = operator_or_404(request)
    if series not in images.offered() or support.refusal(series):
        raise Http404
    for host in Host.objects.order_by("pk"):
        runtimes.ask(host=host, series=series, urgent=bool(request.POST.get("urgent")), by=operator)
    messages.success(request, f"Odoo {series} is pulled and frozen now, which takes a while.")
    return redirect("runtimes")
