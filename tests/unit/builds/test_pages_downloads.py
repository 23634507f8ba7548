"""A backup's page, and the file that is sent to one person alone, whole or in pieces."""

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from pytest_django import Settings

from builds import download as story_of
from builds.models import Download
from hosting.models import Backup, Vault
from portal import clock
from portal.models import Result, State, Story
from projects.models import Branch, Member, Role, Stage
from tests import cast

CONTENT = bytes(range(256)) * 4096  # 1 MB


@pytest.fixture
def branch(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> Branch:
    settings.BERTH_HOME = tmp_path
    (tmp_path / "downloads").mkdir()
    project = cast.project("demo", people)
    return cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))


@pytest.fixture
def backup(branch: Branch) -> Backup:
    at = clock.now()
    assert branch.instance is not None
    return Backup.objects.create(
        vault=Vault.objects.create(), instance=branch.instance, kind=Backup.Kind.NIGHTLY, state=State.DONE,
        snapshot="a" * 64, size_bytes=5_000_000, new_bytes=70_000, commit="c" * 40, taken_at=at, finished_at=at,
        proof=Backup.Proof.PROVEN, proven_at=at, restore_seconds=41.2,
    )  # fmt: skip


@pytest.fixture
def download(branch: Branch, backup: Backup, people: SimpleNamespace) -> Download:
    made = Download.objects.create(
        backup=backup, branch=branch, form=Download.Form.ZIP, asked_by=people.alice, state=State.DONE,
        result=Result.SUCCESS, size_bytes=len(CONTENT), expires_at=clock.now() + timedelta(hours=1),
    )  # fmt: skip
    story_of.file(made).write_bytes(CONTENT)
    return made


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def sent(client: Client, download: Download, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    url = f"/demo/branches/{download.branch_id}/downloads/{download.pk}/"
    response = client.get(url, headers=headers)
    if not isinstance(response, StreamingHttpResponse):
        return response.status_code, b"", dict(response.headers)

    async def read() -> bytes:
        return b"".join([piece async for piece in response])

    return response.status_code, asyncio.run(read()), dict(response.headers)


def test_the_whole_file_is_sent_to_who_asked_for_it(alice: Client, download: Download) -> None:
    status, content, headers = sent(alice, download)
    assert (status, content) == (200, CONTENT)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Accept-Ranges"] == "bytes"
    assert f'filename="{download.filename}"' in headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=1000-", 1000, len(CONTENT) - 1), ("bytes=5-9", 5, 9), ("bytes=-7", len(CONTENT) - 7, len(CONTENT) - 1),
     ("bytes=0-99999999", 0, len(CONTENT) - 1)],
)  # fmt: skip
def test_a_part_of_it_is_sent_to_who_has_the_rest(
    alice: Client, download: Download, asked: str, first: int, last: int
) -> None:
    status, content, headers = sent(alice, download, range=asked)
    assert (status, content) == (206, CONTENT[first : last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_who_began_with_another_file_gets_the_whole(alice: Client, download: Download) -> None:
    _status, _content, headers = sent(alice, download)
    assert sent(alice, download, range="bytes=10-", **{"if-range": headers["ETag"]})[0] == 206
    assert sent(alice, download, range="bytes=10-", **{"if-range": '"another"'})[1] == CONTENT


@pytest.mark.parametrize("asked", ["bytes=5000000-", "bytes=9-5"])
def test_behind_its_end_there_is_nothing(alice: Client, download: Download, asked: str) -> None:
    status, _content, headers = sent(alice, download, range=asked)
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=-", "lines=1-2", "bytes=1-2,4-5", "bytes=x-y", f"bytes={'9' * 5000}-"]
)
def test_what_is_no_range_gets_the_whole(alice: Client, download: Download, asked: str) -> None:
    assert sent(alice, download, range=asked)[0] == 200


def test_another_admin_has_no_use_for_the_link(client: Client, people: SimpleNamespace, download: Download) -> None:
    Member.objects.filter(user=people.tom).update(role=Role.ADMIN)
    client.force_login(people.tom)
    assert sent(client, download)[0] == 404


def test_who_is_no_admin_any_more_has_none_either(alice: Client, people: SimpleNamespace, download: Download) -> None:
    Member.objects.filter(user=people.alice).update(role=Role.TESTER)
    assert sent(alice, download)[0] == 403
    Member.objects.filter(user=people.alice).delete()
    assert sent(alice, download)[0] == 404


def test_the_link_ends_with_its_time(alice: Client, download: Download) -> None:
    Download.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert sent(alice, download)[0] == 404


def test_a_file_that_is_gone_is_not_found(alice: Client, download: Download) -> None:
    story_of.file(download).unlink()
    assert sent(alice, download)[0] == 404


# --- the backup's page ------------------------------------------------------------------------------------------------
def page(alice: Client, branch: Branch, backup: Backup) -> str:
    text = alice.get(f"/demo/branches/{branch.pk}/backups/{backup.pk}/").content.decode().replace("\xa0", " ")
    return " ".join(text.split())


def test_the_page_offers_both_forms_and_says_what_is_in_them(alice: Client, branch: Branch, backup: Backup) -> None:
    text = page(alice, branch, backup)
    assert 'value="zip"' in text
    assert 'value="sql.gz"' in text
    assert "passwords of the database as they are" in text


def test_a_click_makes_one_and_the_page_follows_it(alice: Client, branch: Branch, backup: Backup) -> None:
    url = f"/demo/branches/{branch.pk}/backups/{backup.pk}/download/"
    assert alice.post(url, {"form": "zip"})["Location"] == f"/demo/branches/{branch.pk}/backups/{backup.pk}/"
    download = Download.objects.get()
    assert f"{download.filename} is being made" in page(alice, branch, backup)
    Download.objects.update(progress={"bytes_done": 1024**2, "bytes_total": 4 * 1024**2})
    assert "1.0 MB of 4.0 MB" in page(alice, branch, backup)
    Download.objects.update(state=State.DONE, size_bytes=1, expires_at=clock.now() + timedelta(hours=1))
    assert f"/demo/branches/{branch.pk}/downloads/{download.pk}/" in page(alice, branch, backup)


def test_a_form_that_is_none_makes_nothing(alice: Client, branch: Branch, backup: Backup) -> None:
    alice.post(f"/demo/branches/{branch.pk}/backups/{backup.pk}/download/", {"form": "../x"})
    assert not Download.objects.exists()


def test_one_that_failed_says_why(alice: Client, branch: Branch, backup: Backup, download: Download) -> None:
    story = Story.objects.create(
        kind="download", queue="background", subject="d", object_id=download.pk, state=State.DONE,
        result=Result.FAILURE, error_title="Not enough disk for the download", error_remedy="Free some disk.",
    )  # fmt: skip
    Download.objects.update(story=story, result=Result.FAILURE, expires_at=None, size_bytes=None)
    text = page(alice, branch, backup)
    assert "Not enough disk for the download" in text
    assert "Free some disk." in text


def test_others_downloads_are_not_shown(
    alice: Client, branch: Branch, backup: Backup, download: Download, people: SimpleNamespace
) -> None:
    Download.objects.update(asked_by=people.tom)
    assert download.filename not in page(alice, branch, backup)


def test_a_backup_that_was_let_go_is_not_found(alice: Client, branch: Branch, backup: Backup) -> None:
    Backup.objects.update(forgotten_at=clock.now())
    assert alice.get(f"/demo/branches/{branch.pk}/backups/{backup.pk}/").status_code == 404


def test_one_that_was_not_proven_offers_nothing(alice: Client, branch: Branch, backup: Backup) -> None:
    Backup.objects.update(proof=Backup.Proof.FAILED)
    assert 'value="zip"' not in page(alice, branch, backup)
