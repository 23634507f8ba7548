"""A project's repository at GitHub: is it there, does it tell of pushes, and whose account is used."""

from typing import Any, Protocol

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import reads, writes
from portal.api.views import ApiView
from portal.models import Scope, User
from projects import following
from projects.access import Tool, project_or_404
from projects.models import Project


class AtGitHub(serializers.ModelSerializer[Project]):
    account = serializers.CharField(
        source="token_of.github_login",
        allow_null=True,
        default=None,
        read_only=True,
        help_text="By whose access it is.",
    )
    account_error = serializers.CharField(source="token_error", read_only=True, help_text="Why GitHub refuses that.")
    webhook_error = serializers.CharField(read_only=True, help_text="What is wrong with the webhook; empty: nothing.")

    class Meta:
        model = Project
        fields = (
            "repository",
            "clone_url",
            "gone_at",
            "account",
            "account_error",
            "webhook_error",
            "webhook_seen_at",
        )
        read_only_fields = fields


class Told(serializers.Serializer[Any]):
    then = serializers.CharField(help_text="What came of it, in words.")


class Deed(Protocol):
    def __call__(self, *, project: Project, by: User) -> str: ...


def _done(request: Request, slug: str, deed: Deed) -> Response:
    """Raises ProjectError."""
    project = project_or_404(request, slug, Tool.SETTINGS).project
    return Response({"then": deed(project=project, by=person(request))})


class Repository(ApiView):
    tag = "github"

    @reads("show_repository", AtGitHub)
    def get(self, request: Request, *, slug: str) -> Project:
        """How the project stands with its repository."""
        return project_or_404(request, slug, Tool.SETTINGS).project


class MendWebhook(ApiView):
    tag = "github"

    @writes("mend_github_webhook", Scope.ADMIN, {200: Told}, outside=True)
    def post(self, request: Request, *, slug: str) -> Response:
        """Install the webhook by which GitHub tells of pushes, or set it right, and let GitHub try it."""
        return _done(request, slug, following.mend_webhook)


class LendAccount(ApiView):
    tag = "github"

    @writes("lend_account", Scope.ADMIN, {200: Told}, outside=True)
    def post(self, request: Request, *, slug: str) -> Response:
        """Let the project work with your own account at GitHub from now on."""
        return _done(request, slug, following.lend)


class TryStatuses(ApiView):
    tag = "github"

    @writes("try_statuses", Scope.ADMIN, {200: Told}, outside=True)
    def post(self, request: Request, *, slug: str) -> Response:
        """Set a status on production's newest commit, to see whether the account may."""
        return _done(request, slug, following.try_statuses)
