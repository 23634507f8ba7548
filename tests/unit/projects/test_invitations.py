"""Invitations: one person, once, with the role that was meant."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from portal import clock
from portal.models import AuditEntry, User
from portal.stories import ProjectError
from projects import connect, invitations, members
from projects.models import Invitation, Member, Project, Role
from tests import cast


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def invited(people: SimpleNamespace, whom: str, role: str = "developer") -> str:
    """The path of the link that Alice's page shows."""
    page = browser(people.alice).post("/demo/settings/members/invite/", {"whom": whom, "role": role}, follow=True)
    found = re.search(r'data-copy="[^"]*(/invitations/[^"]+)"', page.content.decode())
    assert found is not None, page.content.decode()
    return found[1]


def role_of(user: User, project: Project) -> str | None:
    member = Member.objects.filter(user=user, project=project).first()
    return member.role if member else None


def test_who_is_invited_by_login_accepts_and_is_a_member(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "@Oscar", "tester")
    oscar = browser(people.oscar)
    assert oscar.get("/demo/branches/").status_code == 404
    assert "Demo" in oscar.get(link).content.decode()

    assert oscar.post(link)["Location"] == "/demo/"

    assert role_of(people.oscar, project) == Role.TESTER
    assert [entry.by for entry in AuditEntry.objects.order_by("pk")] == ["alice", "oscar"]


def test_who_is_not_signed_in_does_so_first(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "oscar")

    assert Client().get(link)["Location"] == f"/sign-in/?next={link}"
    assert Client().post(link)["Location"].startswith("/sign-in/")
    assert role_of(people.oscar, project) is None


def test_a_link_is_shown_once_and_only_its_digest_is_kept(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "oscar")
    token = link.split("/")[2]

    assert token not in browser(people.alice).get("/demo/settings/members/").content.decode()
    assert token not in str(Invitation.objects.values().get())


def test_an_invitation_is_good_once(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "oscar")
    oscar = browser(people.oscar)
    oscar.post(link)
    members.remove(member=project.members.get(user=people.oscar), by=people.alice)

    page = oscar.post(link).content.decode()

    assert "This invitation was used on" in page
    assert role_of(people.oscar, project) is None


def test_somebody_else_can_not_use_it_and_learns_nothing_of_the_project(
    people: SimpleNamespace, project: Project
) -> None:
    link = invited(people, "oscar")
    mallory = cast.person("Mallory")

    for page in (browser(mallory).get(link), browser(mallory).post(link)):
        assert "This invitation is for somebody else" in page.content.decode()
        assert "Demo" not in page.content.decode()
        assert "oscar" not in page.content.decode()
    assert role_of(mallory, project) is None
    browser(people.oscar).post(link)
    assert role_of(people.oscar, project) == Role.DEVELOPER


def test_a_role_that_comes_with_the_link_counts_for_nothing(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "oscar", "developer")

    browser(people.oscar).post(f"{link}?role=admin", {"role": "admin"})

    assert role_of(people.oscar, project) == Role.DEVELOPER


def test_a_member_is_given_no_other_role_by_an_invitation(people: SimpleNamespace, project: Project) -> None:
    people.dev.verified_emails = ["dev@example.com"]
    people.dev.save()
    link = invited(people, "dev@example.com", "admin")

    assert "You are a member of Demo already." in browser(people.dev).post(link).content.decode()
    assert role_of(people.dev, project) == Role.DEVELOPER
    with pytest.raises(ProjectError, match="dev is a member already"):
        invitations.invite(project=project, whom="dev", role=Role.ADMIN, by=people.alice)


def test_a_mail_address_must_be_proven_at_github(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "Oscar@Example.com")
    people.oscar.email = "oscar@example.com"
    people.oscar.save()
    assert "for somebody else" in browser(people.oscar).post(link).content.decode()

    people.oscar.verified_emails = ["other@example.com", "oscar@example.com"]
    people.oscar.save()
    browser(people.oscar).post(link)

    assert role_of(people.oscar, project) == Role.DEVELOPER


def test_who_has_no_login_at_github_is_nobody_in_particular(people: SimpleNamespace, project: Project) -> None:
    operator = User.objects.create(username="operator")
    made, _link = invitations.invite(project=project, whom="o@example.com", role=Role.ADMIN, by=people.alice)

    assert not invitations.is_for(made, operator)


def test_an_invitation_ends_after_a_week(
    people: SimpleNamespace, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = invited(people, "oscar")
    later = clock.now() + invitations.LIFETIME
    monkeypatch.setattr(clock, "now", lambda: later)

    page = browser(people.oscar).post(link).content.decode()

    assert "This invitation ended on" in page
    assert role_of(people.oscar, project) is None
    monkeypatch.setattr(clock, "now", lambda: later - timedelta(seconds=1))
    browser(people.oscar).post(link)
    assert role_of(people.oscar, project) == Role.DEVELOPER


def test_a_withdrawn_one_lets_nobody_in(people: SimpleNamespace, project: Project) -> None:
    link = invited(people, "oscar")
    pk = Invitation.objects.get().pk

    browser(people.alice).post(f"/demo/settings/invitations/{pk}/withdraw/")

    assert "This invitation was withdrawn" in browser(people.oscar).post(link).content.decode()
    assert AuditEntry.objects.filter(verb="withdraw invitation", object="@oscar").count() == 1


def test_a_new_invitation_takes_the_place_of_an_earlier_one(people: SimpleNamespace, project: Project) -> None:
    first, second = invited(people, "oscar", "admin"), invited(people, "OSCAR", "tester")

    assert "was withdrawn" in browser(people.oscar).post(first).content.decode()
    browser(people.oscar).post(second)
    assert role_of(people.oscar, project) == Role.TESTER


@pytest.mark.parametrize("ends", ["change", "remove"])
def test_invitations_of_who_is_no_admin_any_more_end_too(people: SimpleNamespace, project: Project, ends: str) -> None:
    project.members.filter(user=people.tom).update(role=Role.ADMIN)
    link = invited(people, "oscar", "admin")
    member = project.members.get(user=people.alice)
    if ends == "change":
        members.change(member=member, role=Role.TESTER, by=people.tom)
    else:
        members.remove(member=member, by=people.tom)

    assert "was withdrawn" in browser(people.oscar).post(link).content.decode()
    assert role_of(people.oscar, project) is None


@pytest.mark.parametrize("whom", ["", "a b", "@", "-x", "nobody@", "x" * 255, "a\nb", "<script>"])
def test_it_refuses_what_is_neither_a_login_nor_an_address(
    people: SimpleNamespace, project: Project, whom: str
) -> None:
    page = browser(people.alice).post("/demo/settings/members/invite/", {"whom": whom, "role": "tester"})

    assert 'id="whom-errors"' in page.content.decode()
    assert not Invitation.objects.exists()


def test_the_link_is_mailed_where_there_is_an_address(
    people: SimpleNamespace, project: Project, settings: Settings
) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    link = invited(people, "olga@example.com")
    invited(people, "oscar")

    (sent,) = mail.outbox
    assert sent.to == ["olga@example.com"]
    assert link in sent.body
    assert "as developer" in sent.body


def test_a_mail_that_could_not_be_sent_is_told_and_the_link_shown(
    people: SimpleNamespace, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise ConnectionRefusedError("refused")

    settings.EMAIL_HOST = "mail.example.com"
    monkeypatch.setattr(invitations, "send_mail", refuse)
    page = browser(people.alice).post(
        "/demo/settings/members/invite/", {"whom": "o@example.com", "role": "tester"}, follow=True
    )

    assert "could not be sent: refused" in page.content.decode()
    assert "Give them this link: nothing was mailed." in page.content.decode()


# --- handing the project over -----------------------------------------------------------------------------------------
def offered(people: SimpleNamespace, whom: str) -> str:
    page = browser(people.alice).post("/demo/settings/members/hand-over/", {"whom": whom}, follow=True)
    found = re.search(r'data-copy="[^"]*(/invitations/[^"]+)"', page.content.decode())
    assert found is not None, page.content.decode()
    return found[1]


@pytest.fixture
def permissions(monkeypatch: pytest.MonkeyPatch, people: SimpleNamespace) -> dict[str, str]:
    """What the Git server says that people may do in the repository."""
    for name, person in vars(people).items():
        person.github_token = f"gho_{name}"
        person.save()
    said = {"oscar": "admin", "tom": "admin", "dev": "write"}
    monkeypatch.setattr(connect, "GitHub", lambda _token, _url: SimpleNamespace(
        permission=lambda _repository, login: said[login], ensure_webhook=lambda *_arguments: 7
    ))  # fmt: skip
    return said


@pytest.mark.parametrize("name", ["oscar", "tom"])
def test_who_takes_a_project_over_is_admin_and_lends_the_access(
    people: SimpleNamespace,
    project: Project,
    permissions: dict[str, str],
    name: str,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    heir = getattr(people, name)
    heir.github_token = f"token-of-{name}"
    heir.save()
    link = offered(people, name)
    project.refresh_from_db()
    assert project.token == "", "nothing changes before it is accepted"

    assert "take this project over" in browser(heir).get(link).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert browser(heir).post(link)["Location"] == "/demo/"

    project.refresh_from_db()
    assert (project.token, project.webhook_id) == (f"token-of-{name}", "7")
    assert (role_of(heir, project), role_of(people.alice, project)) == (Role.ADMIN, Role.ADMIN)
    assert [entry.verb for entry in AuditEntry.objects.order_by("pk")] == ["offer project", "take project over"]
    assert "was used on" in browser(heir).post(link).content.decode()


def test_it_takes_admin_rights_for_the_repository(
    people: SimpleNamespace, project: Project, permissions: dict[str, str]
) -> None:
    link = offered(people, "dev")

    page = browser(people.dev).post(link).content.decode()

    assert "Your permission there is write, and it takes admin." in page
    assert role_of(people.dev, project) == Role.DEVELOPER
    permissions["dev"] = "admin"
    browser(people.dev).post(link)
    assert role_of(people.dev, project) == Role.ADMIN


def test_an_offer_of_who_is_no_admin_any_more_is_none(
    people: SimpleNamespace, project: Project, permissions: dict[str, str]
) -> None:
    link = offered(people, "oscar")
    project.members.filter(user=people.tom).update(role=Role.ADMIN)
    members.remove(member=project.members.get(user=people.alice), by=people.tom)

    assert "was withdrawn" in browser(people.oscar).post(link).content.decode()
    assert role_of(people.oscar, project) is None
