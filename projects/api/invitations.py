"""Invitations to a project and to take it over; one's own way in and out."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import lists, writes
from portal.api.problems import Misfit, misfit
from portal.api.views import ApiView
from portal.models import Scope
from portal.stories import ProjectError
from projects import invitations, members
from projects.access import Access, Tool, project_or_404, require_whole_account
from projects.forms import HandOverForm, InviteForm
from projects.models import Invitation, Member, Role


class InvitationRow(serializers.ModelSerializer[Invitation]):
    invited_by = serializers.CharField(source="invited_by.username", allow_null=True, default=None, read_only=True)
    takes_over = serializers.BooleanField(read_only=True, help_text="The whole project.")

    class Meta:
        model = Invitation
        fields: tuple[str, ...] = (
            "id",
            "login",
            "email",
            "role",
            "takes_over",
            "invited_by",
            "created_at",
            "expires_at",
        )
        read_only_fields: tuple[str, ...] = fields


class NewInvitationRow(InvitationRow):
    link = serializers.CharField(
        read_only=True, allow_null=True, help_text="Shown now and never again: null where the request was sent twice."
    )
    mailed = serializers.BooleanField(read_only=True, help_text="Else give the link to them yourself.")

    class Meta(InvitationRow.Meta):
        fields = (*InvitationRow.Meta.fields, "link", "mailed")
        read_only_fields = fields


class NewInvitation(serializers.Serializer[Any]):
    whom = serializers.CharField(max_length=254, help_text="A login at GitHub, or a mail address.")
    role = serializers.ChoiceField(choices=Role.choices)


class NewOwner(serializers.Serializer[Any]):
    whom = serializers.CharField(max_length=254, help_text="A login at GitHub, or a mail address.")


class Invitations(ApiView):
    tag = "members"

    @lists("list_invitations", InvitationRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[Invitation]:
        """Invitations that nobody has followed yet."""
        rows = project_or_404(request, slug, Tool.SETTINGS).project.invitations
        return rows.open().select_related("invited_by")

    @writes("invite_member", Scope.ADMIN, {201: NewInvitationRow}, takes=NewInvitation, hidden="link", outside=True)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Make a link that lets in one person, once, with a role; in place of an earlier one of the same person."""
        return _invited(request, project_or_404(request, slug, Tool.SETTINGS), InviteForm(given))


class OneInvitation(ApiView):
    tag = "members"

    @writes("withdraw_invitation", Scope.ADMIN, {204: None})
    def delete(self, request: Request, *, slug: str, pk: int) -> Response:
        """Let an invitation let nobody in any more."""
        found = get_object_or_404(project_or_404(request, slug, Tool.SETTINGS).project.invitations, pk=pk)
        invitations.withdraw(invitation=found, by=person(request))
        return Response(status=204)


class HandOver(ApiView):
    tag = "members"

    @writes("hand_over_project", Scope.ADMIN, {201: NewInvitationRow}, takes=NewOwner, hidden="link", outside=True)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Offer the project to somebody, by whose access Berth works at GitHub once the link was followed."""
        return _invited(request, project_or_404(request, slug, Tool.SETTINGS), HandOverForm(given))


def _invited(request: Request, access: Access, form: InviteForm) -> Response:
    """Raises Misfit, ProjectError."""
    if not form.is_valid():
        raise misfit(form)
    whom, role = form.cleaned_data["whom"], Role(form.cleaned_data["role"])
    made, link = invitations.invite(
        project=access.project, whom=whom, role=role, by=person(request), takes_over=form.takes_over
    )
    try:
        mailed = invitations.mail(made, link)
    except OSError:
        mailed = False
    return Response(InvitationRow(made).data | {"link": link, "mailed": mailed}, status=201)


class Followed(serializers.Serializer[Any]):
    link = serializers.CharField(max_length=500, help_text="The invitation's, or what stands at its end.")


class Joined(serializers.Serializer[Any]):
    project = serializers.CharField(help_text="Its slug.")
    role = serializers.ChoiceField(choices=Role.choices)


class Accept(ApiView):
    tag = "members"

    @writes("accept_invitation", Scope.ADMIN, {200: Joined}, takes=Followed, outside=True)
    def post(self, request: Request, *, given: dict[str, Any]) -> Response:
        """Follow an invitation that is for you."""
        require_whole_account(request)
        found = invitations.find(given["link"].rstrip("/").rpartition("/")[2])
        if found is None:
            raise Misfit({"link": ["There is no such invitation."]})
        member = invitations.accept(invitation=found, by=person(request))
        return Response({"project": member.project.slug, "role": member.role})


class Leave(ApiView):
    tag = "members"

    @writes("leave_project", Scope.ADMIN, {204: None})
    def post(self, request: Request, *, slug: str) -> Response:
        """Be no member any more. The last admin stays."""
        members.remove(member=_own(request, slug), by=person(request))
        return Response(status=204)


def _own(request: Request, slug: str) -> Member:
    """Raises ProjectError for an operator who is no member."""
    project = project_or_404(request, slug, Tool.STATUS).project
    found = project.members.select_related("user", "project").filter(user=person(request)).first()
    if found is None:
        raise ProjectError(f"You are no member of {project}", "Nothing was changed.")
    return found
