"""Backups of production on the real path: proven by restoring, red where something is wrong, unharmed by kills."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet

from tests.backups import ask, end, page
from tests.faults.attaching import attached
from tests.faults.changes import PATHS, change_static_file, raise_version
from tests.faults.test_stage_moves import until
from tests.holding import Moment, hold
from tests.installation import Installation

pytestmark = pytest.mark.faults


@pytest.fixture
def attachment(installation: Installation) -> Iterator[Path]:
    with attached(installation, 3_000_000) as file:
        yield file


def packs(installation: Installation) -> list[Path]:
    return [path for path in (installation.home / "vaults").glob("*/data/*/*") if path.is_file()]


def flip_bits(files: list[Path]) -> None:
    """One in the middle of each; a second call puts them back."""
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.chmod(0o600)
        file.write_bytes(content)


def test_a_backup_is_proven_while_production_serves(installation: Installation, attachment: Path) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        row = end(installation, ask(installation))
        load.wait_for(20)
    assert (row["result"], row["proof"], row["wrong"]) == ("success", "proven", "")
    assert row["restore_seconds"] > 0
    assert row["size_bytes"] > 1_000_000
    assert "Restored and opened in" in page(installation)
    assert load.figures().failed == 0, load.figures()
    assert attachment.exists()
    assert installation.settled() == []


def test_a_second_one_stores_little(installation: Installation, attachment: Path) -> None:
    first = end(installation, ask(installation))
    assert attachment.exists()
    second = end(installation, ask(installation))
    assert second["proof"] == "proven"
    assert second["new_bytes"] < first["size_bytes"] / 4


def test_flipped_bits_in_the_vault_make_the_badge_red(installation: Installation) -> None:
    assert end(installation, ask(installation))["proof"] == "proven"
    damaged = packs(installation)
    flip_bits(damaged)
    row = end(installation, ask(installation))
    flip_bits(damaged)
    assert (row["proof"], row["result"]) == ("failed", "failure")
    assert "damaged" in row["wrong"], row["wrong"]
    assert "damaged" in page(installation)
    assert installation.settled() == []
    assert end(installation, ask(installation))["proof"] == "proven"


def test_a_file_that_production_lost_makes_one_badge_red(installation: Installation, attachment: Path) -> None:
    content = attachment.read_bytes()
    attachment.unlink()
    rows = [end(installation, ask(installation)) for _ in range(2)]
    attachment.write_bytes(content)
    assert [(row["proof"], row["result"], row["lacking"]) for row in rows] == [
        ("failed", "failure", 1),
        ("proven", "warning", 1),  # as production is, which is what restoring it would give
    ]
    assert f"{attachment.name}, which an attachment names" in rows[0]["wrong"]
    assert "1 file that production lacks" in page(installation)
    assert end(installation, ask(installation))["proof"] == "proven"


def test_a_file_that_odoo_removes_meanwhile_is_missed_by_nobody(installation: Installation, attachment: Path) -> None:
    """With its row, at some moment of the dump: before or after what the backup sees."""
    with hold(installation, "dump", Moment.MIDDLE) as held:
        backup = ask(installation)
        held.wait()
        installation.in_production("DELETE FROM ir_attachment WHERE store_fname LIKE %s", f"%/{attachment.name}")
        attachment.unlink()
    row = end(installation, backup)
    assert (row["proof"], row["wrong"]) == ("proven", "")


def test_a_file_that_is_altered_makes_the_badge_red(installation: Installation, attachment: Path) -> None:
    content = attachment.read_bytes()
    attachment.write_bytes(b"x" * len(content))
    row = end(installation, ask(installation))
    attachment.write_bytes(content)
    assert row["proof"] == "failed"
    assert f"{attachment.name} has another content" in row["wrong"]


def test_a_missing_key_makes_the_badge_red_and_loses_nothing(installation: Installation) -> None:
    assert end(installation, ask(installation))["proof"] == "proven"
    (vault,) = installation.query(
        "SELECT v.* FROM hosting_vault v JOIN projects_project p ON p.vault_id = v.id WHERE p.slug = 'demo'"
    )
    keys = MultiFernet([Fernet(key.strip()) for key in installation.values["BERTH_FERNET_KEYS"].split(",")])
    setting = "UPDATE hosting_vault SET key = %s WHERE id = %s"
    installation.query(setting, keys.encrypt(b"another").decode(), vault["id"])
    row = end(installation, ask(installation))
    installation.query(setting, vault["key"], vault["id"])
    assert row["proof"] == "failed"
    assert "can't be opened with its key" in row["wrong"]
    assert end(installation, ask(installation))["proof"] == "proven"


def test_a_deploy_does_not_wait_for_a_backup(installation: Installation) -> None:
    with hold(installation, "store", Moment.BEGINS) as held:
        backup = ask(installation)
        held.wait()
        build = installation.wait_for_build(change_static_file(installation))
    assert build.result == "success", build
    row = end(installation, backup)
    assert row["proof"] == "proven"
    assert row["commit"] != build.commit
    assert installation.settled() == []


def test_one_that_is_taken_while_production_is_updated_is_of_one_state(installation: Installation) -> None:
    """It waits for the end of the update, and is proven with the code of after it."""
    with hold(installation, "dump", Moment.BEGINS) as dumping:
        backup = ask(installation)
        dumping.wait()
        with hold_update(installation) as sha:
            dumping.let_go()
        build = installation.wait_for_build(sha)
    row = end(installation, backup)
    assert build.result in ("success", "warning"), build
    assert (row["proof"], row["wrong"], row["commit"]) == ("proven", "", sha)
    for each in installation.query("SELECT id FROM hosting_backup WHERE state <> 'done'"):
        assert end(installation, each["id"])["proof"] == "proven"
    assert installation.settled() == []


@contextmanager
def hold_update(installation: Installation) -> Iterator[str]:
    """A deploy whose update has begun, so that visitors wait, when the block is entered."""
    sha = raise_version(installation)
    held = "SELECT 1 FROM hosting_instance WHERE door = 'held'"
    until(lambda: bool(installation.query(held)))
    yield sha


@pytest.mark.parametrize("step", ["dump", "store", "prove", "tidy"])
@pytest.mark.parametrize("moment", [Moment.MIDDLE, Moment.ENDS])
def test_a_killed_worker_harms_no_backup(installation: Installation, moment: Moment, step: str) -> None:
    with hold(installation, step, moment) as held:
        backup = ask(installation)
        held.wait()
        installation.kill("worker")
    row = end(installation, backup)
    assert (row["proof"], row["wrong"]) == ("proven", "")
    assert installation.settled() == []
