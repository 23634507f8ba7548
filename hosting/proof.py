"""Proof that a pool may get traffic: it runs the expected commit, on the right database, with all modules loaded.

Stock Odoo can't say which commit it runs, so the proof looks from several sides: see `look`.
Nothing is installed in the customer's database for it.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from hosting import logfiles, machines, pools
from hosting.engines import probe
from hosting.engines.docker import EngineError
from hosting.engines.postgres import DatabaseError
from hosting.models import Pool
from hosting.odoo.conf import Purpose
from hosting.odoo.loglines import read_run

BUILD_FILE = "/etc/berth/build.json"
LOGIN = "/web/login"
LIVENESS_S = 0.25  # how often a port that doesn't answer yet is asked
FIRST_PROOF_S, LONGEST_PAUSE_S = 5.0, 15.0
HURRIED_PROOF_S = 0.5
ASSETS = (  # a bundle that Odoo builds, or at least a file that it ships
    re.compile(r"""(?:href|src)=["'](/web/assets/[^"'?]+)"""),
    re.compile(r"""(?:href|src)=["'](/web/static/[^"'?]+)"""),
)


class NotProven(Exception):
    """The pool did not prove within its time. `failures` says what was still missing; traffic was not switched."""

    def __init__(self, failures: Sequence[str], seconds: float) -> None:
        self.failures = list(failures)
        super().__init__(f"Not ready after {seconds:.0f} s: " + "; ".join(failures))


class Died(Exception):
    """The pool's container ended while it was to be proven."""


@dataclass(frozen=True)
class Check:
    """One side of the proof: what it looks at, and what is wrong ("" when it is fine)."""

    name: str
    failure: str


def prove(
    pool: Pool,
    *,
    timeout: float,
    say: Callable[[str], None],
    keep_going: Callable[[], None],
    path: str = LOGIN,
    hurry: bool = False,
) -> None:
    """Wait until every check passes, at most `timeout` seconds. `path` must answer 200 too.

    Ports are polled four times a second; the whole proof is tried when both answer, and then after 5 s, backing off to
    15 s; sooner in a `hurry`, when somebody waits. Raises NotProven, Died.
    """
    started = time.monotonic()
    pause = HURRIED_PROOF_S if hurry else FIRST_PROOF_S
    while True:
        wait_for_ports(pool, timeout=started + timeout - time.monotonic(), keep_going=keep_going)
        checks = look(pool, path)
        failures = [f"{check.name}: {check.failure}" for check in checks if check.failure]
        if not failures:
            say(f"Proven after {time.monotonic() - started:.1f} s: " + ", ".join(check.name for check in checks))
            return
        say("Not yet: " + "; ".join(failures))
        if time.monotonic() - started + pause > timeout:
            raise NotProven(failures, time.monotonic() - started)
        _sleep(pause, keep_going)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def wait_for_ports(pool: Pool, *, timeout: float, keep_going: Callable[[], None]) -> bool:
    """Wait until both ports answer, at most `timeout` seconds; whether they do. Raises Died."""
    host, address = pool.instance.hostname, str(pool.web_address)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        keep_going()
        if probe.status(address, 8069, "/web/health", host) == 200 and (
            probe.status(address, 8072, "/websocket/health", host) == 200
        ):
            return True
        if _died(pool):
            raise Died(f"The container of {pool.name} ended while Odoo was starting.")
        time.sleep(LIVENESS_S)
    return False


def _died(pool: Pool) -> bool:
    state = machines.engine(pool.instance.host).inspect(pool.container("web"))
    return state is None or not state.running or state.restart_count > 0


def _sleep(seconds: float, keep_going: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        keep_going()
        time.sleep(LIVENESS_S)


def look(pool: Pool, path: str = LOGIN) -> list[Check]:
    """All sides of the proof, in order. Slow ones come after those that fail early."""
    page = probe.get(str(pool.web_address), 8069, LOGIN, pool.instance.hostname)
    sides: dict[str, Callable[[], str]] = {
        "container": lambda: _container(pool),
        "commit": lambda: _commit(pool),
        "database": lambda: _connected(pool),
        "modules": lambda: _modules(pool),
        "web port": lambda: _health(pool, 8069, "/web/health"),
        "websocket port": lambda: _health(pool, 8072, "/websocket/health"),
        "login page": lambda: "" if page.status == 200 and "<form" in page.text else f"answered {page.status}",
        "asset": lambda: _asset(pool, page.text),
        "websocket": lambda: _websocket(pool),
    }
    if path != LOGIN:
        sides[path] = lambda: _page(pool, path)
    return [Check(name, _failure(side)) for name, side in sides.items()]


def glance(pool: Pool) -> list[Check]:
    """The quick sides of the proof, of a pool that has proven itself before and ran on since."""
    sides: dict[str, Callable[[], str]] = {
        "container": lambda: _container(pool),
        "web port": lambda: _health(pool, 8069, "/web/health"),
        "websocket port": lambda: _health(pool, 8072, "/websocket/health"),
        "login page": lambda: _health(pool, 8069, "/web/login"),
    }
    with ThreadPoolExecutor(len(sides)) as together:  # somebody waits
        return [Check(*found) for found in zip(sides, together.map(_failure, sides.values()), strict=True)]


def _failure(side: Callable[[], str]) -> str:
    """An engine or a database that is away for a moment is looked at again, like all that isn't ready yet."""
    try:
        return side()
    except (EngineError, DatabaseError) as error:
        return str(error)


def _container(pool: Pool) -> str:
    """The container that has the address must be the one that we started, from the image that we built."""
    state = machines.engine(pool.instance.host).inspect(pool.container("web"))
    if state is None or not state.running:
        return "not running"
    if state.image_id != pool.image_id:
        return f"runs image {state.image_id[:19]}, not {pool.image_id[:19]}"
    if state.labels.get("berth.commit") != pool.commit:
        return f"is labelled with commit {state.labels.get('berth.commit', 'none')[:7]}, not {pool.commit[:7]}"
    return "" if state.address == pool.web_address else f"has address {state.address}, not {pool.web_address}"


def _commit(pool: Pool) -> str:
    raw = machines.engine(pool.instance.host).read_file(pool.container("web"), BUILD_FILE)
    try:
        told = dict(json.loads(raw))
    except (ValueError, TypeError):
        return "the build file can't be read"
    if told.get("commit") != pool.commit or told.get("build") != pool.build_label:
        return f"the build file says {str(told.get('commit'))[:7]}, build {told.get('build')}"
    return ""


def _connected(pool: Pool) -> str:
    """The container's address must be among the clients of its own database."""
    clients = machines.cluster(pool.instance.database_server).clients(pool.instance.database)
    return "" if clients.get(str(pool.web_address)) else "no connection to its database yet"


def _modules(pool: Pool) -> str:
    left = machines.database(pool.instance).modules_left_over()
    if left:
        return "not finished: " + ", ".join(f"{m.name} ({m.state})" for m in left[:10])
    lost = _not_loaded(pool)
    return f"installed, but not loaded, as code is missing: {', '.join(lost[:10])}" if lost else ""


def _not_loaded(pool: Pool) -> Sequence[str]:
    """Modules that Odoo serves without. Only its log says so, which is the generation's own."""
    with suppress(logfiles.NoSuchLog), logfiles.opened(pool.instance, pools.log_name(pool, Purpose.SERVE)) as stream:
        entries = logfiles.read_back(stream, None, logfiles.Wanted()).entries
        return read_run(line for entry in entries for line in entry.text.splitlines()).not_loaded
    return ()


def _health(pool: Pool, port: int, path: str) -> str:
    answered = probe.status(str(pool.web_address), port, path, pool.instance.hostname)
    return "" if answered == 200 else f"answered {answered}"


def _page(pool: Pool, path: str) -> str:
    """What the branch's settings want probed. It may take as long as a page does."""
    answered = probe.get(str(pool.web_address), 8069, path, pool.instance.hostname).status
    return "" if answered == 200 else f"answered {answered or 'nothing'}"


def _asset(pool: Pool, page: str) -> str:
    """One file that the login page asks for."""
    found = next(filter(None, (pattern.search(page) for pattern in ASSETS)), None)
    if found is None:
        return "the login page names none"
    answered = probe.get(str(pool.web_address), 8069, found.group(1), pool.instance.hostname).status
    return "" if answered == 200 else f"{found.group(1)} answered {answered}"


def _websocket(pool: Pool) -> str:
    answered = probe.websocket(str(pool.web_address), 8072, "/websocket", pool.instance.hostname)
    return "" if answered == 101 else f"the handshake answered {answered}"
