"""Backups to take away, each made for one person; and databases of builds that are kept longer."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from builds import ageing, download
from builds.access import backup_or_404, build_or_404
from builds.api.operations import FOLLOWED, accepted
from builds.api.reads import production
from builds.api.rows import OneBuildRow
from builds.models import Build, Download
from portal import ranges
from portal.accounts import person
from portal.api.operations import lists, reads, require, writes
from portal.api.views import ApiView
from portal.models import Scope
from projects.access import Access, Tool


class DownloadRow(serializers.ModelSerializer[Download]):
    backup = serializers.IntegerField(source="backup_id", read_only=True)
    filename = serializers.CharField(read_only=True)
    operation = serializers.IntegerField(source="story_id", allow_null=True, read_only=True)

    class Meta:
        model = Download
        fields = ("id", "backup", "form", "filename", "size_bytes", "expires_at", "operation", "created_at")
        read_only_fields = fields


class Wanted(serializers.Serializer[Any]):
    form = serializers.ChoiceField(choices=Download.Form.choices, required=False, default=Download.Form.ZIP)


class DownloadBackup(ApiView):
    tag = "backups"

    @writes("download_backup", Scope.ADMIN, FOLLOWED, takes=Wanted)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Have a file made of a backup, for you alone and for a day. See `downloads/` for it."""
        branch = production(request, slug)
        form = Download.Form(given["form"])
        made = download.begin(branch=branch, backup=backup_or_404(branch, pk), form=form, by=person(request))
        return accepted(request, slug, made.story)


class Downloads(ApiView):
    tag = "backups"

    @lists("list_downloads", DownloadRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Download]:
        """The files that were made for you, and those that will be there."""
        return _own(request, slug)


class Bytes(BaseRenderer):
    """For the negotiation alone: the file is sent as it lies there."""

    media_type, format, charset = "application/octet-stream", "bin", None

    def render(self, data: Any, *_arguments: Any, **_named: Any) -> bytes:
        return JSONRenderer().render(data)


class DownloadedFile(ApiView):
    tag = "backups"
    renderer_classes = (Bytes,)

    @reads("stream_download", OpenApiTypes.BINARY)
    def get(self, request: Request, *, slug: str, pk: int) -> HttpResponseBase:
        """The file itself. With `Range` it goes on where it was left. It takes a token of the scope admin."""
        require(request, Scope.ADMIN)
        row = get_object_or_404(_own(request, slug).filter(pk=pk).exclude(expires_at=None))
        try:
            return ranges.send(request, download.file(row), name=row.filename, tag=f"d{row.pk}")
        except FileNotFoundError as error:
            raise Http404 from error


def _own(request: Request, slug: str) -> QuerySet[Download]:
    """Of production's backups, for who may use them. Raises Http404, PermissionDenied."""
    branch = production(request, slug)
    return download.there().filter(branch=branch, asked_by=person(request)).select_related("branch__project", "backup")


class Pin(ApiView):
    tag = "builds"

    @writes("pin_build", Scope.DEPLOY, {200: OneBuildRow})
    def post(self, request: Request, *, slug: str, number: int) -> Response:
        """Keep a build's database for three months, and let it serve on when a newer build takes its place."""
        access, build = _to_pin(request, slug, number)
        ageing.pin(build=build, by=person(request))
        return _shown(access, build)

    @writes("unpin_build", Scope.DEPLOY, {200: OneBuildRow})
    def delete(self, request: Request, *, slug: str, number: int) -> Response:
        """Let a build's database go when its time is up."""
        access, build = _to_pin(request, slug, number)
        ageing.unpin(build=build, by=person(request))
        return _shown(access, build)


def _to_pin(request: Request, slug: str, number: int) -> tuple[Access, Build]:
    access, build = build_or_404(request, slug, number, Tool.DEPLOY)
    access.require(Tool.DEPLOY, build.branch.stage)
    return access, build


def _shown(access: Access, build: Build) -> Response:
    build.refresh_from_db(fields=["pinned_at"])
    return Response(OneBuildRow(build, context={"access": access}).data)
