"""Updates of production's modules that go wrong, or could: nobody sees a failed request, and no write is lost."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy import router
from hosting.engines.haproxy import RouterBusy
from tests.faults.changes import (
    PATHS,
    VIEWS,
    break_update,
    fail_live,
    mend_migration,
    raise_version,
    require_column,
    take_three_minutes,
)
from tests.faults.test_kill_workers import STEPS
from tests.holding import Held, Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.users import Reader, Writer

pytestmark = pytest.mark.faults


def rehearsal(installation: Installation, build: int) -> dict[str, object]:
    (row,) = installation.query("SELECT rehearsal FROM builds_build WHERE id = %s", build)
    return dict(row["rehearsal"])


ASKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE portal_story SET c%%'"


def cancel(installation: Installation, sha: str) -> None:
    (build, *_older) = installation.builds(sha)
    installation.query("UPDATE portal_story SET cancel_requested = true WHERE id = %s", build.story)


def cancel_while(held: Held, installation: Installation, sha: str) -> None:
    """Whoever tells the story may hold its row: the wish is the next thing that is written there, when it goes on."""
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(cancel, installation, sha)
        while not asked.done() and not installation.query(ASKED):
            time.sleep(0.05)
        held.let_go()
        asked.result()


def test_a_required_column_is_added_while_users_write(installation: Installation) -> None:
    session = installation.sign_in()
    writers = [Writer(session) for _ in range(2)]
    with installation.load(PATHS, clients=2, users=[Reader(session), *writers]) as load:
        load.wait_for(20)
        sha = require_column(installation)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    writes = installation.writes(writers)
    assert build.result in ("success", "warning"), build
    assert rehearsal(installation, build.id)["kind"] == "hold"
    assert load.figures().failed == 0, load.figures()
    assert writes.acknowledged > 0
    assert (writes.lost, writes.doubled) == (0, 0)
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert installation.settled() == []


def test_a_migration_that_fails_on_the_rehearsal_never_touches_production(installation: Installation) -> None:
    from_before = installation.files([VIEWS])
    versions, before = installation.versions(), installation.answer(f"/{STATIC_FILE}")
    with installation.load(PATHS) as load:
        load.wait_for(20)
        build = installation.wait_for_build(break_update(installation))
        load.wait_for(20)
    assert build.result == "failure", build
    assert build.error_title.startswith("The rehearsal failed"), build
    assert installation.answer(f"/{STATIC_FILE}") == before
    assert installation.versions() == versions
    assert load.figures().failed == 0, load.figures()
    mended = installation.push({path: str(text) for path, text in from_before.items()}, "Mend the update")
    assert installation.wait_for_build(mended).result in ("success", "warning")
    assert installation.settled() == []


def test_a_migration_that_takes_three_minutes_is_put_off_with_the_numbers(installation: Installation) -> None:
    before, versions = installation.answer(f"/{STATIC_FILE}"), installation.versions()
    with installation.load(PATHS) as load:
        load.wait_for(20)
        build = installation.wait_for_build(take_three_minutes(installation))
    assert build.error_title == "The update takes longer than visitors may be kept waiting", build
    told = rehearsal(installation, build.id)
    assert float(str(told["update_seconds"])) > 180
    assert installation.answer(f"/{STATIC_FILE}") == before
    assert installation.versions() == versions
    assert load.figures().failed == 0, load.figures()
    assert installation.wait_for_build(mend_migration(installation)).result in ("success", "warning")
    assert installation.settled() == []


def test_an_update_that_fails_live_leaves_every_acknowledged_write(installation: Installation) -> None:
    session = installation.sign_in()
    writers = [Writer(session) for _ in range(2)]
    with installation.load(PATHS, clients=2, users=[Reader(session), *writers]) as load:
        load.wait_for(20)
        build = installation.wait_for_build(fail_live(installation))
        load.wait_for(20)
    writes = installation.writes(writers)
    assert (build.result, build.error_title) == ("failure", "The modules could not be updated"), build
    assert load.figures().failed == 0, load.figures()
    assert (writes.lost, writes.doubled) == (0, 0)
    assert installation.wait_for_build(mend_migration(installation)).result in ("success", "warning")
    assert installation.settled() == []


UNTIL_SWITCH = ("check_beforehand", *STEPS[: STEPS.index("switch_over")])
LONG = ("build_image", "rehearse", "update_production")


@pytest.mark.parametrize(
    ("step", "moment"), [*((step, Moment.ENDS) for step in UNTIL_SWITCH), *((step, Moment.MIDDLE) for step in LONG)]
)
def test_an_update_can_be_cancelled_in_every_part(installation: Installation, step: str, moment: Moment) -> None:
    versions, before = installation.versions(), installation.answer(f"/{STATIC_FILE}")
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, moment) as held:
            sha = raise_version(installation)
            held.wait()
            cancel_while(held, installation, sha)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result == "cancelled", build
    assert installation.versions() == versions
    assert installation.answer(f"/{STATIC_FILE}") == before
    assert load.figures().failed == 0, load.figures()
    assert installation.settled() == []


@pytest.mark.parametrize("step", ["drain", "report"])
def test_after_the_switch_a_wish_to_cancel_changes_nothing(installation: Installation, step: str) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.BEGINS) as held:
            sha = raise_version(installation)
            held.wait()
            cancel_while(held, installation, sha)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result in ("success", "warning"), build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert load.figures().failed == 0, load.figures()
    assert installation.settled() == []


def test_the_router_is_killed_while_visitors_wait(installation: Installation) -> None:
    """Who waited then has lost his connection; from then on the new router holds, and no page is seen."""
    with hold(installation, "update_production", Moment.ENDS) as held:
        sha = raise_version(installation)
        held.wait()
        os.kill(int((installation.home / "run/router.pid").read_text()), signal.SIGKILL)
        assert (installation.home / "haproxy/hold.map").read_text().strip().endswith(" 1")
    build = installation.wait_for_build(sha)
    assert build.result in ("success", "warning"), build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert (installation.home / "haproxy/hold.map").read_text() == ""
    assert installation.settled() == []


def test_the_router_is_reloaded_while_visitors_wait(installation: Installation) -> None:
    """Berth's own reload is put off; somebody else's hands those who wait to the new process."""
    pid_file = installation.home / "run/router.pid"
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, "update_production", Moment.ENDS) as held:
            sha = raise_version(installation)
            held.wait()
            with pytest.raises(RouterBusy, match="not reloaded"):
                router.of(installation.home).reload()
            os.kill(int(pid_file.read_text()), signal.SIGUSR2)
            held.let_go()
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    router.of(installation.home).reload()
    assert build.result in ("success", "warning"), build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert load.figures().failed == 0, load.figures()
    assert installation.settled() == []
