"""What the clean-up must not do: take anything early because of the clock. And a machine with too little disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.processes import CHECKOUT, PYTHON
from portal.commands import run
from tests import restores
from tests.backups import ask, end
from tests.clone import Clone
from tests.faults.changes import change_static_file, raise_version
from tests.faults.test_backup_places import copy_that, placed
from tests.faults.test_stage_moves import built, move, until
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults
AHEAD, BACK = "make_interval(years => 10)", "make_interval(years => -10)"
ROWS_OF_TIME = """
    SELECT table_name, string_agg(format('%I = %I + ({by})', column_name, column_name), ', ') AS change
    FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
    AND table_name ~ '^(portal|hosting|projects|builds)_' AND table_name <> 'portal_auditentry'
    GROUP BY table_name
"""


@pytest.fixture
def clone(installation: Installation) -> Iterator[Clone]:
    """A clone whose branches, but `main`, are deleted afterwards."""
    clone = installation.clone()
    yield clone
    clone.fetch()
    clone.delete(*(name for name in clone.branches() if name != "main"))
    assert installation.settled() == []


def clean_up(installation: Installation) -> None:
    """The round of each hour, now."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DJANGO_"))}
    code = "from builds import rounds; rounds.clean_up()"
    surroundings = kept | {"BERTH_HOME": str(installation.home)}
    run([str(PYTHON), "manage.py", "shell", "-c", code], timeout=300, cwd=CHECKOUT, env=surroundings)


@contextmanager
def clock_off_by(installation: Installation, by: str) -> Iterator[None]:
    """As if the machine's clock had been set by so much, and then again: what was written down moves the other way, as
    the clock itself belongs to everybody.
    """
    shift(installation, f"-{by}")
    try:
        yield
    finally:
        shift(installation, by)


def shift(installation: Installation, by: str) -> None:
    for row in installation.query(ROWS_OF_TIME.format(by=by).replace("%I", "%%I")):
        installation.query(f"UPDATE {row['table_name']} SET {row['change']}")


def there(installation: Installation) -> list[dict[str, Any]]:
    """Databases that serve or served; not those that are only there to be copied, which are made anew."""
    return installation.query(
        "SELECT id FROM hosting_instance WHERE state = 'ready'"
        " AND id NOT IN (SELECT drill_id FROM hosting_backup WHERE drill_id IS NOT NULL)"
        " AND id NOT IN (SELECT instance_id FROM hosting_template WHERE instance_id IS NOT NULL) ORDER BY id"
    )


def stored(installation: Installation) -> set[int]:
    """Backups whose content is there."""
    rows = installation.query("SELECT id FROM hosting_backup WHERE snapshot <> '' AND forgotten_at IS NULL")
    return {int(row["id"]) for row in rows}


@pytest.mark.parametrize("by", [AHEAD, BACK], ids=["ahead", "back"])
def test_a_clock_that_jumps_takes_nothing_early(installation: Installation, clone: Clone, by: str) -> None:
    for text in ("first", "second"):  # the database of the first one is former
        assert installation.wait_for_build(clone.push({STATIC_FILE: f"{text}\n"}, text, "tidy")).result == "success"
    assert end(installation, ask(installation))["proof"] == "proven"
    clean_up(installation)
    before, pieces = there(installation), installation.query("SELECT count(*) FROM portal_logchunk")
    kept = stored(installation)
    with clock_off_by(installation, by):
        clean_up(installation)
        backup = end(installation, ask(installation))  # its end lets old ones go
        during = there(installation)
        with Portal(installation) as portal:
            page = portal.page("/operator/disk/")
    clean_up(installation)
    assert len(before) >= 3
    assert during == before
    assert there(installation) == before
    assert backup["proof"] == "proven"
    assert {*kept, backup["id"]} <= stored(installation)
    assert installation.query("SELECT count(*) FROM portal_logchunk")[0]["count"] >= pieces[0]["count"]
    assert "The clock of this machine jumped" in page


def test_a_clock_that_was_set_back_stops_no_copy_to_a_place(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with placed(installation, "disk", str(tmp_path / "disk")):
        assert end(installation, ask(installation))["proof"] == "proven"
        copy_that(installation, "disk")
        installation.query("UPDATE hosting_vaultcopy SET next_at = next_at + %s::interval", "10 years")
        backup = end(installation, ask(installation))
        there = (
            "SELECT 1 FROM hosting_vaultcopy_backups b JOIN hosting_vaultcopy c ON c.id = b.vaultcopy_id"
            " WHERE c.vault_id IS NOT NULL AND b.backup_id = %s"
        )
        until(lambda: bool(installation.query(there, backup["id"])))


# --- production that is ten times larger than what is free ------------------------------------------------------------
@pytest.fixture
def large(installation: Installation) -> Iterator[Path]:
    """A hole in a file that PostgreSQL counts to production's database, and nothing else looks at."""
    (row,) = installation.in_production("SELECT oid FROM pg_database WHERE datname = current_database()")
    hole = installation.home / "pg/hosted/base" / str(row["oid"]) / "berth_test_hole"
    yield hole
    hole.unlink(missing_ok=True)


def grow(hole: Path, installation: Installation) -> None:
    room = os.statvfs(installation.home)
    hole.touch(mode=0o600)
    os.truncate(hole, 10 * room.f_bavail * room.f_frsize)


def test_what_needs_a_copy_is_refused_with_numbers_and_the_rest_goes_on(
    installation: Installation, clone: Clone, large: Path
) -> None:
    sha = clone.push({STATIC_FILE: "feature\n"}, "Feature", "tidy")
    assert installation.wait_for_build(sha).result == "success"
    versions = installation.versions()
    grow(large, installation)
    move(installation, "tidy", "staging")
    staging = built(installation, sha, "staging")
    update = installation.wait_for_build(raise_version(installation))
    backup = end(installation, ask(installation))
    during = installation.versions()
    large.unlink()
    plain = installation.wait_for_build(raise_version(installation))
    assert staging.error_title == "This machine can't take a deploy now: Disk", staging
    assert "MB are free; this deploy takes about" in staging.error_detail
    assert update.error_title == "Not enough disk for the rehearsal of the update", update
    assert "MB are free" in update.error_detail
    assert "Not enough disk for the backup" in backup["wrong"]
    assert "MB are free" in backup["wrong"]
    assert during == versions
    assert installation.branch(name="tidy")["instance_id"] is not None  # what it had serves on
    assert plain.result == "success", plain


def test_a_restore_that_the_disk_has_no_room_for_is_refused_with_numbers(
    installation: Installation, large: Path
) -> None:
    backup, answer = end(installation, ask(installation)), installation.answer("/web/login")
    assert backup["proof"] == "proven"
    grow(large, installation)
    row = restores.ended(installation, "builds_restore", restores.restore(installation, int(backup["id"])))
    large.unlink()
    told = restores.told(installation, row)
    assert row["result"] == "failure", told
    assert "Not enough disk for the restore" in told
    assert "MB are free" in told
    assert installation.answer("/web/login").commit == answer.commit
    assert installation.settled() == []


def test_a_deploy_that_takes_no_copy_goes_on(installation: Installation, large: Path) -> None:
    grow(large, installation)
    sha = change_static_file(installation)
    build = installation.wait_for_build(sha)
    assert build.result == "success", build
    assert installation.answer("/web/login").commit == sha
