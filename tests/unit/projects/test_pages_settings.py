from types import SimpleNamespace

import pytest
from django.test import Client

from portal.models import AuditEntry
from projects.forms import ProjectForm
from projects.models import Project
from tests import cast


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("demo", people)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


NIGHTS = {"time_zone": "UTC", "backup_hour": "2"}


def test_it_saves_name_and_public_access_and_says_so_in_the_audit_log(alice: Client, project: Project) -> None:
    alice.post("/demo/settings/", {"name": "Better name", "public": "on", **NIGHTS})

    project.refresh_from_db()
    assert (project.name, project.public) == ("Better name", True)
    entry = AuditEntry.objects.get(verb="change project")
    assert entry.before == {"name": "Demo", "public": False}
    assert entry.after == {"name": "Better name", "public": True}


def test_the_audit_log_has_what_somebody_else_saved_meanwhile(people: SimpleNamespace, project: Project) -> None:
    values = {"name": "Mine", "time_zone": "UTC", "backup_hour": "2"}
    form = ProjectForm(values, instance=Project.objects.get(pk=project.pk))
    assert form.is_valid()
    Project.objects.filter(pk=project.pk).update(name="Theirs")
    form.save_by(people.alice)
    entry = AuditEntry.objects.get(verb="change project")
    assert (entry.before, entry.after) == ({"name": "Theirs"}, {"name": "Mine"})


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
