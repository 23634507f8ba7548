"""The page before a rollback: what comes back, what doesn't, and the two ways there."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from builds import again, rollback
from builds.access import deployed_or_404
from builds.models import Build
from hosting.models import Pool
from portal.accounts import person
from portal.models import Result
from portal.stories import StoryError
from projects.access import Access


def way_back(build: Build, *, serves: bool) -> Build | None:
    """The build to which this build's page offers to go: itself, or the one before it where it serves itself."""
    if not rollback.deployable(build):
        return None
    if serves:
        return rollback.target(build.instance)
    deployed = build.pool_id is not None and build.result not in {Result.FAILURE, Result.CANCELLED}
    return build if deployed else None


@require_http_methods(["GET", "POST"])
def roll_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Ask first (GET), then do it (POST)."""
    access, build = deployed_or_404(request, slug, number)
    if request.method == "POST":
        try:
            rollback.begin(build=build, by=person(request))
        except StoryError as error:
            messages.error(request, error.in_words)
        return redirect("build", slug=slug, number=number)
    if build.pool is not None and build.pool.state == Pool.State.LIVE:
        messages.info(request, f"#{build.number} serves already.")
        return redirect("build", slug=slug, number=number)
    return render(request, "builds/roll_back.html", _context(access, build))


@require_POST
def deploy_again(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """After the window: an ordinary deploy of the older image."""
    _access, build = deployed_or_404(request, slug, number)
    try:
        new = again.deploy_again(build=build, by=person(request))
    except StoryError as error:
        messages.error(request, error.in_words)
        return redirect("build", slug=slug, number=number)
    return redirect("build", slug=slug, number=new.number)


def _context(access: Access, build: Build) -> dict[str, Any]:
    pool, instance = build.pool, build.instance
    serving = Build.objects.serving(instance) if instance else None
    ahead = ""
    try:
        again.refuse_serving(build)
    except StoryError as error:
        ahead = error.in_words
    return {
        "access": access,
        "nav": "builds",
        "build": build,
        "pool": pool,
        "serving": serving,
        "refused": rollback.refusal(pool),
        "ahead": ahead,
        "updated": rollback.updated_since(build, serving),
    }
