"""Further places on the real path: copies arrive, one that fails is tried again and told of, and nothing is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from portal.commands import run
from tests.backups import ask, end, page
from tests.holding import Moment, hold
from tests.installation import Installation

pytestmark = pytest.mark.faults
PATIENCE_S = 300.0
ACCOUNT = "AWS_ACCESS_KEY_ID=someone\nAWS_SECRET_ACCESS_KEY=secret"
COPIES = """
    SELECT c.*, (SELECT count(*) FROM hosting_vaultcopy_backups b WHERE b.vaultcopy_id = c.id) AS backups
    FROM hosting_vaultcopy c JOIN hosting_place p ON p.id = c.place_id WHERE p.name = %s AND c.vault_id IS NOT NULL
"""
SOONER = "UPDATE hosting_vaultcopy SET next_at = now()"


@contextmanager
def placed(
    installation: Installation, name: str, address: str, *, stdin: str = "", keeps_all: bool = False
) -> Iterator[None]:
    """A place that the operator names, for a while."""
    installation.berth("place", "add", name, address, *(["--keeps-all"] if keeps_all else []), stdin=stdin)
    try:
        yield
    finally:
        installation.berth("place", "remove", name)


def copy_that(installation: Installation, name: str, *, fails: bool = False) -> dict[str, Any]:
    """The copy of the vault at the place, once it was brought up to date, or failed."""
    deadline = time.monotonic() + PATIENCE_S
    row: dict[str, Any] = {}
    while time.monotonic() < deadline:
        row = next(iter(installation.query(COPIES, name)), {})
        if row.get("error") if fails else row.get("done_at") and row["backups"] and not row["error"]:
            return row
        time.sleep(1)
    raise TimeoutError(f"{name}: {row}")


@pytest.fixture
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"s3:http://{host}:{port}/backups"
    server.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], timeout=10)
    yield folder
    run(["umount", str(folder)], timeout=10)


def test_a_backup_comes_to_every_place(installation: Installation, s3: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "disk").mkdir()
    with (
        placed(installation, "store", s3, stdin=ACCOUNT),
        placed(installation, "disk", str(tmp_path / "disk")),
        placed(installation, "kept", str(tmp_path / "kept"), keeps_all=True),
    ):
        assert end(installation, ask(installation))["proof"] == "proven"
        for name in ("store", "disk", "kept"):
            assert copy_that(installation, name)["failing_since"] is None
        assert "4 places" in page(installation)
        assert "whole on" in installation.berth("place", "list")


def test_a_place_that_is_away_is_told_of_and_caught_up_with(installation: Installation, tmp_path: Path) -> None:
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    with placed(installation, "disk", str(disk)):
        assert end(installation, ask(installation))["proof"] == "proven"
        copy_that(installation, "disk")
        disk.rename(elsewhere)
        assert end(installation, ask(installation))["proof"] == "proven", "backups go on"
        assert "mounted" in copy_that(installation, "disk", fails=True)["error"]
        installation.query("UPDATE hosting_vaultcopy SET failing_since = now() - interval '1 day', next_at = now()")
        wait_for_alarm(installation, open_=True)
        assert "Failing" in page(installation)
        elsewhere.rename(disk)
        installation.query(SOONER)
        row = copy_that(installation, "disk")
        assert row["tries"] == 0
        kept = (
            "SELECT count(*) AS n FROM hosting_backup WHERE vault_id = %s AND forgotten_at IS NULL AND snapshot <> ''"
        )
        assert row["backups"] == installation.query(kept, row["vault_id"])[0]["n"]
        wait_for_alarm(installation, open_=False)


def wait_for_alarm(installation: Installation, *, open_: bool) -> None:
    asked = "SELECT * FROM portal_alarm WHERE key LIKE 'vault-copy-%%' AND ended_at IS NULL"
    deadline = time.monotonic() + PATIENCE_S
    while bool(installation.query(asked)) != open_:
        assert time.monotonic() < deadline
        time.sleep(1)


def test_a_full_place_is_told_of_and_harms_nothing(installation: Installation, small_disk: Path) -> None:
    with placed(installation, "small", str(small_disk)):
        assert end(installation, ask(installation))["proof"] == "proven"
        assert "no space left" in copy_that(installation, "small", fails=True)["error"]
        assert end(installation, ask(installation))["proof"] == "proven"
    assert installation.settled() == []


@pytest.mark.parametrize("moment", [Moment.MIDDLE, Moment.ENDS])
def test_a_killed_worker_harms_no_copy(installation: Installation, tmp_path: Path, moment: Moment) -> None:
    (tmp_path / "disk").mkdir()
    with placed(installation, "disk", str(tmp_path / "disk")):
        with hold(installation, "bring_up_to_date", moment) as held:
            end(installation, ask(installation))
            held.wait()
            installation.kill("worker")
        row = copy_that(installation, "disk")
        assert row["backups"] > 0
