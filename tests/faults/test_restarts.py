"""What Berth stands on restarts amid a deploy, or its processes are told to stop. Killed: test_kill_processes.py."""

import time

import pytest

from tests.faults.changes import CHANGES, PATHS, change_static_file
from tests.faults.clusters import restart
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation

pytestmark = pytest.mark.faults


def is_served(installation: Installation, sha: str) -> bool:
    """Whether production answers with the commit and its file."""
    answer = installation.answer(f"/{STATIC_FILE}")
    return (answer.status, answer.commit, answer.text) == (200, sha, installation.read(STATIC_FILE))


@pytest.mark.parametrize("step", ["build_image", "prepare_production", "prove_ready", "drain"])
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_portals_database_restarts_and_nobody_notices(installation: Installation, how: str, step: str) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.MIDDLE) as held:
            sha = change_static_file(installation)
            held.wait()
        restart(installation, "portal", how)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.result == "success", build
    assert is_served(installation, sha)
    assert installation.settled() == []
    assert load.figures().failed == 0, load.figures()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_hosted_databases_restart_in_the_middle(installation: Installation, how: str, change: str) -> None:
    """Requests fail while there is no database; what must not suffer is what comes after."""
    before = installation.answer(f"/{STATIC_FILE}")
    step = "update_production" if change == "update" else "prepare_production"
    with hold(installation, step, Moment.MIDDLE) as held:
        sha = CHANGES[change](installation)
        held.wait()
    restart(installation, "hosted", how)
    build = installation.wait_for_build(sha)
    answer = installation.answer(f"/{STATIC_FILE}")
    after = change_static_file(installation)
    assert answer.status == 200
    assert answer.commit == (sha if build.result == "success" else before.commit)
    assert installation.wait_for_build(after).result == "success"
    assert is_served(installation, after)
    assert installation.settled() == []


def test_the_lab_restarts_while_a_development_database_is_made(installation: Installation) -> None:
    with hold(installation, "prepare_development", Moment.MIDDLE) as held:
        sha = installation.push({STATIC_FILE: "lab\n"}, "In the lab", "lab")
        held.wait()
    restart(installation, "lab", "immediate")
    build = installation.wait_for_build(sha)
    again = installation.push({STATIC_FILE: "lab again\n"}, "In the lab again", "lab")
    assert build.state == "done"
    assert installation.wait_for_build(again).result == "success"
    assert installation.settled() == []


def test_a_worker_that_is_told_to_stop_hands_its_story_over(installation: Installation) -> None:
    with hold(installation, "build_image", Moment.MIDDLE) as held:
        sha = change_static_file(installation)
        held.wait()
    installation.control("stop", "worker")
    handed = installation.builds(sha)[0]
    installation.control("start", "worker")
    build = installation.wait_for_build(sha)
    assert handed.steps["build_image"].state == "done"
    assert handed.steps["report"].state == "queued"
    assert build.result == "success", build
    assert {step.attempts for step in build.steps.values()} == {1}
    assert is_served(installation, sha)
    assert installation.settled() == []


def test_a_push_while_all_web_processes_are_down_is_found_later(installation: Installation) -> None:
    """The delivery is lost with them; the polling finds the push."""
    for program in ("web-1", "web-2"):
        installation.control("stop", program)
    try:
        sha = change_static_file(installation)
        time.sleep(5)
    finally:
        for program in ("web-1", "web-2"):
            installation.control("start", program)
    assert installation.wait_for_build(sha).result == "success"
    assert is_served(installation, sha)
