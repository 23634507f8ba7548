"""Invitations to a project: a link that lets in one person, once, with the role that it was made for.

It is bound to a login at GitHub or to a mail address that GitHub has proven to be the person's, so that a link that
went astray is of no use to anybody else.
"""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from portal import audit, clock
from portal.models import User
from portal.stories import ProjectError
from projects import handover
from projects.models import Invitation, Member, Project, Role

LIFETIME = timedelta(days=7)


@transaction.atomic
def invite(*, project: Project, whom: str, role: Role, by: User, takes_over: bool = False) -> tuple[Invitation, str]:
    """Make an invitation in place of an earlier one of the same person; with its link, which is known now only.

    `whom` is a login or a mail address. Raises ProjectError where that person is a member already; a member may be
    asked to take the project over.
    """
    email, login = (whom.lower(), "") if "@" in whom else ("", whom)
    if not takes_over and login and project.members.filter(user__github_login__iexact=login).exists():
        raise ProjectError(
            f"{login} is a member already.", "Nobody was invited.", "Change the role in the list of members."
        )
    earlier = project.invitations.open().filter(login__iexact=login, email=email)
    earlier.update(withdrawn_at=clock.now())
    token = secrets.token_urlsafe(32)
    made = Invitation.objects.create(
        project=project,
        login=login,
        email=email,
        role=role,
        takes_over=takes_over,
        digest=_digest(token),
        invited_by=by,
        expires_at=clock.now() + LIFETIME,
    )
    verb = "offer project" if takes_over else "invite member"
    audit.record(by=by, verb=verb, object=str(made), project_id=project.pk, after={"role": role})
    return made, settings.BERTH_PORTAL_URL + reverse("invitation", args=[token])


def find(token: str) -> Invitation | None:
    """One that was made at some time, whatever became of it."""
    return Invitation.objects.select_related("project", "invited_by").filter(digest=_digest(token)).first()


def is_for(invitation: Invitation, user: User) -> bool:
    if invitation.login:
        return user.github_login.lower() == invitation.login.lower()
    return invitation.email in user.verified_emails


def accept(*, invitation: Invitation, by: User) -> Member:
    """Raises ProjectError where it isn't this person's, is over, or lets in somebody who is in."""
    _check(invitation, by)
    if invitation.takes_over:
        handover.check(invitation.project, by)
    with transaction.atomic():
        row = Invitation.objects.select_for_update(of=("self",)).select_related("project").get(pk=invitation.pk)
        _check(row, by)
        member = handover.take(row.project, by) if row.takes_over else _join(row, by)
        row.accepted_at, row.accepted_by = clock.now(), by
        row.save(update_fields=["accepted_at", "accepted_by"])
    return member


def _check(row: Invitation, by: User) -> None:
    """Raises ProjectError."""
    if not is_for(row, by):
        raise ProjectError(
            "This invitation is for somebody else.",
            f"You are signed in as {by}. Nothing was changed, and the invitation is still good.",
            "Sign in at GitHub with the account that was invited, or ask for an invitation of this one.",
        )
    if over(row):
        raise ProjectError(
            f"This invitation {over(row)}.", "It lets nobody in any more.", "Ask an admin of the project for a new one."
        )


def _join(row: Invitation, by: User) -> Member:
    """Raises ProjectError."""
    member, new = Member.objects.get_or_create(project=row.project, user=by, defaults={"role": row.role})
    if not new:
        raise ProjectError(
            f"You are a member of {row.project} already.",
            f"Your role is {Role(member.role).label.lower()}, and was left as it is.",
            "An admin of the project can change it.",
        )
    audit.record(
        by=by, verb="accept invitation", object=str(row), project_id=row.project_id, after={"role": member.role}
    )
    return member


def over(row: Invitation) -> str:
    """What became of one that lets nobody in any more; empty while it does."""
    if row.accepted_at is not None:
        return f"was used on {row.accepted_at:%-d %B %Y}"
    if row.withdrawn_at is not None:
        return "was withdrawn"
    return f"ended on {row.expires_at:%-d %B %Y}" if row.expires_at <= clock.now() else ""


@transaction.atomic
def withdraw(*, invitation: Invitation, by: User) -> None:
    """Safe to repeat; one that was used stays as it is."""
    if Invitation.objects.open().filter(pk=invitation.pk).update(withdrawn_at=clock.now()):
        project_id = invitation.project_id
        audit.record(by=by, verb="withdraw invitation", object=str(invitation), project_id=project_id)


def mail(invitation: Invitation, link: str) -> bool:
    """Send the link to whom it is for, where there is an address and a mail server. Raises OSError (smtplib's are)."""
    if not invitation.email or not settings.EMAIL_HOST:
        return False
    body = (
        f"{invitation.invited_by} invites you {_to(invitation)} on Berth.\n\n"
        f"{link}\n\nThe link is good until {invitation.expires_at:%-d %B %Y}, for you alone: sign in with the account "
        "at GitHub that has this address.\n"
    )
    send_mail(f"Berth: {invitation.project}", body, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    return True


def _to(invitation: Invitation) -> str:
    if invitation.takes_over:
        return f"to take over the project {invitation.project}"
    return f"to the project {invitation.project}, as {invitation.role}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
