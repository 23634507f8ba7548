"""The operator's page of what takes the disk, and the projects' quotas."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from builds import room
from hosting.models import Host
from portal import audit, hours
from projects import quota
from projects.access import operator_or_404
from projects.models import DiskUse, Project

LARGEST = 15  # things that are listed one by one


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = ("quota_gb",)


@require_GET
def disk(request: HttpRequest) -> HttpResponse:
    operator_or_404(request)
    rows = DiskUse.objects.values("kind").annotate(count=Count("pk"), sum=Sum("bytes")).order_by("-sum")
    kinds = [(DiskUse.Kind(row["kind"]), row["count"], row["sum"]) for row in rows]
    there = Project.objects.filter(removed_at=None).select_related("subscription").order_by("name")
    storages = quota.storages(there)
    projects = [(project, storages[project.pk]) for project in there]
    context: dict[str, Any] = {
        "title": "Disk",
        "hosts": [(host, _used(host), room.is_short(host)) for host in Host.objects.order_by("pk")],
        "percent": settings.BERTH_FREE_PERCENT,
        "jump": hours.jump(),
        "to_steady": hours.to_steady(),
        "kinds": kinds,
        "largest": DiskUse.objects.select_related("project").order_by("-bytes")[:LARGEST],
        "projects": sorted(projects, key=lambda pair: -pair[1].used),
        "default_gb": settings.BERTH_QUOTA_GB,
        "measured_at": DiskUse.objects.aggregate(at=Max("measured_at"))["at"],
    }
    return render(request, "builds/disk.html", context)


def _used(host: Host) -> int:
    return (host.disk_size or 0) - (host.disk_free or 0)


@require_POST
def set_quota(request: HttpRequest, slug: str) -> HttpResponse:
    """How many GB a project may use; nothing means what the installation gives, 0 that there is no limit."""
    operator = operator_or_404(request)
    project = get_object_or_404(Project, slug=slug)
    form = QuotaForm(request.POST, instance=Project.objects.get(pk=project.pk))
    if form.is_valid():
        audit.save_form(form, by=operator, verb="set quota", object=project.slug, project_id=project.pk)
        messages.success(request, f"The quota of {project} is set.")
    else:
        messages.error(request, f"The quota of {project} was not changed: give whole gigabytes, or nothing.")
    return redirect("disk")
