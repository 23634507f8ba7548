"""kill -9 of each process that Berth is made of or stands on, at each step of a production deploy that updates modules.

Whatever dies: the deploy ends, nothing is left over, and no write that a user was told of is lost. Of Berth's own
processes, the engine and the portal's database visitors notice nothing at all. Berth's own are killed at several steps
of one deploy, one after the other; without the others it may fail, so there is a deploy for each step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from deploy.daemons import wait_until
from tests.faults.changes import PATHS, change_static_file, raise_version
from tests.faults.killing import OWN, WEB, kill_engine, kill_postgresql, kill_router
from tests.faults.test_kill_workers import STEPS
from tests.holding import Held, Moment, hold, into_it
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.users import Reader, Writer

pytestmark = pytest.mark.faults

BACK_S = 60.0
LONG = ("build_image", "rehearse", "start_pool", "update_production", "prove_ready")  # long enough to have a middle


HOLD = STEPS.index("update_production")
# Visitors are held from the update to the switch, and wait 30 s at most: nothing is killed twice in that time.
TOURS = (STEPS[: HOLD + 1], STEPS[HOLD + 1 : HOLD + 2], STEPS[HOLD + 2 :])


@dataclass(frozen=True)
class Victim:
    """What is killed. Without it visitors may be unable to be served, and a deploy unable to go on."""

    kill: Callable[[Installation], object]
    noticed: bool = False  # by visitors
    needed: bool = False  # by the deploy, which may fail
    tells: bool = False  # the deploy


def programs(*names: str) -> Victim:
    """Of Berth itself, with their children. Those that were killed just before have come back first."""

    def kill(installation: Installation) -> None:
        for name in names:
            assert wait_until(partial(runs, installation, name), BACK_S), f"{name} does not run"
        for name in names:
            installation.kill(name)

    return Victim(kill, tells="worker" in names)


def runs(installation: Installation, name: str) -> bool:
    return "RUNNING" in installation.control("status", name)


BERTHS_OWN = {
    "worker-urgent": programs("worker-urgent"),
    "worker": programs("worker"),
    "web": programs(*WEB),
    "agent": programs("agent"),
    "all of Berth": programs(*OWN),
}
OTHERS = {
    "router": Victim(kill_router, noticed=True, needed=True),
    "portal's PostgreSQL": Victim(partial(kill_postgresql, cluster="portal")),
    "hosted PostgreSQL": Victim(partial(kill_postgresql, cluster="hosted"), noticed=True, needed=True),
    "engine": Victim(kill_engine, needed=True),
}
ENGINE = [
    pytest.mark.restarts_engine,
    # Of docker-py's socket: see kill_engine.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
MARKED = [pytest.param(name, marks=ENGINE if name == "engine" else []) for name in OTHERS]


@pytest.mark.parametrize("steps", TOURS, ids=lambda steps: f"{steps[0]}-{steps[-1]}")
@pytest.mark.parametrize("name", BERTHS_OWN)
def test_one_of_berths_own_that_is_killed_at_every_step_does_no_harm(
    installation: Installation, name: str, steps: tuple[str, ...]
) -> None:
    def deploy() -> str:
        with hold(installation, steps[0], Moment.BEGINS) as held:
            sha = raise_version(installation)
            for step, following in zip(steps, (*steps[1:], ""), strict=True):
                held.wait()
                strike(installation, BERTHS_OWN[name], held, step, following)
        return sha

    check(installation, BERTHS_OWN[name], deploy)


def strike(installation: Installation, victim: Victim, held: Held, step: str, following: str) -> None:
    """Kill it as the step begins, or in its middle where it has one. Then it is held where `following` begins."""
    if step in LONG:
        held.go_on(following)
        into_it()
    victim.kill(installation)
    if victim.tells:
        held.forget()
        held.at(following)
    elif step not in LONG:
        held.go_on(following)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", MARKED)
def test_what_berth_stands_on_does_no_lasting_harm_when_killed(
    installation: Installation, name: str, step: str
) -> None:
    def deploy() -> str:
        with hold(installation, step, Moment.MIDDLE if step in LONG else Moment.BEGINS) as held:
            sha = raise_version(installation)
            held.wait()
            held.let_go()
        OTHERS[name].kill(installation)
        return sha

    check(installation, OTHERS[name], deploy)


def check(installation: Installation, victim: Victim, deploy: Callable[[], str]) -> None:
    """A deploy in which the victim is killed: it ends, and what is there afterwards is as it says."""
    before, session = installation.answer(f"/{STATIC_FILE}").commit, installation.sign_in()
    writers = [Writer(session)]
    with installation.load(PATHS, clients=2, users=[Reader(session), *writers]) as load:
        load.wait_for(20)
        sha = deploy()
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


@pytest.mark.parametrize("name", [*BERTHS_OWN, *MARKED])
def test_what_was_killed_comes_back_and_the_next_push_works(installation: Installation, name: str) -> None:
    (BERTHS_OWN | OTHERS)[name].kill(installation)
    sha = change_static_file(installation)
    build = installation.wait_for_build(sha)
    with Portal(installation) as portal:
        assert build.commit[:7] in portal.build_page(build)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert installation.settled() == []
    assert [program for program in OWN if not installation.pid(program)] == []
