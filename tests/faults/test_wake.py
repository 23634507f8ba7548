"""Waking under bad luck: 200 requests at once, and the death of who wakes it."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.wake import built, put_to_sleep, stories, timed
from tests.holding import Moment, hold
from tests.installation import Installation
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

WAKING = "SELECT id FROM portal_story WHERE kind = 'wake' AND object_id = %s ORDER BY id DESC LIMIT 1"


@pytest.fixture(scope="module")
def build(installation: Installation) -> BuildRow:
    return built(installation)


def test_200_requests_at_once_are_one_wake_up_and_none_is_lost(installation: Installation, build: BuildRow) -> None:
    put_to_sleep(installation, build)
    with ThreadPoolExecutor(200) as clients:
        asked = [clients.submit(timed, installation, build) for _ in range(200)]
        assert [request.result()[1] for request in asked] == [200] * 200
    assert stories(installation, build) == 1
    assert installation.settled() == []


@pytest.mark.parametrize("step", ["start_pool", "wait_for_answer", "open_door"])
@pytest.mark.parametrize("moment", [Moment.BEGINS, Moment.ENDS])
def test_the_death_of_who_wakes_it_loses_no_request(
    installation: Installation, build: BuildRow, moment: Moment, step: str
) -> None:
    """The next worker goes on when the lease has ended, while the request waits."""
    put_to_sleep(installation, build)
    with hold(installation, step, moment) as held, ThreadPoolExecutor(1) as client:
        asked = client.submit(timed, installation, build)
        held.wait()
        (row,) = installation.query(
            "SELECT id FROM portal_story WHERE kind = 'wake' AND object_id = %s ORDER BY id DESC LIMIT 1",
            build.instance,
        )
        os.kill(installation.teller(row["id"]), signal.SIGKILL)
        held.drop()
        assert asked.result()[1] == 200
    assert installation.settled() == []
