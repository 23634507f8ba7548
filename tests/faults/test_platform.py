"""A new version of Berth, a router that dies, a restart of the databases' PostgreSQL: visitors notice nothing."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
import requests

from deploy.processes import CHECKOUT, PYTHON
from tests.faults.changes import PATHS, change_static_file
from tests.faults.killing import kill_router, routers
from tests.holding import Moment, hold
from tests.hook import Hook
from tests.installation import STATIC_FILE, Installation
from tests.load import Load
from tests.users import Reader, Writer

pytestmark = pytest.mark.faults

PORTAL_PATHS = ("/sign-in/", "/healthz")
BACK_S = 60.0  # generous: the machine may be shared
FORGOTTEN_S = 240.0


class Deliveries:
    """Signed deliveries, one after the other; a context manager that counts what they were answered."""

    def __init__(self, installation: Installation) -> None:
        self._hook, self.answers = Hook(installation), Counter[str]()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Deliveries":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(90)

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers[str(self._hook.send(b'{"zen": "Keep going"}', event="ping").status)] += 1
            except requests.RequestException as error:
                self.answers[type(error).__name__] += 1
            self._stopped.wait(0.1)


def other_settings(installation: Installation) -> None:
    """bin/up with a setting that is another one: all processes have to be replaced, as after a pull."""
    seconds = int(installation.values.get("BERTH_BUILD_SECONDS", 1800))
    installation.up(BERTH_BUILD_SECONDS=str(seconds + 1))
    del installation.__dict__["values"]


def test_a_new_version_is_noticed_neither_at_the_portal_nor_at_a_database(installation: Installation) -> None:
    before = {name: installation.pid(name) for name in ("web-1", "web-2", "worker", "agent")}
    portal = installation.demo()["portal_url"]
    with (
        Load(portal, PORTAL_PATHS, clients=4, pause=0.05) as pages,
        installation.load(PATHS) as load,
        Deliveries(installation) as deliveries,
    ):
        pages.wait_for(40)
        load.wait_for(20)
        other_settings(installation)
        pages.wait_for(40)
        load.wait_for(20)
    after = {name: installation.pid(name) for name in before}
    assert [name for name in before if after[name] in (0, before[name])] == []
    assert pages.figures().failed == 0, pages.figures()
    assert load.figures().failed == 0, load.figures()
    assert set(deliveries.answers) == {"202"}, deliveries.answers
    sha = change_static_file(installation)
    assert installation.wait_for_build(sha).result == "success"


def seconds_until_answered(installation: Installation) -> float:
    began = time.monotonic()
    while time.monotonic() - began < BACK_S:
        with contextlib.suppress(OSError):
            if installation.answer(f"/{STATIC_FILE}").status == 200:
                return time.monotonic() - began
        time.sleep(0.05)
    raise TimeoutError(f"no answer within {BACK_S:.0f} s")


@pytest.mark.parametrize("which", ["all", "master", "worker"])
def test_a_killed_router_comes_back_with_what_it_knew(installation: Installation, which: str) -> None:
    sha = change_static_file(installation)
    assert installation.wait_for_build(sha).result == "success"
    processes = sorted(routers(installation))
    for pid in {"all": processes, "master": processes[:1], "worker": processes[-1:]}[which]:
        os.kill(pid, signal.SIGKILL)
    wait_until_gone(processes[-1])
    back = seconds_until_answered(installation)
    print(f"the router answered {back:.1f} s after its {which} was killed")
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert requests.get(f"{installation.demo()['portal_url']}/healthz", timeout=30).status_code == 200
    assert installation.settled() == []


def test_a_router_that_dies_during_the_switch_comes_back_with_it(installation: Installation) -> None:
    with hold(installation, "switch_over", Moment.ENDS) as held:
        sha = change_static_file(installation)
        held.wait()
        kill_router(installation)
    build = installation.wait_for_build(sha)
    seconds_until_answered(installation)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}").commit == sha
    assert installation.settled() == []


def wait_until_gone(pid: int, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)


@contextlib.contextmanager
def restarting(installation: Installation) -> Iterator["subprocess.Popen[str]"]:
    """`bin/berth restart-postgres`, without its first part: what runs tests has the virtual environment already."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DJANGO_"))}
    command = [str(PYTHON), "-m", "deploy.operate", "restart-postgres"]
    environment = kept | {"BERTH_HOME": str(installation.home)}
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process


def started(installation: Installation) -> str:
    """When PostgreSQL began, as its file has it: pid and time."""
    return "".join((installation.home / "pg/hosted/postmaster.pid").read_text().splitlines(keepends=True)[:3])


def test_postgresql_restarts_and_nobody_is_signed_out(installation: Installation) -> None:
    before = started(installation)
    sessions = [installation.sign_in() for _ in range(3)]
    writers = [Writer(session) for session in sessions[1:]]
    with installation.load(PATHS, clients=2, users=[Reader(sessions[0]), *writers]) as load:
        load.wait_for(40)
        with restarting(installation) as process:
            said = str(process.communicate(timeout=300)[0])
        load.wait_for(40)
    assert process.returncode == 0, said
    assert started(installation) != before
    assert load.figures().failed == 0, load.figures()
    writes = installation.writes(writers)
    assert writes.acknowledged > 0
    assert (writes.lost, writes.doubled) == (0, 0)
    print(said, load.figures())


def test_who_restarts_postgresql_and_is_killed_leaves_nobody_waiting(installation: Installation) -> None:
    with restarting(installation) as process:
        assert process.stdout
        for line in process.stdout:
            if "requests wait" in line:
                break
        process.kill()
    doors = set()
    deadline = time.monotonic() + FORGOTTEN_S
    for _ in count():
        doors = {row["door"] for row in installation.query("SELECT door FROM hosting_instance WHERE state = 'ready'")}
        if "held" not in doors or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert "held" not in doors
    assert seconds_until_answered(installation) < BACK_S
    assert installation.settled() == []
