"""Rollbacks on the real path, under load: there and forward again, next to a deploy, and with their worker killed."""

import time

import pytest

from tests.faults.changes import PATHS, change_static_file
from tests.holding import Moment, hold
from tests.installation import Installation
from tests.load import Load
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults
PATIENCE_S = 120.0


def deployed(installation: Installation) -> BuildRow:
    build = installation.wait_for_build(change_static_file(installation))
    assert build.result == "success", build
    return build


def ask(installation: Installation, build: BuildRow) -> int:
    """Click on "Roll back". Returns the rollback's story."""
    with Portal(installation) as portal:
        path = f"/{installation.demo()['project']}/builds/{build.number}/roll-back/"
        portal.page(path)
        portal.post(path)
    (row,) = installation.query("SELECT story_id FROM builds_rollback WHERE build_id = %s ORDER BY id DESC", build.id)[
        :1
    ]
    return int(row["story_id"])


def end(installation: Installation, story: int) -> str:
    """The result of a rollback, once it has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        (row,) = installation.query("SELECT state, result FROM portal_story WHERE id = %s", story)
        if row["state"] == "done":
            return str(row["result"])
        time.sleep(0.2)
    raise TimeoutError(f"The rollback did not end within {PATIENCE_S:.0f} s")


def commit(installation: Installation) -> str:
    return installation.answer("/web/login").commit


def all_well(installation: Installation, load: Load) -> None:
    assert load.figures().failed == 0, load.figures()
    assert installation.settled() == []


def test_a_rollback_of_a_rollback_goes_forward_again(installation: Installation) -> None:
    old, new = deployed(installation), deployed(installation)
    seen = []
    with installation.load(PATHS) as load:
        load.wait_for(20)
        for build in (old, new, old, new):
            assert end(installation, ask(installation, build)) == "success"
            seen.append(commit(installation))
        load.wait_for(20)
    assert seen == [old.commit, new.commit, old.commit, new.commit]
    all_well(installation, load)


def test_two_pushes_within_a_second_leave_the_one_that_served_before_kept(installation: Installation) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        first, second = change_static_file(installation), change_static_file(installation)
        newest = installation.wait_for_build(second)
        load.wait_for(20)
    assert newest.result == "success", newest
    assert installation.wait_for_build(first).state == "done"
    assert commit(installation) == second
    all_well(installation, load)


def test_a_rollback_does_not_wait_for_a_deploy_which_takes_its_place_later(installation: Installation) -> None:
    old, _new = deployed(installation), deployed(installation)
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, "build_image", Moment.BEGINS) as held:
            sha = change_static_file(installation)
            held.wait()
            assert end(installation, ask(installation, old)) == "success"
            between = commit(installation)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert between == old.commit
    assert build.result == "success", build
    assert commit(installation) == sha
    all_well(installation, load)


@pytest.mark.parametrize("step", ["look", "switch_back", "settle"])
@pytest.mark.parametrize("moment", [Moment.BEGINS, Moment.ENDS])
def test_a_killed_worker_is_not_noticed(installation: Installation, moment: Moment, step: str) -> None:
    old, _new = deployed(installation), deployed(installation)
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, moment) as held:
            story = ask(installation, old)
            held.wait()
            installation.kill("worker-urgent")
        assert end(installation, story) == "success"
        load.wait_for(20)
    assert commit(installation) == old.commit
    all_well(installation, load)
