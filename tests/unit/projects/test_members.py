"""Members: how they are changed, how they leave; and that an admin stays."""

from types import SimpleNamespace

import pytest
from django.test import Client

from portal.models import AuditEntry
from portal.stories import ProjectError
from projects import members
from projects.models import Project, Role
from tests import cast


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def roles(project: Project) -> dict[str, str]:
    return dict(project.members.values_list("user__username", "role"))


def test_who_signed_in_before_is_added(people: SimpleNamespace, project: Project) -> None:
    members.add(project=project, login="@Oscar", role=Role.TESTER, by=people.alice)

    assert roles(project)["oscar"] == Role.TESTER
    assert AuditEntry.objects.get(verb="add member").after == {"role": "tester"}


def test_who_never_signed_in_can_not_be_added(people: SimpleNamespace, project: Project) -> None:
    with pytest.raises(ProjectError, match="Nobody called stranger has signed in here yet"):
        members.add(project=project, login="stranger", role=Role.ADMIN, by=people.alice)

    assert len(roles(project)) == 3


def test_a_member_is_not_added_twice(people: SimpleNamespace, project: Project) -> None:
    with pytest.raises(ProjectError, match="member already"):
        members.add(project=project, login="tom", role=Role.ADMIN, by=people.alice)

    assert roles(project)["tom"] == Role.TESTER


def test_an_admin_changes_a_role(alice: Client, people: SimpleNamespace, project: Project) -> None:
    member = project.members.get(user=people.dev)

    alice.post(f"/demo/settings/members/{member.pk}/", {"role": "admin"})

    assert roles(project)["dev"] == Role.ADMIN
    assert AuditEntry.objects.get(verb="change member").before == {"role": "developer"}


def test_it_ignores_a_role_that_does_not_exist(alice: Client, people: SimpleNamespace, project: Project) -> None:
    member = project.members.get(user=people.dev)

    alice.post(f"/demo/settings/members/{member.pk}/", {"role": "owner"})

    assert roles(project)["dev"] == Role.DEVELOPER


@pytest.mark.parametrize(("path", "form"), [("", {"role": "tester"}), ("remove/", {})])
def test_the_last_admin_stays(
    path: str, form: dict[str, str], alice: Client, people: SimpleNamespace, project: Project
) -> None:
    member = project.members.get(user=people.alice)

    page = alice.post(f"/demo/settings/members/{member.pk}/{path}", form, follow=True).content.decode()

    assert "alice is the last admin of Demo." in page
    assert roles(project)["alice"] == Role.ADMIN


def test_the_last_admin_may_leave_once_there_is_another(
    alice: Client, people: SimpleNamespace, project: Project
) -> None:
    project.members.filter(user=people.tom).update(role=Role.ADMIN)
    member = project.members.get(user=people.alice)

    response = alice.post(f"/demo/settings/members/{member.pk}/remove/")

    assert response["Location"] == "/"
    assert "alice" not in roles(project)
    assert alice.get("/demo/settings/").status_code == 404


@pytest.mark.parametrize("name", ["dev", "tom"])
def test_everybody_may_leave_and_sees_nothing_of_it_afterwards(
    client: Client, people: SimpleNamespace, project: Project, name: str
) -> None:
    client.force_login(getattr(people, name))
    assert "Leave Demo?" in client.get("/demo/leave/").content.decode()

    assert client.post("/demo/leave/")["Location"] == "/"

    assert name not in roles(project)
    assert client.get("/demo/leave/").status_code == 404
    assert AuditEntry.objects.get(verb="remove member").by == name


def test_the_last_admin_does_not_leave(alice: Client, project: Project) -> None:
    page = alice.post("/demo/leave/", follow=True).content.decode()

    assert "alice is the last admin of Demo." in page
    assert roles(project)["alice"] == Role.ADMIN


def test_the_operator_is_told_that_there_is_nothing_to_leave(client: Client, project: Project) -> None:
    client.force_login(cast.person("Operator", is_superuser=True))

    assert "You are no member of Demo" in client.post("/demo/leave/", follow=True).content.decode()
