"""The request log on the real path: a deploy under users who write, and an agent that is killed."""

import time

import pytest

from tests.faults.changes import PATHS, change_static_file
from tests.installation import Installation
from tests.portal import Portal
from tests.users import Reader, Websockets, Writer

pytestmark = pytest.mark.faults

COUNTED_S = 240  # the minute after, the agent's and the rounds' pace, and a busy machine


def counted(installation: Installation) -> int:
    """Requests that the portal knows of."""
    (row,) = installation.query("SELECT coalesce(sum(requests), 0) AS counted FROM hosting_trafficsecond")
    return int(row["counted"])


def users_saw(installation: Installation, build: int) -> dict[str, object]:
    """Once it is final. Raises TimeoutError."""
    deadline = time.monotonic() + COUNTED_S
    while time.monotonic() < deadline:
        (row,) = installation.query("SELECT users_saw FROM builds_build WHERE id = %s", build)
        if row["users_saw"].get("final"):
            return dict(row["users_saw"])
        time.sleep(1)
    raise TimeoutError(f"what users saw of build {build} is not told after {COUNTED_S} s")


def test_a_deploy_is_told_as_its_users_saw_it(installation: Installation) -> None:
    session, url = installation.sign_in(), installation.demo()["production_url"]
    writers = [Writer(session), Writer(session)]
    with Websockets(url, 5, cookie=session.cookie) as websockets:
        with installation.load(PATHS, clients=2, users=[Reader(session), *writers]) as load:
            websockets.wait()
            load.wait_for(20)
            build = installation.wait_for_build(change_static_file(installation))
            load.wait_for(40)
            websockets.wait()
        saw = users_saw(installation, build.id)
    writes, figures = installation.writes(writers), load.figures()
    assert build.result == "success", build
    assert (figures.failed, writes.lost, writes.doubled) == (0, 0, 0), (figures, writes)
    assert writes.acknowledged > 0
    assert len(websockets.backs_ms) >= 5, "the old pool's websockets were not closed"
    assert (saw["failed"], saw["held"]) == (0, 0)
    assert 40 <= int(str(saw["requests"])) <= figures.requests
    with Portal(installation) as portal:
        assert f"{saw['requests']:,} requests, none failed" in portal.build_page(build)


def test_an_agent_that_was_killed_listens_again_and_says_when_it_did_not(installation: Installation) -> None:
    with installation.load(PATHS) as load:
        load.wait_for(20)
        (before,) = installation.query("SELECT max(id) AS watch FROM hosting_trafficwatch")
        installation.kill("agent")
        deadline = time.monotonic() + 120
        while installation.query("SELECT max(id) AS watch FROM hosting_trafficwatch") == [before]:
            assert time.monotonic() < deadline, "nobody listens again"
            time.sleep(0.2)
        counted_then = counted(installation)
        load.wait_for(60)
        while counted(installation) < counted_then + 20:
            assert time.monotonic() < deadline + 120, "what is asked now is not counted"
            time.sleep(0.2)
    (gap,) = installation.query(
        "SELECT later.since > earlier.until AS is_told FROM hosting_trafficwatch earlier, hosting_trafficwatch later "
        "WHERE earlier.id = %s AND later.id = (SELECT max(id) FROM hosting_trafficwatch)",
        before["watch"],
    )
    assert gap["is_told"]
    assert load.figures().failed == 0, load.figures()
