"""What can be read of builds, their logs, and operations."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from builds import reading, steplog
from builds.access import build_or_404
from builds.api import operations
from builds.api.rows import BIGGEST, BuildRow, DatabaseLog, OneBuildRow, OperationRow, RuntimeRow, StepLog, Steps
from builds.models import Build
from hosting import logfiles, runtimes
from hosting.models import Runtime
from portal.api.operations import lists, reads
from portal.api.views import ApiView
from portal.models import Command, LogChunk, State, Step
from projects.access import Tool, branch_or_404, production_or_404, project_or_404
from projects.models import Branch, Stage


def position(**named: Any) -> serializers.IntegerField:
    """A place to read on from, which an answer gave."""
    return serializers.IntegerField(min_value=0, max_value=BIGGEST, required=False, **named)


class BuildFilter(serializers.Serializer[Any]):
    branch = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, help_text="Its id.")
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)
    state = serializers.ChoiceField(choices=State.choices, required=False)
    commit = serializers.RegexField(r"^[0-9a-f]{40}$", required=False, help_text="All 40 digits.")


class Builds(ApiView):
    tag = "builds"

    @lists("list_builds", BuildRow, query=BuildFilter)
    def get(self, request: Request, *, slug: str, given: dict[str, Any]) -> QuerySet[Build]:
        """The builds of a project."""
        access = project_or_404(request, slug, Tool.BUILDS)
        self.context = {"access": access}
        wanted = {name: given[name] for name in ("branch", "stage", "state", "commit") if name in given}
        return reading.for_lists().filter(project=access.project, **wanted).select_related("branch", "asked_by")


class Runtimes(ApiView):
    tag = "branches"

    @lists("list_runtimes", RuntimeRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Runtime]:
        """The frozen images of Odoo of the project's series, to which a branch can be pinned by its settings."""
        project = project_or_404(request, slug, Tool.HISTORY).project
        return runtimes.of(project.host, project.series)


class OneBuild(ApiView):
    tag = "builds"

    @reads("show_build", OneBuildRow)
    def get(self, request: Request, *, slug: str, number: int) -> Build:
        """A build."""
        access, build = build_or_404(request, slug, number, Tool.BUILDS)
        self.context = {"access": access}
        return build


class BuildSteps(ApiView):
    tag = "builds"

    @reads("list_steps", Steps)
    def get(self, request: Request, *, slug: str, number: int) -> dict[str, Any]:
        """The steps of a build, in order."""
        access, build = build_or_404(request, slug, number, Tool.BUILDS)
        if not access.is_member and not access.may(Tool.LOGS, build.stage):
            raise Http404
        return {"steps": list(build.story.steps.all()) if build.story else []}


class Cursor(serializers.Serializer[Any]):
    after = position(default=0, help_text="From the answer before.")
    command = position(default=0, help_text="From the answer before.")


class OneStepLog(ApiView):
    tag = "logs"

    @reads("read_step_log", StepLog, query=Cursor)
    def get(self, request: Request, *, slug: str, number: int, name: str, given: dict[str, Any]) -> Response:
        """What a step wrote, a piece at a time: send `after` and `command` back until there is no more."""
        step = _step_or_404(request, slug, number, name)
        excerpt = steplog.following(step, given["after"], given["command"])
        page = {"items": [_item(item) for item in excerpt.items], "more": excerpt.more or excerpt.full}
        return Response(page | {"after": excerpt.after, "command": excerpt.command})  # no serializer: they are many


def _item(item: Command | LogChunk) -> dict[str, Any]:
    if isinstance(item, Command):
        return {"kind": "command", "text": str(item), "at": item.started_at, "exit_code": item.exit_code}
    return {"kind": "output", "text": item.text, "at": item.at, "exit_code": None}


class PlainText(BaseRenderer):
    """For the negotiation alone: what is streamed renders itself."""

    media_type, format, charset = "text/plain", "txt", "utf-8"

    def render(self, data: Any, *_arguments: Any, **_named: Any) -> bytes:
        return JSONRenderer().render(data)


class WholeStepLog(ApiView):
    tag = "logs"
    renderer_classes = (PlainText,)

    @reads("stream_step_log", OpenApiTypes.STR)
    def get(self, request: Request, *, slug: str, number: int, name: str) -> HttpResponseBase:
        """All that a step wrote until now, streamed as text."""
        step = _step_or_404(request, slug, number, name)
        return StreamingHttpResponse(steplog.whole(step), content_type="text/plain; charset=utf-8")


def _step_or_404(request: Request, slug: str, number: int, name: str) -> Step:
    _access, build = build_or_404(request, slug, number, Tool.LOGS)
    step = build.story.steps.filter(name=name).first() if build.story else None
    if step is None:
        raise Http404
    return step


class LogQuery(serializers.Serializer[Any]):
    file = serializers.CharField(required=False, max_length=120, help_text="Else the one that was written last.")
    level = serializers.ChoiceField(choices=logfiles.LEVELS, required=False, help_text="This one or a graver.")
    q = serializers.CharField(required=False, max_length=200, help_text="Contained, whatever the case.")
    before = position()
    after = position()
    inode = position(default=0)


class BranchLog(ApiView):
    tag = "logs"

    @reads("read_database_log", DatabaseLog, query=LogQuery)
    def get(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> dict[str, Any]:
        """Odoo's log of the database that serves a branch: its end, or what was written before or after."""
        _access, branch = branch_or_404(request, slug, pk, Tool.LOGS)
        files = logfiles.files(branch.instance) if branch.instance else []
        serving = [file for file in files if "-cron" not in file.name]  # what people look for first
        name = given.get("file") or next((file.name for file in serving or files), "")
        if branch.instance is None or not files:
            raise Http404
        wanted = logfiles.Wanted(given.get("level", ""), given.get("q", ""))
        try:
            if "after" in given:
                page = logfiles.follow(branch.instance, name, given["after"], given["inode"], wanted)
            else:
                with logfiles.opened(branch.instance, name) as stream:
                    page = logfiles.read_back(stream, given.get("before"), wanted)
        except logfiles.NoSuchLog as error:
            raise Http404 from error
        return {
            "files": files,
            "file": name,
            "entries": page.entries,
            "before": page.start,
            "after": page.end,
            "inode": page.inode,
        }


def production(request: Request, slug: str) -> Branch:
    """The project's, for who may use its backups. Raises Http404, PermissionDenied."""
    access = project_or_404(request, slug, Tool.BACKUPS)
    found = access.project.branches.alive().filter(stage=Stage.PRODUCTION).first()
    if found is None:
        raise Http404
    return production_or_404(request, slug, found.pk)[1]


class OneOperation(ApiView):
    tag = "operations"

    @reads("show_operation", OperationRow)
    def get(self, request: Request, *, slug: str, pk: int) -> dict[str, Any]:
        """How far an operation is, and what came of it."""
        return operations.shown(*operations.story_or_404(request, slug, pk))
