"""kill -9 of what Berth is made of and stands on. What nobody starts again by itself is started as bin/up does it."""

import contextlib
import gc
import os
import signal
from pathlib import Path

from deploy import engine
from deploy.daemons import wait_until
from deploy.progress import Progress
from tests.faults import clusters
from tests.installation import Installation

WEB = ("web-1", "web-2")
OWN = (*WEB, "agent", "worker-urgent", "worker")
GONE_S = 30.0


def kill(pids: list[int]) -> None:
    """Returns when they are gone. Raises TimeoutError."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids), GONE_S):
        raise TimeoutError(f"{pids} live on after {GONE_S:.0f} s")


def routers(installation: Installation) -> list[int]:
    """The router's processes: those that have its master's socket among their arguments, and their children."""
    mark = os.fsencode(str(installation.home / "run" / "router-master.sock"))
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(name)
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if mark in file.read():
                    found.append(pid)
    return found


def kill_router(installation: Installation) -> None:
    """The agent starts it again."""
    kill(routers(installation))


def kill_postgresql(installation: Installation, cluster: str) -> None:
    """Its first process; the others end when they see that."""
    data = installation.home / "pg" / cluster
    kill([int((data / "postmaster.pid").read_text().split()[0])])
    clusters.start(installation)


def kill_engine(installation: Installation) -> None:
    """Databases go on where live-restore is set; without, the engine starts them again."""
    kill([int(Path("/var/run/docker.pid").read_text())])
    engine.ensure(installation.values.get("BERTH_DOCKER_URL", engine.DEFAULT_URL), Progress())
    gc.collect()  # docker-py leaves an unanswered socket to it; its warning belongs to this test, not to a later one
