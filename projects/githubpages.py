"""The page of a project's repository at GitHub: is it there, does it tell of pushes, and whose account is used."""

from typing import Protocol

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts import person
from portal.models import User
from portal.stories import StoryError
from projects import following
from projects.access import Tool, project_or_404
from projects.models import Project


@require_GET
def github(request: HttpRequest, slug: str) -> HttpResponse:
    access = project_or_404(request, slug, Tool.SETTINGS)
    may_lend = bool(person(request).github_token)
    context = {"access": access, "nav": "settings", "tab": "github", "may_lend": may_lend}
    return render(request, "projects/github.html", context)


@require_POST
def mend_webhook(request: HttpRequest, slug: str) -> HttpResponse:
    return _do(request, slug, following.mend_webhook)


@require_POST
def lend_account(request: HttpRequest, slug: str) -> HttpResponse:
    return _do(request, slug, following.lend)


@require_POST
def try_statuses(request: HttpRequest, slug: str) -> HttpResponse:
    return _do(request, slug, following.try_statuses)


class _Act(Protocol):
    def __call__(self, *, project: Project, by: User) -> str: ...


def _do(request: HttpRequest, slug: str, act: _Act) -> HttpResponse:
    """What a button asks for; the page says what came of it."""
    access = project_or_404(request, slug, Tool.SETTINGS)
    try:
        messages.success(request, act(project=access.project, by=person(request)))
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("github", slug=slug)
