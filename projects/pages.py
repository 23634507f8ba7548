"""The page of a project's settings."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from portal.accounts import person
from projects import quota
from projects.access import Access, Tool, project_or_404
from projects.forms import ProjectForm
from projects.models import Project


@require_GET
def home(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.BUILDS)
    return redirect("branches" if access.is_member else "builds", slug=slug)


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    form = ProjectForm(request.POST or None, instance=Project.objects.get(pk=access.project.pk))
    if request.method == "POST" and form.is_valid():
        form.save_by(person(request))
        messages.success(request, "Saved.")
        return redirect("settings", slug=slug)
    return _settings_page(request, access, form=form)


def _settings_page(request: HttpRequest, access: Access, *, form: ProjectForm) -> HttpResponse:
    context = {
        "access": access,
        "nav": "settings",
        "tab": "project",
        "form": form,
        "storage": quota.storage(access.project),
        "hours": [str(hour) for hour in range(24)],
    }
    return render(request, "projects/settings.html", context)
