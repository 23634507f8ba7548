"""Members of a project: add, change, remove. A project always keeps an admin."""

from django.db import transaction

from portal import audit, clock
from portal.models import User
from portal.stories import ProjectError
from projects import fresh
from projects.models import Invitation, Member, Project, Role


@transaction.atomic
def add(*, project: Project, login: str, role: Role, by: User) -> Member:
    """Let a person in who has signed in here before. Raises ProjectError."""
    people = list(User.objects.filter(github_login__iexact=login.strip().removeprefix("@"), is_active=True))
    if len(people) != 1:
        raise ProjectError(
            f"Nobody called {login} has signed in here yet.",
            "Berth knows a person by the first sign-in with GitHub. Nobody was added.",
            "Ask them to sign in once, then add them again.",
        )
    member, new = Member.objects.get_or_create(project=project, user=people[0], defaults={"role": role})
    if not new:
        raise ProjectError(
            f"{people[0]} is a member already.",
            f"The role is {Role(member.role).label.lower()}, and was left as it is.",
            "Change the role in the list of members.",
        )
    _record(member, "add member", by, after={"role": role})
    return member


@transaction.atomic
def change(*, member: Member, role: Role, by: User) -> None:
    """Give a member another role. Raises ProjectError where the project would be left without an admin."""
    _keep_an_admin(member, unless=role == Role.ADMIN)
    before, member.role = member.role, role
    member.save(update_fields=["role"])
    _withdraw_invitations(member)
    _record(member, "change member", by, before={"role": before}, after={"role": role})


@transaction.atomic
def remove(*, member: Member, by: User) -> None:
    """Take a member out. Raises ProjectError where the project would be left without an admin."""
    _keep_an_admin(member, unless=False)
    member.delete()
    _withdraw_invitations(member)
    _record(member, "remove member", by, before={"role": member.role})


def _withdraw_invitations(member: Member) -> None:
    """Who is no admin any more has let in nobody who hasn't come yet."""
    if member.pk is None or member.role != Role.ADMIN:
        rows = Invitation.objects.open().filter(project=member.project_id, invited_by=member.user_id)
        rows.update(withdrawn_at=clock.now())


def _keep_an_admin(member: Member, *, unless: bool) -> None:
    """Refuse to take the last admin's role away. The project's row is locked, so that two can't leave at once."""
    Project.objects.select_for_update().get(pk=member.project_id)
    fresh.lock(member, str(member.user))
    others = Member.objects.filter(project=member.project_id, role=Role.ADMIN).exclude(pk=member.pk)
    if not unless and member.role == Role.ADMIN and not others.exists():
        raise ProjectError(
            f"{member.user} is the last admin of {member.project}.",
            "A project without an admin could not be changed by anybody. The role was left as it is.",
            "Make somebody else an admin first.",
        )


def _record(
    member: Member,
    verb: str,
    by: User,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    audit.record(by=by, verb=verb, object=str(member.user), project_id=member.project_id, before=before, after=after)
