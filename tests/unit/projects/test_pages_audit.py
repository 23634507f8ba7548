"""The audit log's pages: found by who, what and when, and taken away as CSV."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from portal import audit, auditsearch, clock
from portal.models import AuditEntry
from projects.models import Project
from tests import cast

DAY = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)


@pytest.fixture
def project(people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Project:
    """With an entry of Alice's on the 5th and one of Tom's on the 6th, beside one of another project."""
    made, other = cast.project("demo", people), cast.project("other")
    monkeypatch.setattr(clock, "now", lambda: DAY)
    audit.record(
        by=people.alice, verb="change project", object="demo", project_id=made.pk,
        before={"backup_hour": 2}, after={"backup_hour": 3},
    )  # fmt: skip
    monkeypatch.setattr(clock, "now", lambda: DAY.replace(day=6))
    audit.record(by=people.tom, verb="resize", object="<b>fix</b>", project_id=made.pk, after={"memory_mb": 2048})
    audit.record(by=people.tom, verb="resize", object="secret-branch", project_id=other.pk)
    return made


def page(client: Client, query: str = "", path: str = "/demo/settings/audit/") -> str:
    response = client.get(path + query)
    assert response.status_code == 200
    return response.content.decode()


def exported(client: Client, path: str) -> list[list[str]]:
    response = client.get(path)
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Type"] == "text/csv; charset=utf-8"

    async def read() -> str:
        return b"".join([piece async for piece in response]).decode()

    return list(csv.reader(io.StringIO(asyncio.run(read()))))


def test_an_admin_sees_what_was_changed_by_whom_and_how_it_was(client: Client, project: Project) -> None:
    client.force_login(project.members.get(role="admin").user)

    shown = page(client)

    assert "<del>2</del>" in shown
    assert "<ins>3</ins>" in shown
    assert "&lt;b&gt;fix&lt;/b&gt;" in shown
    assert "secret-branch" not in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?who=ALI", {"change project"}),
        ("?what=resize+fix", {"resize"}),
        ("?what=resize+demo", set()),
        ("?since=2026-03-06", {"resize"}),
        ("?until=2026-03-05", {"change project"}),
        ("?since=2026-03-05&until=2026-03-06", {"change project", "resize"}),
        ("?since=2026-03-07", set()),
    ],
)
def test_entries_are_found_by_who_what_and_when(client: Client, project: Project, query: str, found: set[str]) -> None:
    client.force_login(project.members.get(role="admin").user)

    shown = page(client, query)

    assert {verb for verb in ("change project", "resize") if f"<span>{verb}</span>" in shown} == found
    assert ("No entry is like that" in shown) == (not found)


def test_a_day_that_can_not_be_read_is_refused_and_finds_nothing(client: Client, project: Project) -> None:
    client.force_login(project.members.get(role="admin").user)

    shown = page(client, "?since=yesterday")

    assert "Enter a valid date" in shown
    assert "change project" not in shown


def test_the_operator_sees_all_projects(client: Client, project: Project) -> None:
    client.force_login(cast.person("Operator", is_superuser=True))

    shown = page(client, path="/operator/audit/")

    assert "secret-branch" in shown
    assert "change project" in shown


def test_pages_go_on_with_the_same_filter(client: Client, project: Project) -> None:
    client.force_login(project.members.get(role="admin").user)
    for number in range(60):
        audit.record(by=None, verb="sleep", object=f"i{number}", project_id=project.pk)

    assert "?who=berth&amp;page=2" in page(client, "?who=berth")
    assert "i9<" in page(client, "?who=berth&page=2")


@pytest.mark.django_db(transaction=True)
def test_an_export_has_all_that_is_found_and_can_be_verified(
    client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditsearch, "BATCH", 1)
    client.force_login(project.members.get(role="admin").user)

    header, first, second = exported(client, "/demo/settings/audit/export/")
    assert header == list(auditsearch.COLUMNS)
    assert first[2:7] == ["alice", "change project", "demo", str(project.pk), '{"backup_hour": 2}']
    assert (first[-2], first[-1]) == (audit.GENESIS, second[-2])
    assert len(exported(client, "/demo/settings/audit/export/?who=tom")) == 2


@pytest.mark.django_db(transaction=True)
def test_an_export_runs_nothing_in_a_spreadsheet(client: Client, project: Project) -> None:
    audit.record(by=None, verb="delete branch", object='=cmd|"/c calc"!A1', project_id=project.pk)
    client.force_login(project.members.get(role="admin").user)

    *_others, last = exported(client, "/demo/settings/audit/export/")

    assert last[4] == '\'=cmd|"/c calc"!A1'
    assert AuditEntry.objects.latest("pk").object.startswith("=")
