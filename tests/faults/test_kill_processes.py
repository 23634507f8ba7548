"""kill -9 of each process that Berth is made of or stands on, at each step of a production deploy that updates modules.

Whatever dies: the deploy ends, nothing is left over, and no write that a user was told of is lost. Of Berth's own
processes, the engine and the portal's database visitors notice nothing at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from tests.faults.changes import PATHS, change_static_file, raise_version
from tests.faults.killing import OWN, WEB, kill_engine, kill_postgresql, kill_router
from tests.faults.test_kill_workers import STEPS
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.users import Reader, Writer

pytestmark = pytest.mark.faults

LONG = ("build_image", "rehearse", "start_pool", "update_production", "prove_ready")  # long enough to have a middle


@dataclass(frozen=True)
class Victim:
    """What is killed. Without it visitors may be unable to be served, and a deploy unable to go on."""

    kill: Callable[[Installation], object]
    noticed: bool = False  # by visitors
    needed: bool = False  # by the deploy, which may fail


def programs(*names: str) -> Victim:
    """Of Berth itself, with their children."""
    return Victim(lambda installation: [installation.kill(name) for name in names])


VICTIMS = {
    "worker-urgent": programs("worker-urgent"),
    "worker": programs("worker"),
    "web": programs(*WEB),
    "agent": programs("agent"),
    "all of Berth": programs(*OWN),
    "router": Victim(kill_router, noticed=True, needed=True),
    "portal's PostgreSQL": Victim(partial(kill_postgresql, cluster="portal")),
    "hosted PostgreSQL": Victim(partial(kill_postgresql, cluster="hosted"), noticed=True, needed=True),
    "engine": Victim(kill_engine, needed=True),
}
ENGINE = [
    pytest.mark.restarts_engine,
    # docker-py leaves its socket to the garbage collector where nobody answers it.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
MARKED = [pytest.param(name, marks=ENGINE if name == "engine" else []) for name in VICTIMS]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", MARKED)
def test_a_killed_process_does_no_harm(installation: Installation, name: str, step: str) -> None:
    victim, before = VICTIMS[name], installation.answer(f"/{STATIC_FILE}").commit
    session = installation.sign_in()
    writers = [Writer(session)]
    with installation.load(PATHS, clients=2, users=[Reader(session), *writers]) as load:
        load.wait_for(20)
        with hold(installation, step, Moment.MIDDLE if step in LONG else Moment.BEGINS) as held:
            sha = raise_version(installation)
            held.wait()
            held.let_go()
        victim.kill(installation)
        build = installation.wait_for_build(sha)
        load.wait_for(20)
    assert build.state == "done"
    assert installation.settled() == []
    writes = installation.writes(writers)
    assert (writes.lost, writes.doubled) == (0, 0), writes
    deployed = build.result in ("success", "warning")
    assert installation.answer(f"/{STATIC_FILE}").commit == (sha if deployed else before), build
    assert victim.needed or deployed, build
    assert victim.noticed or load.figures().failed == 0, load.figures()


@pytest.mark.parametrize("name", MARKED)
def test_what_was_killed_comes_back_and_the_next_push_works(installation: Installation, name: str) -> None:
    VICTIMS[name].kill(installation)
    sha = change_static_file(installation)
    build = installation.wait_for_build(sha)
    with Portal(installation) as portal:
        assert build.commit[:7] in portal.build_page(build)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert installation.settled() == []
    assert [program for program in OWN if not installation.pid(program)] == []
