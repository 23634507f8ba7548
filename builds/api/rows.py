"""How rows of this layer look in the API."""

from typing import Any, ClassVar

from rest_framework import serializers

from builds.models import Build
from hosting.models import Backup, Runtime
from portal.models import Result, State, Step
from portal.templatetags.berth import first_line
from projects.access import Access, Tool
from projects.branchforms import SETTINGS
from projects.models import Branch

BIGGEST = 2**63 - 1  # of a row's number


class OfBranch(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class BuildRow(serializers.ModelSerializer[Build]):
    """For whoever has the `access` of its context: what their page of the build doesn't show isn't here either."""

    branch = OfBranch(read_only=True)
    asked_by = serializers.CharField(
        source="asked_by.username",
        allow_null=True,
        default=None,
        read_only=True,
        help_text="null: a push, or `trigger`.",
    )
    operation = serializers.IntegerField(source="story_id", allow_null=True, read_only=True)

    class Meta:
        model = Build
        fields: tuple[str, ...] = (
            "number",
            "branch",
            "stage",
            "commit",
            "message",
            "author",
            "asked_by",
            "trigger",
            "state",
            "result",
            "verdict",
            "operation",
            "created_at",
            "started_at",
            "switched_at",
            "finished_at",
        )
        read_only_fields: tuple[str, ...] = fields

    def to_representation(self, build: Build) -> dict[str, Any]:
        shown = super().to_representation(build)
        return shown | {name: value for name, value in _hidden(self.context["access"], build).items() if name in shown}


def _hidden(access: Access, build: Build) -> dict[str, Any]:
    """What stands in place of what a person may not know of a build."""
    found: dict[str, Any] = {}
    may_read = access.may(Tool.LOGS, build.stage)
    if not access.may(Tool.CONNECT, build.stage):
        found |= {"url": None}
    if not may_read:
        found |= {"verdict": "", "runtime": None, "pinned_at": None}
    if not access.is_member:
        found |= {"message": first_line(build.message), "asked_by": None, "trigger": ""}
    if not access.is_member and not may_read:
        found |= {"message": "", "author": "", "operation": None, "serves": None}
    return found


class RuntimeRow(serializers.ModelSerializer[Runtime]):
    """A frozen image of Odoo."""

    name = serializers.CharField(read_only=True, help_text="Of the image, and which one of that name it is.")

    class Meta:
        model = Runtime
        fields = ("id", "series", "name", "digest", "frozen_at", "urgent")
        read_only_fields = fields


class OneBuildRow(BuildRow):
    serves = serializers.SerializerMethodField(
        help_text="Whether its code answers at the database's address now; null: not for you to know."
    )
    url = serializers.CharField(source="instance.url", allow_null=True, default=None, read_only=True)

    runtime = RuntimeRow(read_only=True, allow_null=True, help_text="That its image was made of.")

    class Meta(BuildRow.Meta):
        fields = (*BuildRow.Meta.fields, "serves", "url", "runtime", "pinned_at")
        read_only_fields = fields

    def get_serves(self, build: Build) -> bool | None:
        return build.serves


class StepRow(serializers.ModelSerializer[Step]):
    seconds = serializers.FloatField(allow_null=True, read_only=True)

    class Meta:
        model = Step
        fields = ("name", "title", "state", "result", "attempts", "undone", "seconds", "started_at", "finished_at")
        read_only_fields = fields


class Steps(serializers.Serializer[Any]):
    steps = StepRow(many=True)


class LogItem(serializers.Serializer[Any]):
    """A command that a step ran, or some lines of output."""

    kind = serializers.ChoiceField(choices=("command", "output"))
    text = serializers.CharField()
    at = serializers.DateTimeField()
    exit_code = serializers.IntegerField(allow_null=True, help_text="Of a command that has ended.")


class StepLog(serializers.Serializer[Any]):
    items = LogItem(many=True)
    after = serializers.IntegerField(help_text="Send it back to read on from here.")
    command = serializers.IntegerField(help_text="This too.")
    more = serializers.BooleanField(help_text="Whether there is more to read, or more may come.")


class LogFileRow(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    changed_at = serializers.DateTimeField()


class LogEntryRow(serializers.Serializer[Any]):
    level = serializers.CharField(help_text="Empty where the line has no prefix of Odoo's.")
    text = serializers.CharField()


class DatabaseLog(serializers.Serializer[Any]):
    files = LogFileRow(many=True)
    file = serializers.CharField()
    entries = LogEntryRow(many=True)
    before = serializers.IntegerField(help_text="Send it back to read what was written before.")
    after = serializers.IntegerField(help_text="Send it back, with `inode`, to read what is written from here on.")
    inode = serializers.IntegerField()


class BackupRow(serializers.ModelSerializer[Backup]):
    asked_by = serializers.CharField(
        source="asked_by.username", allow_null=True, default=None, read_only=True, help_text="null: the clock."
    )
    operation = serializers.IntegerField(source="story_id", allow_null=True, read_only=True)

    class Meta:
        model = Backup
        fields = (
            "id",
            "kind",
            "asked_by",
            "state",
            "result",
            "commit",
            "taken_at",
            "size_bytes",
            "proof",
            "proven_at",
            "restore_seconds",
            "wrong",
            "lacking",
            "operation",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class BranchSettings(serializers.ModelSerializer[Branch]):
    install_list = serializers.ListField(child=serializers.CharField(max_length=100), required=False)
    runtime = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, required=False, allow_null=True, help_text="Of `runtimes/`; null: the newest."
    )

    class Meta:
        model = Branch
        fields = tuple(SETTINGS)
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            **{name: {"required": False} for name in fields},
            **{name: {"required": False, "validators": []} for name in ("probe_path", "test_tags")},  # the form's
        }


class ShownSettings(BranchSettings):
    runtime = serializers.IntegerField(source="runtime_id", allow_null=True, read_only=True)

    class Meta(BranchSettings.Meta):
        fields = (*BranchSettings.Meta.fields, "pinned_until", "memory_mb", "cpus")
        read_only_fields = fields


class OperationError(serializers.Serializer[Any]):
    title = serializers.CharField()
    detail = serializers.CharField()
    remedy = serializers.CharField()


class OperationRow(serializers.Serializer[Any]):
    """Work that goes on by itself. Ask for it again until its state is `done`."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    result = serializers.ChoiceField(choices=Result.choices, help_text="Empty until it is done.")
    confirmed = serializers.BooleanField(
        allow_null=True,
        help_text="Whether what was asked for is found in what is there, once it is done; null until then.",
    )
    finding = serializers.CharField(help_text="What was found, in words.")
    error = OperationError(allow_null=True)
    steps = StepRow(many=True)
    about = serializers.CharField(help_text="The address of what it is about, below that of the API.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
