"""Backups taken, restored and deleted."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from builds import backup as stories_of_backups
from builds import restore
from builds.access import backup_or_404
from builds.api import foretelling
from builds.api.confirming import Confirmed, confirm
from builds.api.operations import FOLLOWED, accepted
from builds.api.reads import production
from builds.api.rows import BIGGEST, BackupRow
from hosting.models import Backup
from portal.accounts import person
from portal.api.foretold import Foretold
from portal.api.operations import lists, reads, writes
from portal.api.problems import Misfit
from portal.api.views import ApiView
from portal.models import Scope
from projects.models import Branch, Stage


class Backups(ApiView):
    tag = "backups"

    @lists("list_backups", BackupRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Backup]:
        """The backups of production."""
        rows = Backup.objects.filter(instance=production(request, slug).instance, forgotten_at=None)
        return rows.select_related("asked_by")

    @writes("back_up", Scope.DEPLOY, FOLLOWED)
    def post(self, request: Request, *, slug: str) -> Response:
        """Back production up."""
        branch = production(request, slug)
        made = stories_of_backups.begin(branch=branch, kind=Backup.Kind.MANUAL, by=person(request))
        return accepted(request, slug, made.story)


class OneBackup(ApiView):
    tag = "backups"

    @reads("show_backup", BackupRow)
    def get(self, request: Request, *, slug: str, pk: int) -> Backup:
        """A backup whose content is there."""
        return backup_or_404(production(request, slug), pk)

    @writes("delete_backup", Scope.ADMIN, {204: None}, foretells=Foretold)
    def delete(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Let go of a backup that was taken by hand."""
        branch = production(request, slug)
        found = backup_or_404(branch, pk)
        if given["dry_run"]:
            return Response(foretelling.delete_backup(found))
        stories_of_backups.delete(found, by=person(request), project_id=branch.project_id)
        return Response(status=204)


class OfRestore(Confirmed):
    force = serializers.BooleanField(
        default=False, help_text="Also where what is there can't be backed up, since it is damaged or gone."
    )


class RestoreBackup(ApiView):
    tag = "backups"

    @writes("restore_backup", Scope.ADMIN, FOLLOWED, takes=OfRestore, foretells=Foretold)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Make a backup production's database. What was written since is lost."""
        branch = production(request, slug)
        found = backup_or_404(branch, pk)
        if given["dry_run"]:
            return Response(foretelling.restore_backup(branch, found))
        confirm(given, slug)
        begun = restore.begin(branch=branch, backup=found, by=person(request), force=given["force"])
        return accepted(request, slug, begun.story)


class OfStaging(serializers.Serializer[Any]):
    branch = serializers.IntegerField(min_value=1, max_value=BIGGEST, help_text="The id of a staging branch.")


class IntoStaging(ApiView):
    tag = "backups"

    @writes("restore_into_staging", Scope.DEPLOY, FOLLOWED, takes=OfStaging)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Give a staging branch a neutralised copy of a backup, by a build of its newest commit."""
        found = backup_or_404(production(request, slug), pk)
        staging = Branch.objects.alive().filter(project__slug=slug, stage=Stage.STAGING).exclude(head="")
        target = staging.filter(pk=given["branch"]).first()
        if target is None:
            raise Misfit({"branch": ["The project has no such staging branch with a commit."]})
        build = restore.into_staging(branch=target, backup=found, by=person(request))
        return accepted(request, slug, build.story)
