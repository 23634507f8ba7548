"""The audit log's pages: a project's for its admins, the whole of it for the operator."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal import clock
from portal.auditsearch import AuditFilter, changes, export
from portal.models import AuditEntry
from projects.access import Access, Tool, operator_or_404, project_or_404

SHOWN = 50  # entries on a page


@require_GET
def project_audit(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    context = {"access": access, "nav": "settings", "tab": "audit"}
    return render(request, "projects/audit.html", context | _shown(request, _of(access)))


@require_GET
def export_project_audit(request: HttpRequest, slug: str) -> HttpResponseBase:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return _export(request, _of(access), slug)


@require_GET
def operator_audit(request: HttpRequest) -> HttpResponse:
    operator_or_404(request)
    return render(request, "projects/operator_audit.html", _shown(request, AuditEntry.objects.all()))


@require_GET
def export_operator_audit(request: HttpRequest) -> HttpResponseBase:
    operator_or_404(request)
    return _export(request, AuditEntry.objects.all(), "berth")


def _of(access: Access) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(project_id=access.project.pk)


def _shown(request: HttpRequest, entries: QuerySet[AuditEntry]) -> dict[str, Any]:
    form = AuditFilter(request.GET)
    page = Paginator(form.apply(entries).order_by("-pk"), SHOWN).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return {
        "form": form,
        "page": page,
        "entries": [(entry, changes(entry)) for entry in page],
        "query": query.urlencode(),
        "filtered": any(query.values()),
    }


def _export(request: HttpRequest, entries: QuerySet[AuditEntry], name: str) -> HttpResponseBase:
    """What the filter finds."""
    found = AuditFilter(request.GET).apply(entries)
    return export(found, f"audit-{name}-{clock.now():%Y-%m-%d}.csv")
