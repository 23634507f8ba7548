"""Builds begun, cancelled and gone back to; databases woken up."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from builds import again, begin, resting, restore, rollback
from builds.access import build_or_404, deployed_or_404
from builds.api import foretelling
from builds.api.operations import FOLLOWED, accepted, story_or_404
from builds.models import Build, Restore
from portal.accounts import person
from portal.api.foretold import Foretold
from portal.api.operations import writes
from portal.api.views import ApiView
from portal.models import Scope
from portal.stories import ProjectError
from projects.access import Tool, branch_or_404


class Deploy(ApiView):
    tag = "deploys"

    @writes("deploy_branch", Scope.DEPLOY, FOLLOWED, foretells=Foretold)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Build and deploy the newest commit of a branch."""
        _access, branch = branch_or_404(request, slug, pk, Tool.DEPLOY)
        if given["dry_run"]:
            return Response(foretelling.build_head(branch))
        build = begin.build_head(branch=branch, by=person(request))
        return accepted(request, slug, build.story)


class Rebuild(ApiView):
    tag = "deploys"

    @writes("rebuild", Scope.DEPLOY, FOLLOWED, foretells=Foretold)
    def post(self, request: Request, *, slug: str, number: int, given: dict[str, Any]) -> Response:
        """Build the same commit once more."""
        access, build = build_or_404(request, slug, number, Tool.DEPLOY)
        access.require(Tool.DEPLOY, build.branch.stage)  # where it is built now
        if given["dry_run"]:
            return Response(foretelling.rebuild(build))
        return accepted(request, slug, begin.rebuild(build=build, by=person(request)).story)


class RollBack(ApiView):
    tag = "deploys"

    @writes("roll_back", Scope.DEPLOY, FOLLOWED, foretells=Foretold)
    def post(self, request: Request, *, slug: str, number: int, given: dict[str, Any]) -> Response:
        """Send production's requests back to the pool of this build, which is still kept running."""
        _access, build = deployed_or_404(request, slug, number)
        if given["dry_run"]:
            return Response(foretelling.roll_back(build))
        return accepted(request, slug, rollback.begin(build=build, by=person(request)).story)


class DeployAgain(ApiView):
    tag = "deploys"

    @writes("deploy_again", Scope.DEPLOY, FOLLOWED, foretells=Foretold)
    def post(self, request: Request, *, slug: str, number: int, given: dict[str, Any]) -> Response:
        """Deploy an older build of production again, whose pool is gone."""
        _access, build = deployed_or_404(request, slug, number)
        if given["dry_run"]:
            return Response(foretelling.deploy_again(build))
        return accepted(request, slug, again.deploy_again(build=build, by=person(request)).story)


class Wake(ApiView):
    tag = "deploys"

    @writes("wake", Scope.DEPLOY, FOLLOWED)
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Wake a database that sleeps."""
        _access, branch = branch_or_404(request, slug, pk, Tool.CONNECT)
        story = resting.wake(branch)
        if story is None:
            raise ProjectError("It isn't asleep", "Nothing was begun.")
        return accepted(request, slug, story)


class Cancel(ApiView):
    tag = "operations"

    @writes("cancel_operation", Scope.DEPLOY, FOLLOWED)
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Ask a deploy, a restore or an import to stop: what it did is undone. What has switched goes on to its end."""
        access, story = story_or_404(request, slug, pk)
        if not story.is_open:
            raise ProjectError("It has ended already", "Nothing was changed.")
        if story.kind == "deploy":
            build = Build.objects.select_related("story").get(pk=story.object_id)
            access.require(Tool.DEPLOY, build.stage)
            begin.cancel(build=build, by=person(request))
        elif story.kind == "restore":
            row = Restore.objects.select_related("story", "branch").get(pk=story.object_id)
            restore.cancel(restore=row, by=person(request))
        else:
            raise ProjectError("Only a deploy, a restore and an import can be cancelled", "It goes on.")
        return accepted(request, slug, story)
