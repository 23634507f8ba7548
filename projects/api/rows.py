"""How rows of this layer look in the API."""

from typing import Any

from rest_framework import serializers

from portal.models import ApiToken, AuditEntry
from projects.models import Branch, Member, Project


class ProjectRow(serializers.ModelSerializer[Project]):
    """For members; to a visitor, by the `access` of its context, without what the settings' page alone shows."""

    time_zone = serializers.CharField(read_only=True, allow_null=True, help_text="null: not for you to know.")
    backup_hour = serializers.IntegerField(
        min_value=0, max_value=23, read_only=True, allow_null=True, help_text="In that time zone."
    )

    class Meta:
        model = Project
        fields = (
            "slug",
            "name",
            "series",
            "repository",
            "public",
            "time_zone",
            "backup_hour",
            "created_at",
        )
        read_only_fields = fields

    def to_representation(self, project: Project) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(project)
        access = self.context.get("access")
        is_shown = access is None or access.is_member
        return shown if is_shown else shown | {"time_zone": None, "backup_hour": None}


class BranchRow(serializers.ModelSerializer[Branch]):
    url = serializers.CharField(source="instance.url", allow_null=True, default=None, read_only=True)

    class Meta:
        model = Branch
        fields = ("id", "name", "stage", "head", "on_push", "url", "created_at")
        read_only_fields = fields


class MemberRow(serializers.ModelSerializer[Member]):
    login = serializers.CharField(source="user.github_login", read_only=True)
    name = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Member
        fields = ("id", "login", "name", "role")
        read_only_fields = fields


class AuditRow(serializers.ModelSerializer[AuditEntry]):
    before = serializers.JSONField(read_only=True, allow_null=True)
    after = serializers.JSONField(read_only=True, allow_null=True)

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "by", "verb", "object", "before", "after", "hash")
        read_only_fields = fields


class TokenRow(serializers.ModelSerializer[ApiToken]):
    project = serializers.SerializerMethodField(help_text="The only one that it is for; null: all of yours.")

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "id",
            "name",
            "scope",
            "project",
            "ending",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_project(self, token: ApiToken) -> str | None:
        slug: str | None = getattr(token, "slug", None)
        return slug


class NewTokenRow(TokenRow):
    token = serializers.CharField(
        read_only=True, allow_null=True, help_text="Shown now and never again: null where the request was sent twice."
    )

    class Meta(TokenRow.Meta):
        fields = (*TokenRow.Meta.fields, "token")
        read_only_fields = fields


class Me(serializers.Serializer[Any]):
    """Who a request is from, and what its token may do."""

    login = serializers.CharField(help_text="On GitHub; empty for an operator.")
    name = serializers.CharField()
    operator = serializers.BooleanField()
    token = TokenRow()
