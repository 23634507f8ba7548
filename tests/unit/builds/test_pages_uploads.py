"""Importing, page by page: chosen, sent in pieces, shown with what will be lost, and switched on again one by one."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client
from pytest_django import Settings

from builds import upload as story_of
from builds.models import Parked, Restore, Upload
from hosting.models import Backup, Vault
from portal import clock
from portal.models import AuditEntry, Result, State, Story
from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> Branch:
    settings.BERTH_HOME = tmp_path
    project = cast.project("demo", people)
    return cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def home(branch: Branch) -> str:
    return f"/demo/branches/{branch.pk}"


def read(client: Client, url: str) -> str:
    return " ".join(client.get(url).content.decode().replace("\xa0", " ").split())


def made(branch: Branch, people: SimpleNamespace, result: Result, **error: str) -> Upload:
    return cast.upload(branch, people.alice, result, **error)


# --- sent -------------------------------------------------------------------------------------------------------------
def test_a_file_is_sent_in_pieces(alice: Client, branch: Branch) -> None:
    begun = alice.post(f"{home(branch)}/import/begin/", {"name": "shop.zip", "size": "6"}).json()
    url = f"{home(branch)}/uploads/{begun['upload']}/piece/"
    kind = "application/octet-stream"
    assert begun["received"] == 0
    assert alice.post(f"{url}?offset=0", b"abc", content_type=kind).json() == {"received": 3}
    wrong = alice.post(f"{url}?offset=0", b"abc", content_type=kind)
    assert (wrong.status_code, wrong.json()) == (409, {"received": 3})
    again = alice.post(f"{home(branch)}/import/begin/", {"name": "shop.zip", "size": "6"}).json()
    assert again == {"upload": begun["upload"], "received": 3}
    assert "3 bytes of 6 bytes" in read(alice, f"{home(branch)}/import/")
    assert alice.post(f"{url}?offset=3", b"def", content_type=kind).json() == {"received": 6}
    upload = Upload.objects.get()
    assert story_of.coming(upload).read_bytes() == b"abcdef"
    assert "waits for what goes on with this branch" in read(alice, f"{home(branch)}/uploads/{upload.pk}/")
    assert [entry.verb for entry in AuditEntry.objects.all()] == ["upload"]


@pytest.mark.parametrize("size", ["", "x", "-1", "0", "99999999999999", "9" * 40])
def test_a_size_that_is_none_is_refused(alice: Client, branch: Branch, size: str) -> None:
    answer = alice.post(f"{home(branch)}/import/begin/", {"name": "a", "size": size})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not Upload.objects.exists()


def test_a_piece_that_is_too_long_is_refused(alice: Client, branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_of, "PIECE", 4)
    begun = alice.post(f"{home(branch)}/import/begin/", {"name": "a", "size": "100"}).json()
    url = f"{home(branch)}/uploads/{begun['upload']}/piece/?offset=0"
    assert alice.post(url, b"12345", content_type="application/octet-stream").status_code == 409


def test_one_is_nobody_elses(client: Client, branch: Branch, people: SimpleNamespace) -> None:
    upload = made(branch, people, Result.SUCCESS)
    people.operator = cast.person("Operator", is_superuser=True)
    client.force_login(people.operator)
    assert client.get(f"{home(branch)}/uploads/{upload.pk}/").status_code == 404
    assert client.post(f"{home(branch)}/uploads/{upload.pk}/import/", {"typed": "demo"}).status_code == 404


# --- shown ------------------------------------------------------------------------------------------------------------
def test_it_shows_what_is_in_it_and_what_will_be_lost(alice: Client, branch: Branch, people: SimpleNamespace) -> None:
    text = read(alice, f"{home(branch)}/uploads/{made(branch, people, Result.SUCCESS).pk}/")
    for words in ("18.0 Community", "2, all in the code", "What will be lost", "All that production holds now"):
        assert words in text, words


def test_one_that_is_refused_says_why_and_offers_nothing(
    alice: Client, branch: Branch, people: SimpleNamespace
) -> None:
    upload = made(branch, people, Result.FAILURE, error_title="Odoo saas~17.4 runs on Odoo Online alone")
    text = read(alice, f"{home(branch)}/uploads/{upload.pk}/")
    assert "runs on Odoo Online alone" in text
    assert 'name="typed"' not in text
    alice.post(f"{home(branch)}/uploads/{upload.pk}/import/", {"typed": "demo"})
    assert not Restore.objects.exists()


def test_without_the_projects_name_nothing_is_imported(alice: Client, branch: Branch, people: SimpleNamespace) -> None:
    upload = made(branch, people, Result.SUCCESS)
    answer = alice.post(f"{home(branch)}/uploads/{upload.pk}/import/", {"typed": "main"}, follow=True)
    assert "That is not the project's name" in answer.content.decode()
    assert not Restore.objects.exists()


def test_with_it_the_import_begins(alice: Client, branch: Branch, people: SimpleNamespace) -> None:
    upload = made(branch, people, Result.SUCCESS)
    answer = alice.post(f"{home(branch)}/uploads/{upload.pk}/import/", {"typed": "demo"})
    restore = Restore.objects.get()
    assert answer["Location"] == f"{home(branch)}/restores/{restore.pk}/"
    assert (restore.upload, restore.imported) == (upload, True)
    assert read(alice, answer["Location"])


def test_into_staging_a_build_of_the_newest_commit_begins(
    alice: Client, branch: Branch, people: SimpleNamespace
) -> None:
    staging = cast.branch(branch.project, "next", Stage.STAGING, head="a" * 40)
    upload = made(staging, people, Result.SUCCESS)
    assert "The database of next as it is now" in read(alice, f"{home(staging)}/uploads/{upload.pk}/")
    alice.post(f"{home(staging)}/uploads/{upload.pk}/import/", {"typed": "demo"})
    (build,) = staging.builds.all()
    assert (build.from_upload, build.commit) == (upload, "a" * 40)


# --- backups into staging, and deleted --------------------------------------------------------------------------------
@pytest.fixture
def backup(branch: Branch) -> Backup:
    assert branch.instance is not None
    return Backup.objects.create(
        vault=Vault.objects.create(), instance=branch.instance, kind=Backup.Kind.NIGHTLY, state=State.DONE,
        snapshot="a" * 64, size_bytes=5_000_000, new_bytes=1, taken_at=clock.now(), proof=Backup.Proof.PROVEN,
    )  # fmt: skip


def test_a_backup_of_production_is_restored_into_staging(alice: Client, branch: Branch, backup: Backup) -> None:
    staging = cast.branch(branch.project, "next", Stage.STAGING, head="a" * 40)
    url = f"{home(branch)}/backups/{backup.pk}/staging/"
    assert url in read(alice, f"{home(staging)}/backups/")
    assert "What will be lost" in read(alice, url)
    answer = alice.post(url, {"branch": str(staging.pk)})
    (build,) = staging.builds.all()
    assert answer["Location"] == f"/demo/builds/{build.number}/"
    assert build.from_backup == backup


def test_only_a_staging_branch_of_the_project_is_one(alice: Client, branch: Branch, backup: Backup) -> None:
    other = cast.branch(cast.project("other"), "next", Stage.STAGING, head="a" * 40)
    development = cast.branch(branch.project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    for target in (other, development, branch):
        alice.post(f"{home(branch)}/backups/{backup.pk}/staging/", {"branch": str(target.pk)})
        assert not target.builds.exists()


def test_one_taken_by_hand_can_be_deleted_and_no_other(alice: Client, branch: Branch, backup: Backup) -> None:
    url = f"{home(branch)}/backups/{backup.pk}/"
    assert "/delete/" not in read(alice, url)
    alice.post(f"{url}delete/")
    assert Backup.objects.get().forgotten_at is None
    Backup.objects.update(kind=Backup.Kind.MANUAL)
    assert "/delete/" in read(alice, url)
    alice.post(f"{url}delete/")
    assert Backup.objects.get().forgotten_at is not None
    assert [entry.by for entry in AuditEntry.objects.filter(verb="delete backup")] == ["alice"]


# --- switched on ------------------------------------------------------------------------------------------------------
@pytest.fixture
def restore(branch: Branch) -> Restore:
    made = cast.imported(branch)
    Parked.objects.create(restore=made, kind=Parked.Kind.ACTION, record_id=7, name="Send <mails>")
    Parked.objects.create(restore=made, kind=Parked.Kind.OUTGOING, record_id=1, name="mail.example.com")
    return made


def test_what_is_off_is_listed_and_switched_on_one_by_one(alice: Client, branch: Branch, restore: Restore) -> None:
    url = f"{home(branch)}/restores/{restore.pk}/"
    text = read(alice, f"{url}switched-off/")
    assert text.count("Switch on</button>") == 2
    assert "Send &lt;mails&gt;" in text
    alice.post(f"{url}switch-on/", {"parked": str(restore.parked.get(record_id=7).pk)})
    assert Story.objects.get(kind="switch-on").queue == "urgent"
    text = read(alice, f"{url}switched-off/")
    assert (text.count("Switch on</button>"), text.count("Switching on")) == (1, 1)


def test_after_another_restore_the_list_is_history(alice: Client, branch: Branch, restore: Restore) -> None:
    Restore.objects.create(branch=branch, switched_at=clock.now())
    text = read(alice, f"{home(branch)}/restores/{restore.pk}/switched-off/")
    assert "this list is history" in text
    assert "Switch on</button>" not in text


def test_those_of_another_import_are_not_switched_on(alice: Client, branch: Branch, restore: Restore) -> None:
    other = Restore.objects.create(branch=branch, imported=True, switched_at=clock.now())
    alice.post(f"{home(branch)}/restores/{other.pk}/switch-on/", {"parked": str(restore.parked.all()[0].pk)})
    assert not Story.objects.filter(kind="switch-on").exists()
