"""A project's subscription or trial: what it may use, and a code for more."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import reads, writes
from portal.api.views import ApiView
from portal.models import Scope
from projects import plans, subscriptions
from projects.access import Tool, project_or_404
from projects.models import Project
from projects.uses import uses_of


class UseRow(serializers.Serializer[Any]):
    name = serializers.CharField()
    used = serializers.FloatField()
    limit = serializers.IntegerField(allow_null=True, help_text="null: there is none.")
    unit = serializers.CharField()


class PlanRow(serializers.Serializer[Any]):
    standing = serializers.ChoiceField(choices=[(each.value, each.value) for each in plans.Standing])
    says = serializers.CharField(help_text="What is about to happen; empty: nothing.")
    days_left = serializers.IntegerField(allow_null=True, help_text="Until that; null: it has no end.")
    closed = serializers.BooleanField(help_text="Whether its databases are stopped, and nothing is built.")
    code = serializers.CharField(allow_null=True)
    begun_by = serializers.CharField(allow_null=True, help_text="The partner's code that began its trial.")
    ends_at = serializers.DateTimeField(allow_null=True)
    database_gb = serializers.IntegerField(allow_null=True, help_text="The most that each database may have.")
    uses = UseRow(many=True)


class Code(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=60)


class ProjectsPlan(ApiView):
    tag = "subscription"

    @reads("show_subscription", PlanRow)
    def get(self, request: Request, *, slug: str) -> dict[str, Any]:
        """What a project may use, and does, and until when."""
        return _shown(project_or_404(request, slug, Tool.SETTINGS).project)

    @writes("enter_subscription_code", Scope.ADMIN, {200: PlanRow}, takes=Code)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Go on with another subscription, from now on."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        subscriptions.enter(project=project, code=given["code"], by=person(request))
        return Response(PlanRow(_shown(Project.objects.select_related("subscription").get(pk=project.pk))).data)


def _shown(project: Project) -> dict[str, Any]:
    found, subscription = plans.plan(project), project.subscription
    return {
        "standing": found.standing.value,
        "says": found.says,
        "days_left": found.days_left,
        "closed": found.is_closed,
        "code": subscription.code if subscription else None,
        "begun_by": project.partner.code if project.partner else None,
        "ends_at": subscription.ends_at if subscription else None,
        "database_gb": found.limits.database_gb,
        "uses": uses_of(project),
    }
