"""Projects, their branches, members and audit log; and one's own tokens."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import apitokens as tokens
from portal.accounts import person
from portal.api.operations import lists, reads, require, token_of, writes
from portal.api.problems import Misfit
from portal.api.views import ApiView
from portal.models import ApiToken, AuditEntry, Scope
from projects import apitokens, members
from projects.access import Tool, branch_or_404, project_or_404, visible_projects
from projects.api.rows import AuditRow, BranchRow, Me, MemberRow, NewTokenRow, TokenRow
from projects.models import Branch, Member, Role, Stage


class Who(ApiView):
    tag = "account"

    @reads("me", Me)
    def get(self, request: Request) -> dict[str, Any]:
        """Who this token belongs to, and what it may do."""
        user = person(request)
        return {
            "login": user.github_login,
            "name": user.username,
            "operator": user.is_superuser,
            "token": apitokens.of(user).get(pk=token_of(request).pk),
        }


class NewToken(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scope = serializers.ChoiceField(choices=Scope.choices)
    project = serializers.SlugField(required=False, allow_null=True, max_length=31)
    days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=3650, help_text="Until it expires; null: never."
    )


class Tokens(ApiView):
    tag = "account"

    @lists("list_tokens", TokenRow)
    def get(self, request: Request) -> QuerySet[ApiToken]:
        """Your tokens that aren't revoked; to a token for one project, those for that project."""
        return apitokens.known_to(token_of(request))

    @writes("make_token", Scope.ADMIN, {201: NewTokenRow}, takes=NewToken, hidden="token")
    def post(self, request: Request, *, given: dict[str, Any]) -> Response:
        """Make a token that may no more than the one that asks."""
        project, slug = None, given.get("project")
        if slug is not None:
            project = visible_projects(request).filter(slug=slug).first()
            if project is None:
                raise Misfit({"project": ["You have no such project."]})
        made, plain = apitokens.make(
            user=person(request),
            name=given["name"],
            scope=Scope(given["scope"]),
            project=project,
            days=given.get("days"),
            by_token=token_of(request),
        )
        return Response(TokenRow(made).data | {"token": plain}, status=201)


class OneToken(ApiView):
    tag = "account"

    @writes("revoke_token", Scope.READ, {204: None})
    def delete(self, request: Request, *, pk: int) -> Response:
        """Revoke a token. Any may revoke itself; others take the scope admin."""
        if pk != token_of(request).pk:
            require(request, Scope.ADMIN)
        found = get_object_or_404(apitokens.known_to(token_of(request)), pk=pk)
        tokens.revoke(token=found, by=person(request))
        return Response(status=204)


class BranchFilter(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)
    name = serializers.CharField(max_length=255, required=False, help_text="The whole name.")


class Branches(ApiView):
    tag = "branches"

    @lists("list_branches", BranchRow, query=BranchFilter)
    def get(self, request: Request, *, slug: str, given: dict[str, Any]) -> QuerySet[Branch]:
        """The branches of a project."""
        project = project_or_404(request, slug, Tool.HISTORY).project
        wanted = {name: given[name] for name in ("stage", "name") if name in given}
        return project.branches.alive().filter(**wanted).select_related("instance")


class OneBranch(ApiView):
    tag = "branches"

    @reads("show_branch", BranchRow)
    def get(self, request: Request, *, slug: str, pk: int) -> Branch:
        """A branch."""
        return branch_or_404(request, slug, pk, Tool.HISTORY)[1]


class NewMember(serializers.Serializer[Any]):
    login = serializers.CharField(max_length=64, help_text="On GitHub.")
    role = serializers.ChoiceField(choices=Role.choices)


class NewRole(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices)


class Members(ApiView):
    tag = "members"

    @lists("list_members", MemberRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Member]:
        """The members of a project."""
        return project_or_404(request, slug, Tool.SETTINGS).project.members.select_related("user")

    @writes("add_member", Scope.ADMIN, {201: MemberRow}, takes=NewMember)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Let somebody in who has signed in here before."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        member = members.add(project=project, login=given["login"], role=Role(given["role"]), by=person(request))
        return Response(MemberRow(member).data, status=201)


class OneMember(ApiView):
    tag = "members"

    @writes("change_member", Scope.ADMIN, {200: MemberRow}, takes=NewRole)
    def patch(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Give a member another role."""
        member = _member_or_404(request, slug, pk)
        members.change(member=member, role=Role(given["role"]), by=person(request))
        return Response(MemberRow(member).data)

    @writes("remove_member", Scope.ADMIN, {204: None})
    def delete(self, request: Request, *, slug: str, pk: int) -> Response:
        """Take a member out."""
        members.remove(member=_member_or_404(request, slug, pk), by=person(request))
        return Response(status=204)


class AuditLog(ApiView):
    tag = "audit"

    @lists("list_audit", AuditRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[AuditEntry]:
        """Every change in a project: who, what, when, before and after."""
        return AuditEntry.objects.filter(project_id=project_or_404(request, slug, Tool.SETTINGS).project.pk)


def _member_or_404(request: Request, slug: str, pk: int) -> Member:
    access = project_or_404(request, slug, Tool.SETTINGS)
    return get_object_or_404(access.project.members.select_related("user", "project"), pk=pk)
