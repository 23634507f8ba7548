"""What is stored of the installation itself."""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from pytest_django import Settings

from deploy import restoreself
from hosting import auditheads, selfbackup, states
from hosting.engines.postgres import dumps
from hosting.engines.restic import Snapshot, Stored
from hosting.models import Host, Mail, Place, VaultCopy
from portal.commands import run
from projects.models import Stage
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.vault import FakeRepository


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's programs are not installed")
@pytest.mark.django_db(transaction=True)
def test_mails_that_were_caught_are_left_out_and_their_table_is_not(settings: Settings, tmp_path: Path) -> None:
    told = connection.settings_dict
    user, password, host = (quote(told[name] or "", safe="") for name in ("USER", "PASSWORD", "HOST"))
    settings.BERTH_DATABASE_URL = f"postgresql://{user}:{password}@{host}:{told['PORT'] or 5432}/{told['NAME']}"
    settings.BERTH_HOME = tmp_path
    (tmp_path / ".env").write_text("A=b\n")
    cast.mail(cast.instance(Stage.STAGING, "staging.localhost"), b"Subject: Large\r\n\r\nhunter22\r\n")
    copy = VaultCopy.objects.create(place=Place.objects.create(name="attic", address="/attic"))
    selfbackup._collect(copy, tmp_path, lambda: None)
    held = tmp_path / selfbackup.DATABASE
    listed = run(["pg_restore", "--list", str(held)], timeout=30).output
    assert f"TABLE public {Mail._meta.db_table} " in listed
    assert f"TABLE DATA public {Host._meta.db_table} " in listed
    assert f"TABLE DATA public {Mail._meta.db_table} " not in listed
    assert b"hunter22" not in held.read_bytes()
    assert b"staging.localhost" in held.read_bytes()


def test_all_rows_are_dumped_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(dumps, "run", lambda argv, **_options: ran.append(argv))
    for left_out in ((), ("a", "b")):
        dumps.dump("postgresql:///x", tmp_path / "d", timeout=1, keep_going=lambda: None, without_rows_of=left_out)
    assert ran[1] == [*ran[0], "--exclude-table-data=a", "--exclude-table-data=b"]


# --- which state is the newest ----------------------------------------------------------------------------------------
class There(FakeRepository):
    """With the dates that restic sorts by: `dated` is that of the next one that is stored."""

    dated = 0

    def store(self, folder: Path, *, tag: str, **options: Any) -> Stored:
        return super().store(folder, tag=f"{tag},dated-{self.dated}", **options)

    def snapshots(self) -> list[Snapshot]:
        return sorted(super().snapshots(), key=lambda each: next(int(t[6:]) for t in each.tags if t[:6] == "dated-"))


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(World("c0ffee"), tmp_path / "place")


def store(there: There, tmp_path: Path, *, entry: int, dated: int) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    manifest = {"entry": entry, "dated": dated}
    (tmp_path / "state" / selfbackup.MANIFEST).write_text(json.dumps(manifest))
    there.dated = dated
    place, _new = Place.objects.get_or_create(name="attic", defaults={"address": "/attic"})
    copy, _new = VaultCopy.objects.get_or_create(place=place, vault=None)
    tags = f"{selfbackup.TAG},audit-{entry}-{entry:064x}"
    selfbackup._store(copy, there, tmp_path / "state", tags, lambda: None)  # type: ignore[arg-type]


def fetched(there: There, tmp_path: Path) -> dict[str, int]:
    return restoreself._fetch(there, tmp_path / "restoring")  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_clock_that_was_ahead_makes_no_older_state_the_newest(there: There, tmp_path: Path) -> None:
    for entry, dated in ((10, 1), (11, 900), (12, 2), (13, 3)):
        store(there, tmp_path, entry=entry, dated=dated)
    assert fetched(there, tmp_path)["entry"] == 13


@pytest.mark.django_db
def test_where_nothing_was_written_to_the_log_the_date_decides(there: There, tmp_path: Path) -> None:
    for dated in (2, 3, 1):
        store(there, tmp_path, entry=10, dated=dated)
    assert fetched(there, tmp_path)["dated"] == 3


@pytest.mark.django_db
def test_states_that_were_stored_while_the_clock_was_ahead_push_no_right_one_out(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfbackup, "KEPT", 3)
    for entry in range(10, 14):
        store(there, tmp_path, entry=entry, dated=900 + entry)
    for entry in range(14, 18):
        store(there, tmp_path, entry=entry, dated=entry)
    assert sorted(head.entry for head in auditheads.among(there.snapshots())) == [15, 16, 17]


def test_states_without_a_tag_of_the_log_are_the_oldest() -> None:
    old, new = Snapshot("a", frozenset({"self"})), Snapshot("b", frozenset({"self", f"audit-0-{0:064x}"}))
    assert states.in_order([new, old]) == [old, new]
