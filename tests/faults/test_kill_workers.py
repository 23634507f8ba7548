"""kill -9 of the process that tells a production deploy, at every step, as it begins, in its middle and as it ends.

One deploy is killed at all of its steps, one after the other. Nobody may notice: the build ends, nothing is left over,
and the address answers all the time.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.changes import CHANGES, PATHS, fail_live, kill_teller, mend_migration
from tests.holding import Moment, hold, into_it
from tests.installation import STATIC_FILE, Installation

pytestmark = pytest.mark.faults

STEPS = (
    "fetch",
    "look_inside",
    "build_image",
    "rehearse",
    "back_up",
    "prepare_production",
    "start_pool",
    "update_production",
    "prove_ready",
    "switch_over",
    "drain",
    "report",
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("moment", [Moment.BEGINS, Moment.MIDDLE, Moment.ENDS])
def test_a_worker_killed_at_every_step_is_not_noticed(installation: Installation, moment: Moment, change: str) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, STEPS[0], Moment.ENDS if moment == Moment.ENDS else Moment.BEGINS) as held:
            sha = CHANGES[change](installation)
            for following in (*STEPS[1:], ""):
                held.wait()
                if moment == Moment.MIDDLE:
                    held.go_on(following)
                    into_it()
                kill_teller(installation, installation.builds(sha)[0])
                held.forget()
                held.at(following)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result == "success", build
    answer = installation.answer(f"/{STATIC_FILE}")
    assert (answer.commit, answer.text) == (sha, installation.read(STATIC_FILE))
    assert installation.settled() == []
    assert load.figures().failed == 0, load.figures()


@pytest.mark.parametrize("killed", [False, True])
def test_an_update_that_fails_only_live_is_taken_back_whoever_is_killed_meanwhile(
    installation: Installation, killed: bool
) -> None:
    versions, before = installation.versions(), installation.answer(f"/{STATIC_FILE}")
    with installation.load(PATHS) as load:
        load.wait_for(20)
        if killed:
            with hold(installation, "update_production", Moment.UNDONE) as held:
                sha = fail_live(installation)
                held.wait()
                kill_teller(installation, installation.builds(sha)[0])
        else:
            sha = fail_live(installation)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert (build.result, build.error_title) == ("failure", "The modules could not be updated"), build
    assert installation.answer(f"/{STATIC_FILE}") == before
    assert installation.versions() == versions
    assert load.figures().failed == 0, load.figures()
    assert installation.wait_for_build(mend_migration(installation)).result == "success"
    assert installation.settled() == []


@pytest.mark.parametrize(("change", "step"), [("plain", "build_image"), ("update", "update_production")])
def test_a_worker_that_slept_through_its_lease_does_no_harm(installation: Installation, change: str, step: str) -> None:
    """Stopped, it loses its story to another; awake again, it must not go on with it."""
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.MIDDLE) as held:
            sha = CHANGES[change](installation)
            held.wait()
        story = installation.builds(sha)[0].story
        asleep = installation.teller(story)
        os.kill(asleep, signal.SIGSTOP)
        try:
            wait_until(lambda: installation.teller(story) != asleep)
        finally:
            os.kill(asleep, signal.SIGCONT)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result == "success", build
    answer = installation.answer(f"/{STATIC_FILE}")
    assert (answer.commit, answer.text) == (sha, installation.read(STATIC_FILE))
    assert installation.settled() == []
    assert load.figures().failed == 0, load.figures()


def wait_until(happened: Callable[[], bool], timeout: float = 300) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {timeout:.0f} s")
        time.sleep(0.5)
