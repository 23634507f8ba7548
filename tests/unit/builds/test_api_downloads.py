"""Backups taken away by the API, and databases of builds that are kept."""

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from builds import download
from builds.models import Build, Download
from hosting.models import Backup, Vault
from portal import clock
from portal.models import Result, Scope, State, Story
from projects.models import Member, Project, Role, Stage
from tests import cast
from tests.apis import Caller

DOWNLOADS = "projects/demo/downloads/"


@pytest.fixture
def project(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> Project:
    settings.BERTH_HOME = tmp_path
    made = cast.project("demo", people, vault=Vault.objects.create())
    cast.branch(made, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))
    return made


@pytest.fixture
def backup(project: Project) -> Backup:
    assert project.vault is not None
    values = {"proof": Backup.Proof.PROVEN, "state": State.DONE, "snapshot": "a", "taken_at": clock.now()}
    instance = project.branches.get().instance
    assert instance is not None
    return Backup.objects.create(vault=project.vault, instance=instance, kind=Backup.Kind.MANUAL, **values)


@pytest.fixture
def alice(people: SimpleNamespace, project: Project) -> Caller:
    return Caller(people.alice)


def finish(row: Download, content: bytes = b"PK the whole shop") -> None:
    """As the story does."""
    download.file(row).parent.mkdir()
    download.file(row).write_bytes(content)
    Download.objects.filter(pk=row.pk).update(
        state=State.DONE, expires_at=clock.now() + timedelta(hours=1), size_bytes=len(content)
    )
    assert row.story_id is not None
    Story.objects.filter(pk=row.story_id).update(state=State.DONE, result=Result.SUCCESS)


def content(response: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in response])

    return asyncio.run(read())


def test_a_file_is_made_followed_and_taken_away_in_pieces(alice: Caller, backup: Backup) -> None:
    asked = alice.send("post", f"projects/demo/backups/{backup.pk}/download/", {"form": "zip"})
    row = Download.objects.get()
    assert (asked.status_code, asked.json()["id"], asked.json()["kind"]) == (202, row.story_id, "download")
    assert alice.send("get", f"{DOWNLOADS}{row.pk}/file/").status_code == 404

    finish(row)

    operation = alice.send("get", f"projects/demo/operations/{row.story_id}/").json()
    assert (operation["confirmed"], "until" in operation["finding"]) == (True, True)
    (listed,) = alice.send("get", DOWNLOADS).json()["results"]
    assert (listed["backup"], listed["size_bytes"]) == (backup.pk, 17)
    whole = alice.send("get", f"{DOWNLOADS}{row.pk}/file/")
    assert content(whole) == b"PK the whole shop"
    rest = alice.send("get", f"{DOWNLOADS}{row.pk}/file/", Range="bytes=13-")
    assert (rest.status_code, content(rest)) == (206, b"shop")


def test_it_is_for_nobody_else_and_for_no_weak_token(people: SimpleNamespace, alice: Caller, backup: Backup) -> None:
    alice.send("post", f"projects/demo/backups/{backup.pk}/download/", {})
    row = Download.objects.get()
    finish(row)
    Member.objects.filter(user=people.tom).update(role=Role.ADMIN)

    assert Caller(people.tom).send("get", DOWNLOADS).json()["results"] == []
    assert Caller(people.tom).send("get", f"{DOWNLOADS}{row.pk}/file/").status_code == 404
    assert Caller(people.alice, Scope.DEPLOY).send("get", f"{DOWNLOADS}{row.pk}/file/").status_code == 403
    Download.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert alice.send("get", f"{DOWNLOADS}{row.pk}/file/").status_code == 404


def test_what_was_not_proven_is_not_taken_away(alice: Caller, backup: Backup) -> None:
    Backup.objects.update(proof=Backup.Proof.FAILED)

    assert alice.send("post", f"projects/demo/backups/{backup.pk}/download/", {}).status_code == 409
    assert not Download.objects.exists()


def test_a_build_is_pinned_and_let_go(alice: Caller, project: Project) -> None:
    instance = cast.instance(Stage.DEVELOPMENT, "dev.localhost")
    build = cast.build(cast.branch(project, "dev", instance=instance))
    path = f"projects/demo/builds/{build.number}/pin/"

    assert alice.send("post", path).json()["pinned_at"]
    instance.refresh_from_db()
    assert instance.hours_left == 90 * 24
    assert alice.send("delete", path).json()["pinned_at"] is None
    assert not Build.objects.exclude(pinned_at=None).exists()
