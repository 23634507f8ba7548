"""Deleting a project, with its address typed, and undoing that."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from builds import deletion, removal
from builds.begin import refusal
from portal.stories import StoryError
from projects.access import Tool, deleted_or_404, project_or_404
from projects.models import Project


@require_http_methods(["GET", "POST"])
def delete_project(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    wrong = ""
    if request.method == "POST":
        try:
            deletion.delete(project=access.project, typed=request.POST.get("typed", ""), by=access.person)
        except StoryError as error:
            wrong = error.in_words
        else:
            return redirect("deleted", slug=slug)
    context = {"access": access, "nav": "settings", "wrong": wrong, "days": deletion.GRACE.days}
    return render(request, "builds/delete_project.html", context)


@require_http_methods(["GET", "POST"])
def deleted(request: HttpRequest, slug: str) -> HttpResponse:
    """What is left of it: for how long, and the way back."""
    access = deleted_or_404(request, slug)
    if request.method == "POST":
        try:
            build = deletion.undo(project=access.project, by=access.person)
        except StoryError as error:
            messages.error(request, error.in_words)
            return redirect("deleted", slug=slug)
        messages.success(request, f"{access.project} is there again.")
        refused = refusal(Project.objects.get(pk=access.project.pk)) if build is None else ""
        if refused:
            messages.warning(request, f"Nothing is deployed for it now: {refused}")
        return redirect("project", slug=slug)
    project = access.project
    context = {"project": project, "closing": deletion.is_closing(project)}
    context["unproven"] = [] if project.hours_left else removal.unproven_of(project)
    return render(request, "builds/deleted.html", context)
