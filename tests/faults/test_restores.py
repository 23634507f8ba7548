"""Restores of production on the real path: nothing acknowledged is lost that was not asked for, whatever goes wrong."""

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests import restores
from tests.backups import ask, end
from tests.faults import killing
from tests.faults.changes import PATHS, change_static_file, raise_version
from tests.faults.test_stage_moves import until
from tests.holding import Moment, hold
from tests.installation import Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults
KEY = "later"
STEPS = ("fill_beside", "open_beside", "back_up_before", "swap")


@pytest.fixture
def backup(installation: Installation) -> Iterator[int]:
    """A proven backup, after which something was written."""
    made = end(installation, ask(installation))
    assert made["proof"] == "proven"
    write(installation, "after the backup")
    yield int(made["id"])
    installation.in_production("DELETE FROM ir_config_parameter WHERE key = %s", KEY)


def write(installation: Installation, value: str) -> None:
    installation.in_production("DELETE FROM ir_config_parameter WHERE key = %s", KEY)
    installation.in_production("INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)", KEY, value)


def written(installation: Installation) -> str:
    rows = installation.in_production("SELECT value FROM ir_config_parameter WHERE key = %s", KEY)
    return str(rows[0]["value"]) if rows else ""


def before(installation: Installation) -> None:
    """What a restore took before is told to its end too."""
    for row in installation.query("SELECT id FROM hosting_backup WHERE state <> 'done'"):
        end(installation, row["id"])


def test_production_becomes_what_the_backup_holds(installation: Installation, backup: int) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        row = restores.ended(installation, "builds_restore", restores.restore(installation, backup))
        load.wait_for(20)
    assert row["result"] == "success", restores.told(installation, row)
    assert written(installation) == ""
    assert load.figures().failed == 0, load.figures()
    assert row["answered_at"] > row["switched_at"] > row["created_at"]
    before(installation)
    assert installation.settled() == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", [Moment.MIDDLE, Moment.ENDS])
def test_a_killed_worker_harms_no_restore(installation: Installation, backup: int, moment: Moment, step: str) -> None:
    with hold(installation, step, moment) as held:
        restore = restores.restore(installation, backup)
        held.wait()
        installation.kill("worker")
    row = restores.ended(installation, "builds_restore", restore)
    assert row["result"] == "success", restores.told(installation, row)
    assert written(installation) == ""
    assert installation.answer("/web/login").status == 200
    before(installation)
    assert installation.settled() == []


@pytest.mark.parametrize("step", ["switch_restored", "settle_restored"])
def test_a_worker_that_is_killed_after_the_places_were_changed_harms_no_restore(
    installation: Installation, backup: int, step: str
) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.ENDS) as held:
            restore = restores.restore(installation, backup)
            held.wait()
            installation.kill("worker")
        row = restores.ended(installation, "builds_restore", restore)
        load.wait_for(20)
    assert row["result"] == "success", restores.told(installation, row)
    assert written(installation) == ""
    assert load.figures().failed == 0, load.figures()
    before(installation)
    assert installation.settled() == []


@pytest.mark.parametrize("step", ["swap", "back_up_before", "fill_beside"])
def test_a_worker_that_is_killed_while_it_takes_back_leaves_all_as_it_was(
    installation: Installation, backup: int, step: str
) -> None:
    with hold(installation, step, Moment.UNDONE) as held:
        restore = restores.restore(installation, backup)
        story = cancel_in(installation, restore, "swap")
        held.wait()
        os.kill(installation.teller(story), signal.SIGKILL)
    row = restores.ended(installation, "builds_restore", restore)
    assert row["result"] == "cancelled", restores.told(installation, row)
    assert written(installation) == "after the backup"
    assert installation.answer("/web/login").status == 200
    before(installation)
    assert installation.settled() == []


def cancel_in(installation: Installation, restore: int, step: str) -> int:
    """Cancel it as soon as that step is told. Returns its story."""
    (row,) = installation.query("SELECT story_id FROM builds_restore WHERE id = %s", restore)
    begun = "SELECT 1 FROM portal_step WHERE story_id = %s AND name = %s AND state = 'running'"
    until(lambda: bool(installation.query(begun, row["story_id"], step)))
    installation.query("UPDATE portal_story SET cancel_requested = true WHERE id = %s", row["story_id"])
    return int(row["story_id"])


@pytest.mark.parametrize("moment", [Moment.MIDDLE, Moment.ENDS])
@pytest.mark.parametrize("killed", ["router", "postgresql"])
def test_what_it_stands_on_is_killed_while_places_change(
    installation: Installation, backup: int, killed: str, moment: Moment
) -> None:
    """It ends as it was asked for, or as if nobody had asked; never with neither database."""
    with hold(installation, "swap", moment) as held:
        restore = restores.restore(installation, backup)
        held.wait()
        if killed == "router":
            killing.kill_router(installation)
        else:
            killing.kill_postgresql(installation, "hosted")
    row = restores.ended(installation, "builds_restore", restore)
    assert written(installation) == ("" if row["switched_at"] else "after the backup"), row
    until(lambda: installation.answer("/web/login").status == 200)
    before(installation)
    until(lambda: installation.settled() == [])


def test_of_two_that_are_asked_for_at_once_one_is_told(installation: Installation, backup: int) -> None:
    """Two people click in the same instant."""
    last, slug = restores.newest(installation, "builds_restore") if any_restore(installation) else 0, demo(installation)
    page = f"{restores.pages(installation)}/backups/{backup}/restore/"
    with Portal(installation) as one, Portal(installation) as another:
        one.page(page)
        another.page(page)
        clicks = [Thread(target=portal.post, args=(page,), kwargs={"typed": slug}) for portal in (one, another)]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join()
    rows = installation.query("SELECT * FROM builds_restore WHERE id > %s", last)
    assert len(rows) == 1
    row = restores.ended(installation, "builds_restore", rows[0]["id"])
    assert row["result"] == "success", restores.told(installation, row)
    assert written(installation) == ""
    before(installation)
    assert installation.settled() == []


def any_restore(installation: Installation) -> bool:
    return bool(installation.query("SELECT 1 FROM builds_restore LIMIT 1"))


def demo(installation: Installation) -> str:
    return installation.demo()["project"]


def test_one_that_is_asked_for_after_another_restores_over_it(installation: Installation, backup: int) -> None:
    """What was there before the first lies aside beside what was there before the second."""
    for _ in range(2):
        row = restores.ended(installation, "builds_restore", restores.restore(installation, backup))
        assert row["result"] == "success", restores.told(installation, row)
        write(installation, "after the backup")
    asides = installation.in_production(
        "SELECT datname FROM pg_database WHERE datname LIKE current_database() || '\\_r%%' ORDER BY 1"
    )
    kept = installation.query("SELECT id FROM builds_restore WHERE kept_until IS NOT NULL ORDER BY id")
    assert sorted(each["datname"].rpartition("_r")[2] for each in asides) == sorted(str(each["id"]) for each in kept)
    before(installation)
    assert installation.settled() == []


@pytest.mark.parametrize("step", STEPS)
def test_one_that_is_cancelled_leaves_all_as_it_was(installation: Installation, backup: int, step: str) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.BEGINS) as held:
            restore = restores.restore(installation, backup)
            held.wait()
            (row,) = installation.query("SELECT story_id FROM builds_restore WHERE id = %s", restore)
            held.let_go()
            installation.query("UPDATE portal_story SET cancel_requested = true WHERE id = %s", row["story_id"])
        ended = restores.ended(installation, "builds_restore", restore)
        load.wait_for(20)
    assert ended["result"] == "cancelled", restores.told(installation, ended)
    assert written(installation) == "after the backup"
    assert load.figures().failed == 0, load.figures()
    before(installation)
    assert installation.settled() == []


def test_a_deploy_waits_for_a_restore_and_follows_it(installation: Installation, backup: int) -> None:
    with hold(installation, "open_beside", Moment.BEGINS) as held:
        restore = restores.restore(installation, backup)
        held.wait()
        sha = change_static_file(installation)
        installation.wait_for(sha, lambda _build: True)
    row = restores.ended(installation, "builds_restore", restore)
    build = installation.wait_for_build(sha)
    assert (row["result"], build.result) == ("success", "success")
    assert installation.answer("/web/login").commit == sha
    before(installation)
    assert installation.settled() == []


def test_a_restore_from_before_an_update_is_brought_up_to_the_code(installation: Installation, backup: int) -> None:
    assert installation.wait_for_build(raise_version(installation)).result in ("success", "warning")
    versions = installation.versions()
    row = restores.ended(installation, "builds_restore", restores.restore(installation, backup))
    assert row["result"] == "success", restores.told(installation, row)
    assert installation.versions() == versions
    assert written(installation) == ""
    before(installation)
    assert installation.settled() == []


def test_a_backup_goes_on_beside_a_restore(installation: Installation, backup: int) -> None:
    with hold(installation, "store", Moment.BEGINS) as held:
        beside = ask(installation)
        held.wait()
        row = restores.ended(installation, "builds_restore", restores.restore(installation, backup))
    assert row["result"] == "success", restores.told(installation, row)
    assert end(installation, beside)["proof"] == "proven"
    before(installation)
    assert installation.settled() == []


def test_a_download_is_a_zip_of_odoo_also_when_its_worker_is_killed(
    installation: Installation, backup: int, tmp_path: Path
) -> None:
    with hold(installation, "pack", Moment.MIDDLE) as held:
        target = tmp_path / "shop.zip"
        done: list[Path] = []

        def kill() -> None:
            held.wait()
            installation.kill("worker")

        killer = Thread(target=kill)
        killer.start()
        done.append(restores.download(installation, backup, "zip", target))
        killer.join()
    with zipfile.ZipFile(done[0]) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {"dump.sql", "manifest.json"} <= names
        assert b"PostgreSQL database dump" in archive.read("dump.sql")[:200]
    assert installation.settled() == []
