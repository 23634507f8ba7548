"""What databases of branches did: mails they sent, scheduled actions that ran; and production's that were retired."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http.response import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request

from builds.access import mailbox_or_404
from builds.api.downloads import Bytes
from builds.models import Retired
from hosting import cronruns, crontimes, mailparts
from hosting.models import CronRun, Mail
from portal import clock
from portal.api.operations import lists, reads
from portal.api.views import ApiView
from projects.access import Tool, branch_or_404, project_or_404
from projects.models import Stage

RUNS = 5  # of each action


# --- mails ------------------------------------------------------------------------------------------------------------
class MailRow(serializers.ModelSerializer[Mail]):
    class Meta:
        model = Mail
        fields: tuple[str, ...] = ("id", "sender", "recipients", "subject", "size", "received_at")
        read_only_fields: tuple[str, ...] = fields


class MailPart(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    type = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField()


class OneMailRow(MailRow):
    text = serializers.CharField(read_only=True)
    html = serializers.CharField(read_only=True, help_text="As it was sent: by whom, nobody knows. Don't open it.")
    whole = serializers.BooleanField(read_only=True, help_text="Whether it could be taken apart.")
    parts = MailPart(many=True, read_only=True)

    class Meta(MailRow.Meta):
        fields = (*MailRow.Meta.fields, "text", "html", "whole", "parts")
        read_only_fields = fields


class MailSearch(serializers.Serializer[Any]):
    q = serializers.CharField(required=False, max_length=200, help_text="In the subject or an address.")


class Mails(ApiView):
    tag = "mails"

    @lists("list_mails", MailRow, query=MailSearch)
    def get(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> QuerySet[Mail]:
        """The mails that the database of a branch of staging or development sent, and nobody got."""
        found, words = mailbox_or_404(request, slug, pk)[2].defer("raw"), given.get("q")
        if words:
            found = found.filter(
                Q(subject__icontains=words) | Q(sender__icontains=words) | Q(recipients__icontains=words)
            )
        return found


class OneMail(ApiView):
    tag = "mails"

    @reads("show_mail", OneMailRow)
    def get(self, request: Request, *, slug: str, pk: int, mail: int) -> Mail:
        """A mail, taken apart."""
        row = _mail_or_404(request, slug, pk, mail)
        message = mailparts.read(bytes(row.raw))
        for name in ("text", "html", "whole", "parts"):
            setattr(row, name, getattr(message, name))
        return row


class MailSource(ApiView):
    tag = "mails"
    renderer_classes = (Bytes,)

    @reads("stream_mail", OpenApiTypes.BINARY)
    def get(self, request: Request, *, slug: str, pk: int, mail: int) -> HttpResponseBase:
        """The mail as it was sent."""
        return HttpResponse(bytes(_mail_or_404(request, slug, pk, mail).raw), content_type="application/octet-stream")


def _mail_or_404(request: Request, slug: str, pk: int, mail: int) -> Mail:
    return get_object_or_404(mailbox_or_404(request, slug, pk)[2], pk=mail)


# --- scheduled actions ------------------------------------------------------------------------------------------------
class RunRow(serializers.ModelSerializer[CronRun]):
    class Meta:
        model = CronRun
        fields = ("action_id", "name", "outcome", "started_at", "finished_at")
        read_only_fields = fields


class Actions(serializers.Serializer[Any]):
    runs = RunRow(many=True)
    next_time = serializers.DateTimeField(allow_null=True, help_text="When they may run; null: at any time, or never.")


class ScheduledActions(ApiView):
    tag = "logs"

    @reads("list_actions", Actions)
    def get(self, request: Request, *, slug: str, pk: int) -> dict[str, Any]:
        """What the scheduled actions of a branch's database did lately: of each the newest runs."""
        _access, branch = branch_or_404(request, slug, pk, Tool.LOGS)
        instance = branch.instance
        timed = instance is not None and branch.stage != Stage.PRODUCTION
        return {
            "runs": [run for runs in cronruns.latest(instance) for run in runs[:RUNS]],
            "next_time": crontimes.next_time(instance.pk, clock.now()) if instance is not None and timed else None,
        }


# --- retired databases ------------------------------------------------------------------------------------------------
class RetiredRow(serializers.ModelSerializer[Retired]):
    branch = serializers.CharField(source="branch.name", read_only=True, help_text="Whose production it was.")
    database = serializers.CharField(source="instance.name", read_only=True)
    hours_left = serializers.IntegerField(
        source="instance.hours_left", allow_null=True, read_only=True, help_text="null: it is kept."
    )

    class Meta:
        model = Retired
        fields = ("id", "branch", "database", "hostname", "at", "hours_left")
        read_only_fields = fields


class RetiredDatabases(ApiView):
    tag = "branches"

    @lists("list_retired", RetiredRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Retired]:
        """Production's databases that a move retired: a later move to production may attach one."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        return Retired.objects.there().filter(project=project).select_related("branch", "instance")
