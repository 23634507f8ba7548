"""Branches that change their stage on the real path, with who does it killed at each step: production loses no row."""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.clone import Clone
from tests.faults.changes import change_static_file
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults
PATIENCE_S = 300.0
STEPS = ("back_up_last", "stop_serving", "put_aside", "clear_away")


def move(installation: Installation, name: str, stage: str, **form: str) -> None:
    """As a person does it: look at what it does, then confirm."""
    with Portal(installation) as portal:
        path = f"/{installation.demo()['project']}/branches/{installation.branch(name=name)['id']}/move/"
        assert "What it does" in portal.page(f"{path}?stage={stage}")
        portal.post(path, stage=stage, **form)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {PATIENCE_S:.0f} s")
        time.sleep(0.1)


def built(installation: Installation, commit: str, stage: str) -> BuildRow:
    """The newest build of a commit, once it is one of that stage and has ended."""
    return installation.wait_for(commit, lambda build: build.stage == stage and build.state == "done")


def newest_retirement(installation: Installation) -> dict[str, Any]:
    (row,) = installation.query(
        "SELECT r.*, s.state, s.result, i.hostname AS now_at FROM builds_retired r JOIN portal_story s"
        " ON s.id = r.story_id JOIN hosting_instance i ON i.id = r.instance_id ORDER BY r.id DESC LIMIT 1"
    )
    return row


def retired(installation: Installation) -> dict[str, Any]:
    """The newest retirement, once its story has ended."""
    until(lambda: newest_retirement(installation)["state"] == "done")
    return newest_retirement(installation)


def marks(installation: Installation, instance: int) -> list[str]:
    """What the test wrote into a database, wherever that is attached."""
    name = f"b{installation.values['BERTH_INSTALLATION']}_i{instance}"
    with psycopg.connect(installation.values["BERTH_HOSTED_URL"], dbname=name) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM ir_config_parameter WHERE key = 'mark'")]


@pytest.fixture
def mark(installation: Installation) -> Iterator[str]:
    """A row of production's. Afterwards production is on `main` again, with that row."""
    assert installation.wait_for_build(change_static_file(installation)).result == "success"
    mark = secrets.token_hex(8)
    installation.in_production("DELETE FROM ir_config_parameter WHERE key = 'mark'")
    installation.in_production("INSERT INTO ir_config_parameter (key, value) VALUES ('mark', %s)", mark)
    yield mark
    assert installation.branch(name="main")["stage"] == "production"
    assert [row["value"] for row in installation.in_production(
        "SELECT value FROM ir_config_parameter WHERE key = 'mark'"
    )] == [mark]  # fmt: skip
    assert installation.settled() == []


def attach(installation: Installation, row: dict[str, Any]) -> BuildRow:
    """Bring a retired database back, on the branch that it was on."""
    move(installation, "main", "production", attach=str(row["id"]))
    return built(installation, installation.branch(name="main")["head"], "production")


@pytest.mark.parametrize("step", STEPS)
def test_production_is_retired_though_who_does_it_is_killed(installation: Installation, mark: str, step: str) -> None:
    head = installation.branch(name="main")["head"]
    with hold(installation, step, Moment.ENDS) as held:
        move(installation, "main", "development", typed="main")
        held.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(installation.teller(newest_retirement(installation)["story_id"]), signal.SIGKILL)
        held.drop()
    row = retired(installation)
    development = built(installation, head, "development")
    status = installation.answer("/web/login").status
    left = installation.settled()
    kept = marks(installation, row["instance_id"])
    again = attach(installation, row)
    answer = installation.answer("/web/login")
    assert row["result"] == "success", row
    assert development.result == "success", development
    assert (status, left, kept) == (404, [], [mark])
    assert again.result == "success", again
    assert again.instance == row["instance_id"]
    assert (answer.status, answer.commit) == (200, head)


def test_one_that_is_cancelled_serves_on(installation: Installation, mark: str) -> None:
    head = installation.branch(name="main")["head"]
    with hold(installation, "stop_serving", Moment.MIDDLE) as held:
        move(installation, "main", "development", typed="main")
        held.wait()
        story = newest_retirement(installation)["story_id"]
        installation.query("UPDATE portal_story SET cancel_requested = true WHERE id = %s", story)
        row = retired(installation)
    answer = installation.answer("/web/login")
    assert (row["result"], row["at"]) == ("cancelled", None)
    assert (answer.status, answer.commit) == (200, head)


def test_another_branch_becomes_production_with_nothing_of_the_old_one(
    installation: Installation, mark: str, clone: Clone
) -> None:
    sha = clone.push({STATIC_FILE: "other\n"}, "Other", "other")
    assert installation.wait_for_build(sha).result == "success"
    move(installation, "main", "development", typed="main")
    row = retired(installation)
    move(installation, "other", "production")
    other = built(installation, sha, "production")
    answer = installation.answer(f"/{STATIC_FILE}")
    move(installation, "other", "development", typed="other")
    second = retired(installation)
    again = attach(installation, row)
    assert other.result == "success", other
    assert other.instance != row["instance_id"]
    assert marks(installation, second["instance_id"]) == []
    assert (answer.commit, answer.text) == (sha, "other\n")
    assert again.result == "success", again
    built(installation, sha, "development")


# --- copies of production ---------------------------------------------------------------------------------------------
@pytest.fixture
def clone(installation: Installation) -> Iterator[Clone]:
    """A clone whose branches, but `main`, are deleted afterwards."""
    clone = installation.clone()
    yield clone
    clone.fetch()
    clone.delete(*(name for name in clone.branches() if name != "main"))
    assert installation.settled() == []


def test_a_copy_stays_when_its_branch_goes_back_to_development(
    installation: Installation, mark: str, clone: Clone
) -> None:
    first = clone.push({STATIC_FILE: "first\n"}, "First", "moved")
    assert installation.wait_for_build(first).result == "success"
    move(installation, "moved", "staging")
    staging = built(installation, first, "staging")
    assert staging.result == "success", staging
    move(installation, "moved", "development")
    kept = installation.branch(name="moved")
    second = clone.push({STATIC_FILE: "second\n"}, "Second", "moved")
    until(lambda: installation.branch(name="moved")["head"] == second)
    assert (kept["instance_id"], kept["on_push"]) == (staging.instance, "nothing")
    assert installation.answer(f"/{STATIC_FILE}", staging).text == "first\n"
    assert installation.builds(second) == []
    with Portal(installation) as portal:
        path = f"/{installation.demo()['project']}/branches/{kept['id']}/"
        assert "isn't built: new commits do nothing on this branch" in portal.page(path)
        portal.post(f"{path}build/")
    assert built(installation, second, "development").result == "success"
