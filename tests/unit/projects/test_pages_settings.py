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


NIGHTS = {"time_zone": "UTC", "backup_hour": "2"}


def roles(project: Project) -> dict[str, str]:
    return dict(project.members.values_list("user__username", "role"))


def test_it_saves_name_and_public_access_and_says_so_in_the_audit_log(alice: Client, project: Project) -> None:
    alice.post("/demo/settings/", {"name": "Better name", "public": "on", **NIGHTS})

    project.refresh_from_db()
    assert (project.name, project.public) == ("Better name", True)
    entry = AuditEntry.objects.get(verb="change project")
    assert entry.before == {"name": "Demo", "public": False}
    assert entry.after == {"name": "Better name", "public": True}


def test_it_saves_the_hour_of_the_nights_backup_and_refuses_a_zone_that_is_none(
    alice: Client, project: Project
) -> None:
    alice.post("/demo/settings/", {"name": "Demo", "time_zone": "Asia/Tokyo", "backup_hour": "23"})
    project.refresh_from_db()
    assert (project.time_zone, project.backup_hour) == ("Asia/Tokyo", 23)
    for wrong in ({"time_zone": "Mars/Olympus", "backup_hour": "3"}, {"time_zone": "UTC", "backup_hour": "24"}):
        page = alice.post("/demo/settings/", {"name": "Demo", **wrong}).content.decode()
        assert "errors" in page
    project.refresh_from_db()
    assert (project.time_zone, project.backup_hour) == ("Asia/Tokyo", 23)


def test_it_refuses_an_empty_name_and_changes_nothing(alice: Client, project: Project) -> None:
    response = alice.post("/demo/settings/", {"name": " ", "public": "on"})

    project.refresh_from_db()
    assert "This field is required" in response.content.decode()
    assert (project.name, project.public) == ("Demo", False)


def test_it_shows_what_is_wrong_with_the_webhook(alice: Client, project: Project) -> None:
    Project.objects.update(webhook_error="The webhook could not be installed: <refused>")

    page = alice.get("/demo/settings/").content.decode()

    assert "Not installed" in page
    assert "&lt;refused&gt;" in page


def test_an_admin_lets_somebody_in(alice: Client, project: Project) -> None:
    alice.post("/demo/settings/members/", {"login": "@Oscar", "role": "tester"})

    assert roles(project)["oscar"] == Role.TESTER
    assert AuditEntry.objects.get(verb="add member").after == {"role": "tester"}


def test_who_never_signed_in_can_not_be_added_and_the_form_says_what_to_do(alice: Client, project: Project) -> None:
    page = alice.post("/demo/settings/members/", {"login": "stranger", "role": "admin"}).content.decode()

    assert "Nobody called stranger has signed in here yet." in page
    assert "Ask them to sign in once" in page
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
