"""bin/berth audit verify: the chain here, and its heads elsewhere."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from hosting import places, selfbackup
from hosting.engines.postgres import dumps
from hosting.engines.restic import Unreachable
from hosting.models import Place, VaultCopy
from portal import audit
from portal.models import AuditEntry
from tests.unit.fakes import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def copy(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> VaultCopy:
    """A place, where restic is a stand-in and a dump is an empty file."""
    settings.BERTH_RECOVERY_KEY = "key"
    (Path(settings.BERTH_HOME) / ".env").write_text("A=b\n")
    monkeypatch.setattr(dumps, "dump", lambda _url, file, **_options: file.write_bytes(b""))
    return VaultCopy.objects.create(place=Place.objects.create(name="attic", address="attic", keeps_all=True))


def write(number: int) -> None:
    for each in range(number):
        audit.record(by=None, verb="resize", object=f"i{each}")


def store(copy: VaultCopy) -> None:
    selfbackup.store(copy, lambda: None, lambda _line: None)


def verify() -> str:
    out = io.StringIO()
    call_command("audit", "verify", stdout=out)
    return out.getvalue()


def tamper(statement: str) -> None:
    """As who is the database's superuser can."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET session_replication_role = replica; {statement}; SET session_replication_role = DEFAULT")


def test_without_a_place_the_chain_alone_is_looked_at() -> None:
    write(3)

    assert "The chain of 3 entries holds" in verify()
    assert "no place of backups" in verify()


def test_heads_that_were_stored_are_compared(copy: VaultCopy) -> None:
    store(copy)  # while there is no entry yet
    write(2)
    store(copy)
    write(2)
    store(copy)

    assert "attic: all 3 heads that are kept there are in the log" in verify()


def test_a_changed_entry_is_named(copy: VaultCopy) -> None:
    write(3)
    second = AuditEntry.objects.order_by("pk")[1]
    tamper(f"UPDATE portal_auditentry SET by = 'mallory' WHERE id = {second.pk}")

    with pytest.raises(CommandError, match=f"Entry {second.pk} .* was changed or removed"):
        verify()


def test_an_end_that_was_cut_off_is_missed(copy: VaultCopy) -> None:
    write(3)
    store(copy)
    last = AuditEntry.objects.latest("pk")
    tamper(f"DELETE FROM portal_auditentry WHERE id = {last.pk}")
    assert audit.first_broken() is None, "the chain alone shows nothing"

    with pytest.raises(CommandError, match=f"1 of 1 heads .* the first of them entry {last.pk}"):
        verify()


def test_a_log_that_was_written_anew_as_a_whole_is_found_also_after_it_was_stored_again(copy: VaultCopy) -> None:
    write(2)
    store(copy)
    first = AuditEntry.objects.earliest("pk").pk
    tamper("DELETE FROM portal_auditentry")
    for number in range(2):
        audit.record(by=None, verb="forged", object=f"i{number}")
    for number, entry in enumerate(AuditEntry.objects.order_by("pk")):
        tamper(f"UPDATE portal_auditentry SET id = {first + number} WHERE id = {entry.pk}")
    store(copy)
    assert audit.first_broken() is None

    with pytest.raises(CommandError, match=f"1 of 2 heads .* entry {first + 1}"):
        verify()


def test_a_place_that_does_not_answer_is_not_passed_over(copy: VaultCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_arguments: object) -> None:
        raise Unreachable("no route")

    monkeypatch.setattr(places, "opened", unreachable)

    with pytest.raises(CommandError, match="attic: not compared, as it could not be read: no route"):
        verify()
