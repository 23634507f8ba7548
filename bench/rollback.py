"""Rollbacks back and forth under steady load: from the click on the page to the first answer of the other commit.

The click is the form's POST, as a browser sends it. The first answer is looked for all the time by a client of its own,
in the router's header. *Failed*: see tests/load.py.
"""

import contextlib
import http.client
import os
import secrets
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from deploy.bench import Figure
from tests.installation import Installation
from tests.load import percentile
from tests.portal import Portal
from tests.rows import BuildRow

ROLLBACKS = 20
CLIENTS, PAUSE_S = 4, 0.05  # the load: each client waits that long between two requests
AROUND = 20  # requests before the first, between two of them, and after the last
ASK_S = 0.01  # how often it is looked which commit answers
PATIENCE_S = 60.0


class NotServed(Exception):
    """A rollback didn't come to be, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation, Portal(installation) as portal:
        builds = [deployed(installation), deployed(installation)]
        times: list[float] = []
        with installation.load(clients=CLIENTS, pause=PAUSE_S) as load:
            for number in range(ROLLBACKS):
                load.wait_for(AROUND)
                times.append(roll_back(installation, portal, builds[number % 2]))
            load.wait_for(AROUND)
        counted = load.figures()
    times.sort()
    return {
        "rollbacks": ROLLBACKS,
        "median_ms": round(percentile(times, 50), 1),
        "p95_ms": round(percentile(times, 95), 1),
        "slowest_ms": round(times[-1], 1),
        "requests": counted.requests,
        "failed": counted.failed,
        "longest_gap_ms": counted.longest_gap_ms,
        "p99_ms": counted.p99_ms,
    }


def deployed(installation: Installation) -> BuildRow:
    """A build of a new commit that serves. Raises NotServed."""
    build = installation.wait_for_build(installation.push_static(f"before a rollback, {secrets.token_hex(4)}"))
    if build.result != "success":
        raise NotServed(str(build))
    return build


def roll_back(installation: Installation, portal: Portal, build: BuildRow) -> float:
    """Milliseconds from the click to the first answer of the build's commit. Raises NotServed."""
    path = f"/{installation.demo()['project']}/builds/{build.number}/roll-back/"
    portal.page(path)
    watch = threading.Thread(target=lambda: seen.append(first_answer(installation, build.commit)))
    seen: list[float] = []
    watch.start()
    clicked = time.monotonic()
    portal.post(path)
    watch.join()
    wait_for_end(installation)
    if not seen or not seen[0]:
        raise NotServed(f"{build.commit[:7]} did not answer within {PATIENCE_S:.0f} s after the click")
    return (seen[0] - clicked) * 1000


def first_answer(installation: Installation, commit: str) -> float:
    """When production's address first answers with that commit; 0 where it doesn't."""
    parts = urlsplit(installation.demo()["production_url"])
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)) as connection:
        while time.monotonic() < deadline:
            connection.request("GET", "/web/health", headers={"Host": parts.netloc})
            response = connection.getresponse()
            response.read()
            if response.getheader("X-Berth-Commit") == commit:
                return time.monotonic()
            time.sleep(ASK_S)
    return 0.0


def wait_for_end(installation: Installation) -> None:
    """Of the switch; what follows it needs nobody to wait. Raises NotServed."""
    deadline = time.monotonic() + PATIENCE_S
    while installation.query("SELECT 1 FROM builds_rollback WHERE state <> 'done' AND NOT switched"):
        if time.monotonic() > deadline:
            raise NotServed("A rollback did not come to its end")
        time.sleep(0.1)
