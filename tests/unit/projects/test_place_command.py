"""Places are named by the operator; their accounts are encrypted, and never printed."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from hosting.models import Place
from portal.models import AuditEntry

pytestmark = pytest.mark.django_db
ACCOUNT = "AWS_ACCESS_KEY_ID=someone\nAWS_SECRET_ACCESS_KEY=very-secret"


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    settings.BERTH_HOME = tmp_path
    return tmp_path


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("place", *arguments, stdout=out)
    return out.getvalue()


def stored(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT account FROM hosting_place WHERE name = %s", [name])
        return str(cursor.fetchone()[0])


def test_a_folder_is_a_place_and_answers(tmp_path: Path) -> None:
    said("add", "disk", str(tmp_path))
    assert "answers" in said("try", "disk")
    assert str(tmp_path) in said("list")
    assert AuditEntry.objects.get(verb="add a place for backups").after == str(tmp_path)


def test_a_disk_that_is_not_mounted_does_not_answer(tmp_path: Path) -> None:
    said("add", "disk", str(tmp_path / "gone"))
    with pytest.raises(CommandError, match="mounted"):
        said("try", "disk")


def test_for_sftp_a_key_is_made_and_its_public_half_told() -> None:
    told = said("add", "far", "sftp://berth@backup.example//srv/berth")
    assert "ssh-ed25519 " in told
    assert "PRIVATE KEY" in Place.objects.get().account
    assert "PRIVATE" not in told
    assert "PRIVATE" not in stored("far")


def test_an_s3_account_is_read_from_stdin_and_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{ACCOUNT}\n"))
    told = said("add", "store", "s3:https://s3.example/bucket", "--keeps-all") + said("list")
    assert Place.objects.get().account == ACCOUNT
    assert "very-secret" not in told + stored("store")
    assert "keeps all" in told


@pytest.mark.parametrize(
    ("name", "address"), [("disk", "nowhere"), ("far", "sftp://-x@h"), ("store", "s3:https://s3.example/bucket")]
)
def test_what_is_no_place_changes_nothing(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(CommandError, match="Nothing was changed"):
        said("add", name, address)
    assert not Place.objects.exists()


def test_a_name_is_given_once(tmp_path: Path) -> None:
    said("add", "disk", str(tmp_path))
    with pytest.raises(CommandError, match="already"):
        said("add", "disk", str(tmp_path))


def test_one_that_is_removed_keeps_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    said("add", "disk", str(tmp_path))
    assert "stays" in said("remove", "disk")
    assert not Place.objects.alive().exists()
    assert said("list") == ""
    said("add", "disk", str(tmp_path))
    assert (tmp_path / "something").exists()
