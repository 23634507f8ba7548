"""What a person is told, and wants to be told."""

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import lists, reads, writes
from portal.api.views import ApiView
from portal.models import Scope, User
from projects import notices
from projects.access import require_whole_account, visible_projects
from projects.models import Notice
from projects.news import Event


class WishRow(serializers.Serializer[Any]):
    event = serializers.ChoiceField(choices=Event.choices)
    in_portal = serializers.BooleanField()
    by_mail = serializers.BooleanField()


class Wishes(serializers.Serializer[Any]):
    notifications = WishRow(many=True)


class WishChange(serializers.Serializer[Any]):
    event = serializers.ChoiceField(choices=Event.choices)
    in_portal = serializers.BooleanField(required=False)
    by_mail = serializers.BooleanField(required=False)


class Notifications(ApiView):
    tag = "account"

    @reads("show_notifications", Wishes)
    def get(self, request: Request) -> dict[str, Any]:
        """What you are told of, in the portal and by mail."""
        return _wishes(person(request))

    @writes("change_notifications", Scope.ADMIN, {200: Wishes}, takes=WishChange)
    def patch(self, request: Request, *, given: dict[str, Any]) -> Response:
        """Choose what to be told of one kind of news: what isn't named stays."""
        require_whole_account(request)
        user, event = person(request), given.pop("event")
        wanted = [replace(wish, **given) if wish.event == event else wish for wish in notices.wishes(user)]
        notices.choose(user=user, wanted=wanted)
        return Response(Wishes(_wishes(user)).data)


def _wishes(user: User) -> dict[str, Any]:
    return {"notifications": notices.wishes(user)}


class NoticeRow(serializers.ModelSerializer[Notice]):
    project = serializers.CharField(source="project.slug", read_only=True)
    path = serializers.CharField(read_only=True, help_text="Of the portal's page that it is about.")

    class Meta:
        model = Notice
        fields = ("id", "project", "event", "title", "path", "created_at", "read_at")
        read_only_fields = fields


class Notices(ApiView):
    tag = "account"

    @lists("list_notices", NoticeRow)
    def get(self, request: Request) -> QuerySet[Notice]:
        """What you were told in the portal."""
        return notices.of(person(request)).filter(project__in=visible_projects(request))


class ReadNotices(ApiView):
    tag = "account"

    @writes("mark_notices_read", Scope.DEPLOY, {204: None})
    def post(self, request: Request) -> Response:
        """Count all of them as read."""
        notices.mark_read(person(request), project__in=visible_projects(request))
        return Response(status=204)
