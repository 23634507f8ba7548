"""The router with 10, 1,000 and 10,000 databases, a tenth of them awake, beside a plain HAProxy with one backend.

Both send what they get to the same place: an HAProxy that answers with a page and closes, as Odoo does. Requests go to
all databases that are awake in turn, and to the two routers by turns. A *switch* is measured under the same load, from
the call to the moment when no new request goes where the old route led. The installation that runs has no part in it.

`throughput_ratio_N` is with clients that take nothing compressed, as the plain one sends nothing compressed;
`gzip_ratio_N` with clients that do, as browsers: our router compresses for them, the plain one goes on as it is.
"""

import contextlib
import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from deploy import packages
from deploy.bench import Figure
from deploy.daemons import wait_until
from deploy.packages import Need
from deploy.progress import Progress
from hosting.engines.haproxy import Route, Router, RouterState, Server
from portal.commands import run
from tests.engine.routers import fetch, free_port, running

WRK = Need("wrk", ("wrk",), "loads the router in its benchmark")
SCRIPT = Path(__file__).parent / "crowds" / "hosts.lua"
SIZES = (10, 1_000, 10_000)
ROUNDS, SECONDS, CONNECTIONS, SWITCHES = 3, 4, 32, 20
PAGE_BYTES = 8_000
UP_S = 10.0
LONGEST_S = 300  # of the load while there are switches
COMMITS = ("aaaa", "bbbb")  # what the two routes say that are switched between

COMMON = """
global
    maxconn 8000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend all
    bind 127.0.0.1:{port}
"""
ODOO = COMMON + "    option httpclose\n    http-request return status 200 content-type text/html file {page}\n"
PLAIN = COMMON + "    default_backend one\nbackend one\n    option http-server-close\n    server p1 127.0.0.1:{odoo}\n"


class NotSwitched(Exception):
    """An answer came from where the old route led, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    """The ratios are of requests a second, ours to the plain one's; median of the rounds."""
    packages.ensure([WRK], Progress(), postgresql=False)
    figures: dict[str, Figure] = {"rounds": ROUNDS, "connections": CONNECTIONS, "page_bytes": PAGE_BYTES}
    failed = 0
    with page() as file, haproxy(ODOO, page=file) as odoo, haproxy(PLAIN, odoo=odoo) as plain:
        for size in SIZES:
            with routed(size, odoo) as router:
                awake, rounds = size // 10, []
                for _ in range(ROUNDS):
                    at = router.config.router_port
                    rounds.append((load(plain, awake), load(at, awake), load(at, awake, "gzip")))
                switches = switched(router, awake)
            failed += sum(int(said["failed"]) for loads in rounds for said in loads)
            plainly, ours, squeezed = ([a_second(said) for said in kind] for kind in zip(*rounds, strict=True))
            figures |= {
                f"plain_requests_s_{size}": round(statistics.median(plainly)),
                f"requests_s_{size}": round(statistics.median(ours)),
                f"throughput_ratio_{size}": ratio(ours, plainly),
                f"gzip_ratio_{size}": ratio(squeezed, plainly),
                f"switch_ms_{size}": round(statistics.median(switches) * 1000, 1),
                f"slowest_switch_ms_{size}": round(max(switches) * 1000, 1),
            }
    return {**figures, "failed": failed}


@contextlib.contextmanager
def page() -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("x" * PAGE_BYTES)
        file.flush()
        yield file.name


@contextlib.contextmanager
def haproxy(text: str, **values: object) -> Iterator[int]:
    """One with that configuration, and the port that it listens at."""
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(text.format(port=port, **values))
        file.flush()
        process = subprocess.Popen([packages.which("haproxy") or "haproxy", "-db", "-f", file.name])
        try:
            if not wait_until(partial(listens, port), UP_S):
                raise TimeoutError(f"No HAProxy listens at {port}: see what it said. Nothing was measured.")
            yield port
        finally:
            process.terminate()
            process.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def routed(size: int, odoo: int) -> contextlib.AbstractContextManager[Router]:
    """Berth's router with that many databases: each awake one has a slot, the others sleep."""
    awake, names = size // 10, [f"i{number}" for number in range(1, size + 1)]
    routes = {name: Route(name, f"s{number}" if number <= awake else "asleep") for number, name in enumerate(names, 1)}
    hosts = {f"d{number}.localhost": name for number, name in enumerate(names, 1)}
    slots = dict.fromkeys(range(1, awake + 2), (Server("127.0.0.1", odoo, odoo),))
    return running(RouterState(hosts, routes, slots), slots=awake + 1)


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of those of each round."""
    return round(statistics.median(one / other for one, other in zip(ones, others, strict=True)), 2)


def load(port: int, awake: int, takes: str = "identity", *, seconds: int = SECONDS) -> dict[str, float]:
    """What wrk counted: `requests`, `failed` and `seconds`."""
    said = run(wrk(port, awake, takes, seconds), timeout=seconds + 30).output
    counted: dict[str, float] = json.loads(said.splitlines()[-1])
    return counted


def wrk(port: int, awake: int, takes: str, seconds: int) -> list[str]:
    """Its command line."""
    how = ["--threads", "2", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--script", str(SCRIPT)]
    return ["wrk", *how, f"http://127.0.0.1:{port}", "--", str(awake), takes]


def a_second(said: dict[str, float]) -> float:
    return said["requests"] / said["seconds"]


@contextlib.contextmanager
def loaded(port: int, awake: int) -> Iterator[None]:
    process = subprocess.Popen(wrk(port, awake, "identity", LONGEST_S), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def switched(router: Router, awake: int) -> list[float]:
    """Seconds that each switch took, to and fro between a database's slot and a spare one. Raises NotSwitched."""
    took = []
    with loaded(router.config.router_port, awake):
        for number in range(SWITCHES):
            slot, commit = ((1, COMMITS[0]), (awake + 1, COMMITS[1]))[(number + 1) % 2]
            began = time.monotonic()
            router.set_route(Route("i1", f"s{slot}", commit))
            took.append(time.monotonic() - began)
            if fetch(router, "/web/login", "d1.localhost").headers.get("x-berth-commit") != commit:
                raise NotSwitched(f"The answer after switch {number + 1} did not come from slot {slot}.")
    return took
