"""Proof that a pool may get traffic: it runs the expected commit, on the right database, with all modules loaded.

Stock Odoo can't say which commit it runs, so the proof looks at each of its web containers from several sides.
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
from hosting.engines.docker import ContainerState, EngineError
from hosting.engines.postgres import DatabaseError
from hosting.models import Pool
from hosting.odoo.loglines import read_run

Side = Callable[[], str]  # says what is amiss, "" for nothing

BUILD_FILE = "/etc/berth/build.json"
LOGIN = "/web/login"
A_CALL = "/web/webclient/version_info"  # open to everybody
LIVENESS_S = 0.25  # how often a port that doesn't answer yet is asked
FIRST_PROOF_S, LONGEST_PAUSE_S = 5.0, 15.0
HURRIED_PROOF_S = 0.5
WARM_S = 15.0
WARM_CALLS, WARM_PAGES = 2, 24  # for each worker; chance has it which of them takes how many
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
    """A container of the pool ended while it was to be proven."""


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
    15 s; sooner in a `hurry`, when somebody waits. From then on the pool comes first. Raises NotProven, Died.
    """
    started = time.monotonic()
    pause = HURRIED_PROOF_S if hurry else FIRST_PROOF_S
    while True:
        wait_for_ports(pool, timeout=started + timeout - time.monotonic(), keep_going=keep_going)
        checks = look(pool, path)
        failures = [f"{check.name}: {check.failure}" for check in checks if check.failure]
        if not failures:
            say(f"Proven after {time.monotonic() - started:.1f} s: " + ", ".join(check.name for check in checks))
            if not hurry:
                warm(pool, path, keep_going)
            return pools.come_first(pool)
        say("Not yet: " + "; ".join(failures))
        if time.monotonic() - started + pause > timeout:
            raise NotProven(failures, time.monotonic() - started)
        _sleep(pause, keep_going)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def wait_for_ports(pool: Pool, *, timeout: float, keep_going: Callable[[], None]) -> bool:
    """Wait until both ports of each web container answer, at most `timeout` seconds; whether they do. Raises Died."""
    servers, deadline = _servers(pool), time.monotonic() + timeout
    while time.monotonic() < deadline:
        keep_going()
        late = [server for server in servers if not server.listens()]
        if not late:
            return True
        if any(server.died() for server in late):
            raise Died(f"A container of {pool.name} ended while Odoo was starting.")
        time.sleep(LIVENESS_S)
    return False


def warm(pool: Pool, path: str, keep_going: Callable[[], None]) -> None:
    """Let each HTTP worker answer calls and pages, so that no visitor waits for what it does once in its life.

    On Odoo 18 its first call takes 370 ms and the next one 8; after a page alone it is still 250. Its first full
    garbage collection, over all that it has from the process it was forked off, takes 90 ms, by its 5th to 11th page.
    Workers take one request at a time, so as many at once as there are of them meet all. No round begins after WARM_S.
    """
    host, until = pool.instance.hostname, time.monotonic() + WARM_S
    workers = [*pool.web.values()] * pool.workers

    def call(address: str) -> None:
        probe.call(address, 8069, A_CALL, host)

    def page(address: str) -> None:
        probe.get(address, 8069, path, host)

    with ThreadPoolExecutor(len(workers)) as together:
        for ask in [call] * WARM_CALLS + [page] * WARM_PAGES:
            keep_going()
            if time.monotonic() > until:
                return
            list(together.map(ask, workers))


def died(pool: Pool) -> bool:
    """Whether one of its web containers doesn't run, or had to be started again."""
    return any(server.died() for server in _servers(pool))


def _sleep(seconds: float, keep_going: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        keep_going()
        time.sleep(LIVENESS_S)


def look(pool: Pool, path: str = LOGIN) -> list[Check]:
    """All sides of the proof, in order, of each web container: a pool of which one lacks something is not proven.

    Slow ones come after those that fail early.
    """
    return [check for server in _servers(pool) for check in server.look(path)]


def glance(pool: Pool) -> list[Check]:
    """The quick sides of the proof, of a pool that has proven itself before and ran on since."""
    sides = {server.named(name): side for server in _servers(pool) for name, side in server.quick_sides().items()}
    with ThreadPoolExecutor(len(sides)) as together:  # somebody waits
        return [Check(*found) for found in zip(sides, together.map(_failure, sides.values()), strict=True)]


def _failure(side: Side) -> str:
    """An engine or a database that is away for a moment is looked at again, like all that isn't ready yet."""
    try:
        return side()
    except (EngineError, DatabaseError) as error:
        return str(error)


def _servers(pool: Pool) -> "list[_Server]":
    return [_Server(pool, role, address) for role, address in pool.web.items()]


@dataclass(frozen=True)
class _Server:
    """One web container of a pool, and what is amiss with it: "" for nothing."""

    pool: Pool
    role: str
    address: str

    def named(self, side: str) -> str:
        return side if self.role == "web" else f"{self.role} {side}"

    def look(self, path: str) -> list[Check]:
        page = self._get(LOGIN)
        sides: dict[str, Side] = {
            "container": self._container,
            "commit": self._commit,
            "database": self._connected,
            "modules": self._modules,
            "web port": lambda: self._health(8069, "/web/health"),
            "websocket port": lambda: self._health(8072, "/websocket/health"),
            "login page": lambda: "" if page.status == 200 and "<form" in page.text else f"answered {page.status}",
            "asset": lambda: self._asset(page.text),
            "websocket": self._websocket,
        }
        if path != LOGIN:
            sides[path] = lambda: self._page(path)
        return [Check(self.named(name), _failure(side)) for name, side in sides.items()]

    def quick_sides(self) -> dict[str, Side]:
        return {
            "container": self._container,
            "web port": lambda: self._health(8069, "/web/health"),
            "websocket port": lambda: self._health(8072, "/websocket/health"),
            "login page": lambda: self._health(8069, LOGIN),
        }

    def listens(self) -> bool:
        return not self._health(8069, "/web/health") and not self._health(8072, "/websocket/health")

    def died(self) -> bool:
        state = self._state()
        return state is None or not state.running or state.restart_count > 0

    def _state(self) -> ContainerState | None:
        return machines.engine(self.pool.instance.host).inspect(self.pool.container(self.role))

    def _get(self, path: str) -> probe.Answer:
        return probe.get(self.address, 8069, path, self.pool.instance.hostname)

    def _container(self) -> str:
        """The container that has the address must be the one that we started, from the image that we built."""
        state, pool = self._state(), self.pool
        if state is None or not state.running:
            return "not running"
        if state.image_id != pool.image_id:
            return f"runs image {state.image_id[:19]}, not {pool.image_id[:19]}"
        if state.labels.get("berth.commit") != pool.commit:
            return f"is labelled with commit {state.labels.get('berth.commit', 'none')[:7]}, not {pool.commit[:7]}"
        return "" if state.address == self.address else f"has address {state.address}, not {self.address}"

    def _commit(self) -> str:
        raw = machines.engine(self.pool.instance.host).read_file(self.pool.container(self.role), BUILD_FILE)
        try:
            told = dict(json.loads(raw))
        except (ValueError, TypeError):
            return "the build file can't be read"
        if told.get("commit") != self.pool.commit or told.get("build") != self.pool.build_label:
            return f"the build file says {str(told.get('commit'))[:7]}, build {told.get('build')}"
        return ""

    def _connected(self) -> str:
        """The container's address must be among the clients of its own database."""
        instance = self.pool.instance
        clients = machines.cluster(instance.database_server).clients(instance.database)
        return "" if clients.get(self.address) else "no connection to its database yet"

    def _modules(self) -> str:
        left = machines.database(self.pool.instance).modules_left_over()
        if left:
            return "not finished: " + ", ".join(f"{m.name} ({m.state})" for m in left[:10])
        lost = self._not_loaded()
        return f"installed, but not loaded, as code is missing: {', '.join(lost[:10])}" if lost else ""

    def _not_loaded(self) -> Sequence[str]:
        """Modules that Odoo serves without. Only its log says so, which is the container's own."""
        name = pools.web_log(self.pool, self.role)
        with suppress(logfiles.NoSuchLog), logfiles.opened(self.pool.instance, name) as stream:
            entries = logfiles.read_back(stream, None, logfiles.Wanted()).entries
            return read_run(line for entry in entries for line in entry.text.splitlines()).not_loaded
        return ()

    def _health(self, port: int, path: str) -> str:
        answered = probe.status(self.address, port, path, self.pool.instance.hostname)
        return "" if answered == 200 else f"answered {answered}"

    def _page(self, path: str) -> str:
        """What the branch's settings want probed. It may take as long as a page does."""
        answered = self._get(path).status
        return "" if answered == 200 else f"answered {answered or 'nothing'}"

    def _asset(self, page: str) -> str:
        """One file that the login page asks for."""
        found = next(filter(None, (pattern.search(page) for pattern in ASSETS)), None)
        if found is None:
            return "the login page names none"
        answered = self._get(found.group(1)).status
        return "" if answered == 200 else f"{found.group(1)} answered {answered}"

    def _websocket(self) -> str:
        answered = probe.websocket(self.address, 8072, "/websocket", self.pool.instance.hostname)
        return "" if answered == 101 else f"the handshake answered {answered}"
