"""Outgoing webhooks, and what was sent to them."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import lists, reads, writes
from portal.api.views import ApiView
from portal.models import Scope
from projects import outgoing
from projects.access import Tool, project_or_404
from projects.models import Hook, HookDelivery
from projects.news import Event


class HookRow(serializers.ModelSerializer[Hook]):
    events = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Hook
        fields: tuple[str, ...] = ("id", "url", "events", "active", "created_at")
        read_only_fields: tuple[str, ...] = fields


class HookWithSecret(HookRow):
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="Signs what is sent. Shown now and never again: null where the request was sent twice.",
    )

    class Meta(HookRow.Meta):
        fields = (*HookRow.Meta.fields, "secret")
        read_only_fields = fields


class HookDeliveryRow(serializers.ModelSerializer[HookDelivery]):
    asked_by = serializers.CharField(
        source="asked_by.username", allow_null=True, default=None, read_only=True, help_text="null: it happened."
    )

    class Meta:
        model = HookDelivery
        fields: tuple[str, ...] = (
            "id",
            "guid",
            "event",
            "state",
            "tries",
            "next_at",
            "asked_by",
            "code",
            "error",
            "took_s",
            "sent_at",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = fields


class OneHookDeliveryRow(HookDeliveryRow):
    request_headers = serializers.DictField(child=serializers.CharField(), read_only=True)
    answer_headers = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta(HookDeliveryRow.Meta):
        fields = (*HookDeliveryRow.Meta.fields, "body", "request_headers", "answer_headers", "answer")
        read_only_fields = fields


def _events(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(choices=Event.choices), min_length=1, max_length=len(Event), **options
    )


class NewHook(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500, help_text="Public, such as https://example.com/hook.")
    events = _events()


class HookChange(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500, required=False)
    events = _events(required=False)
    active = serializers.BooleanField(required=False)


class Hooks(ApiView):
    tag = "webhooks"

    @lists("list_webhooks", HookRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Hook]:
        """The addresses that hear what happens in a project."""
        return project_or_404(request, slug, Tool.SETTINGS).project.hooks.all()

    @writes("add_webhook", Scope.ADMIN, {201: HookWithSecret}, takes=NewHook, hidden="secret")
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Let an address hear of what happens."""
        hook = Hook(project=project_or_404(request, slug, Tool.SETTINGS).project)
        outgoing.save(hook=hook, active=True, by=person(request), **given)
        return Response(HookWithSecret(hook).data, status=201)


class OneHook(ApiView):
    tag = "webhooks"

    @reads("show_webhook", HookRow)
    def get(self, request: Request, *, slug: str, pk: int) -> Hook:
        """A webhook."""
        return _hook_or_404(request, slug, pk)

    @writes("change_webhook", Scope.ADMIN, {200: HookRow}, takes=HookChange)
    def patch(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Change a webhook: what isn't named stays."""
        hook = _hook_or_404(request, slug, pk)
        values = {"url": hook.url, "events": hook.events, "active": hook.active} | given
        outgoing.save(hook=hook, by=person(request), **values)
        return Response(HookRow(hook).data)

    @writes("remove_webhook", Scope.ADMIN, {204: None})
    def delete(self, request: Request, *, slug: str, pk: int) -> Response:
        """Remove a webhook, with the log of what was sent to it."""
        outgoing.remove(hook=_hook_or_404(request, slug, pk), by=person(request))
        return Response(status=204)


class HookSecret(ApiView):
    tag = "webhooks"

    @writes("new_webhook_secret", Scope.ADMIN, {200: HookWithSecret}, hidden="secret")
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Sign with a new secret from now on."""
        hook = _hook_or_404(request, slug, pk)
        outgoing.new_secret(hook=hook, by=person(request))
        return Response(HookWithSecret(hook).data)


class TryHook(ApiView):
    tag = "webhooks"

    @writes("try_webhook", Scope.ADMIN, {202: HookDeliveryRow})
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Send it something now. See its delivery for the answer."""
        made = outgoing.ping(hook=_hook_or_404(request, slug, pk), by=person(request))
        return Response(HookDeliveryRow(made).data, status=202)


class HookDeliveries(ApiView):
    tag = "webhooks"

    @lists("list_webhook_deliveries", HookDeliveryRow)
    def get(self, request: Request, *, slug: str, pk: int) -> QuerySet[HookDelivery]:
        """What was sent to a webhook in the last 30 days."""
        return _hook_or_404(request, slug, pk).deliveries.select_related("asked_by")


class OneHookDelivery(ApiView):
    tag = "webhooks"

    @reads("show_webhook_delivery", OneHookDeliveryRow)
    def get(self, request: Request, *, slug: str, pk: int, delivery: int) -> HookDelivery:
        """What was sent, and what was answered."""
        return _delivery_or_404(request, slug, pk, delivery)


class SendAgain(ApiView):
    tag = "webhooks"

    @writes("send_webhook_again", Scope.ADMIN, {202: HookDeliveryRow})
    def post(self, request: Request, *, slug: str, pk: int, delivery: int) -> Response:
        """Send the same once more, as a delivery of its own, signed anew."""
        again = outgoing.redeliver(delivery=_delivery_or_404(request, slug, pk, delivery), by=person(request))
        return Response(HookDeliveryRow(again).data, status=202)


def _hook_or_404(request: Request, slug: str, pk: int) -> Hook:
    project = project_or_404(request, slug, Tool.SETTINGS).project
    return get_object_or_404(project.hooks.select_related("project"), pk=pk)


def _delivery_or_404(request: Request, slug: str, pk: int, delivery: int) -> HookDelivery:
    rows = _hook_or_404(request, slug, pk).deliveries.select_related("asked_by", "hook__project")
    return get_object_or_404(rows, pk=delivery)
