"""The page of a branch's scheduled actions: what each did lately."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from builds.branchframe import branch_context, sidebar
from hosting import cronruns, crontimes
from portal import clock
from projects.access import Tool, branch_or_404
from projects.models import Stage

SHOWN = 5  # runs of each action


@never_cache
@require_GET
def actions(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.LOGS)
    instance = branch.instance
    timed = instance is not None and branch.stage != Stage.PRODUCTION
    context = branch_context(access, branch, "logs") | sidebar(access, "", branch)
    context |= {
        "title": f"Scheduled actions · {branch} · {access.project}",
        "actions": [(runs[0], runs[:SHOWN]) for runs in cronruns.latest(instance)],
        "minutes": settings.BERTH_CRON_MINUTES,
        "next_time": crontimes.next_time(instance.pk, clock.now()) if instance is not None and timed else None,
    }
    return render(request, "builds/branch_actions.html", context)
