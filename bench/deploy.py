"""Production deploys in a row under steady load, beside two other ways to get new code running, in the same run:
`docker restart`, and stopping the old container before the new one is started.

    bin/bench deploy [NUMBER]       20 deploys unless told otherwise

Each deploy is a push of another content of the demo's static file. The load (bench/crowds/crowd.py) is the same in all
three: visitors, users who are signed in, read and write, and websockets that come back as soon as they are closed.
*Failed*: see tests/load.py. What writers were told is written is looked for in the database afterwards. `p99_ratio` is
the p99 while deploys were under way over that between them.
"""

import argparse
import contextlib
import http.client
import os
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.crowds.beside import Beside
from bench.crowds.crowd import STATIC, Crowd
from deploy.bench import Figure
from tests.installation import Installation
from tests.users import Session

DEPLOYS = 20
OTHERS = 5  # so often, at most, the other two ways are taken
QUIET_S = 5.0  # before the first deploy, between two of them, and after the last
BACK_S = 30.0  # for websockets, after each deploy
SETTLE_S = 5.0  # after each: its container for scheduled actions starts still, which is not quiet


class NotServed(Exception):
    """What was pushed did not become what is served, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    parser = argparse.ArgumentParser(prog="bin/bench deploy", description="Production deploys under load.")
    parser.add_argument("number", type=int, nargs="?", default=DEPLOYS, metavar="NUMBER", help="of deploys")
    number = parser.parse_args().number
    if number < 1:
        parser.error("NUMBER must be at least 1")
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        session, others = installation.sign_in(), min(number, OTHERS)
        return {
            **measure_deploys(installation, session, number),
            **prefixed("restart", measure_restarts(installation, session, others)),
            **prefixed("in_turn", measure_in_turn(installation, session, others)),
            "restarts": others,
        }


def prefixed(prefix: str, figures: dict[str, Figure]) -> dict[str, Figure]:
    return {f"{prefix}_{name}": figure for name, figure in figures.items()}


def measure_deploys(installation: Installation, session: Session, number: int) -> dict[str, Figure]:
    """Raises NotServed."""
    quiet: list[tuple[float, float]] = []
    deploys: list[tuple[float, float]] = []
    with Crowd(installation, session) as crowd:
        quiet.append(rest())
        for each in range(1, number + 1):
            deploys.append(deploy(installation, f"deploy {each} of a benchmark, {secrets.token_hex(4)}"))
            with contextlib.suppress(TimeoutError):  # then they are counted as away
                crowd.websockets.wait(BACK_S)
            time.sleep(SETTLE_S)
            quiet.append(rest())
    before, during = crowd.load.p99_within(quiet), crowd.load.p99_within(deploys)
    return {
        **crowd.figures(),
        "deploys": number,
        "seconds_per_deploy": round(sum(ended - began for began, ended in deploys) / number, 2),
        "p99_before_ms": before,
        "p99_during_ms": during,
        "p99_ratio": round(during / before, 2),
    }


def rest() -> tuple[float, float]:
    """A stretch of the monotonic clock in which nothing is deployed."""
    began = time.monotonic()
    time.sleep(QUIET_S)
    return began, time.monotonic()


def deploy(installation: Installation, text: str) -> tuple[float, float]:
    """From the push to the build's end, by the monotonic clock. Raises NotServed."""
    began = time.monotonic()
    sha = installation.push_static(text)
    build = installation.wait_for_build(sha)
    ended = time.monotonic()
    if build.result not in ("success", "warning"):
        raise NotServed(str(build))
    check_served(installation.demo()["production_url"], text, sha)
    return began, ended


def check_served(url: str, text: str, sha: str) -> None:
    """The pushed content, and the pushed commit in the router's header. Raises NotServed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", STATIC, headers={"Host": parts.netloc})
        response = connection.getresponse()
        content, commit = response.read().decode().strip(), response.getheader("X-Berth-Commit")
    if content != text or commit != sha:
        raise NotServed(f"pushed {sha} with {text!r}, served was {commit} with {content!r}")


def measure_restarts(installation: Installation, session: Session, number: int) -> dict[str, Figure]:
    with Beside(installation) as beside, Crowd(installation, session, address=beside.address) as crowd:
        for _ in range(number):
            rest()
            beside.restart()
        rest()
    return crowd.figures()


def measure_in_turn(installation: Installation, session: Session, number: int) -> dict[str, Figure]:
    with Beside(installation) as beside, Crowd(installation, session, address=beside.address) as crowd:
        for _ in range(number):
            rest()
            crowd.move(beside.replace())
            beside.wait()
        rest()
    return crowd.figures()
