"""The page that connects a repository, and begins its first build."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from builds import newproject
from portal.accounts import person
from portal.stories import StoryError
from projects import connect, providers
from projects.forms import NewProjectForm
from projects.models import Project


@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    form, error = NewProjectForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            project, _build = newproject.make(by=person(request), **form.cleaned_data)
        except StoryError as refusal:
            error = refusal
        else:
            return redirect("branches", slug=project.slug)
    context = {"form": form, "error": error, "title": "New project", "github_url": settings.BERTH_GITHUB_URL}
    return render(request, "projects/new.html", context)


@require_GET
def repositories(request: HttpRequest) -> HttpResponse:
    """The repositories to choose from. They come after the page, since GitHub may take its time."""
    user = person(request)
    context: dict[str, object] = {"github_url": settings.BERTH_GITHUB_URL}
    if user.github_token:
        try:
            found = connect.repositories(user)
            taken = Project.objects.values_list("provider_id", flat=True)
            context |= {"repositories": found, "taken": set(taken)}
        except providers.ProviderError as error:
            context["error"] = str(error)
    return render(request, "projects/new.html#repositories", context)
