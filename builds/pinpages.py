"""Keeping the database of a build longer than the clean-up would."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from builds import ageing
from builds.access import build_or_404
from portal.accounts import person
from portal.stories import StoryError
from projects.access import Tool


@require_POST
def pin(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Pin the build (`pinned` is given in the form), or let it go again."""
    access, build = build_or_404(request, slug, number, Tool.DEPLOY)
    access.require(Tool.DEPLOY, build.branch.stage)
    change = ageing.pin if request.POST.get("pinned") else ageing.unpin
    try:
        change(build=build, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
    return redirect("build", slug=slug, number=number)
