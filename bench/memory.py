"""Memory of all supervised processes with their descendants while a deploy runs; PostgreSQL, HAProxy and dockerd apart.

Proportional set size: what several processes share is counted once in the sum. The figures are those of the moment
when the sum was highest.
"""

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from deploy import supervisor
from deploy.bench import Figure
from tests.installation import Installation, descendants
from tests.rows import BuildRow

POLL_S = 0.25
MEGABYTE = 1024  # in kB
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        home = installation.home
        roots = {"supervisord": supervisor_pid(home), **pids(home)}
        idle = measure(roots)
        sha = installation.push_static(f"memory, {secrets.token_hex(4)}")
        peak, ended, moments = idle, False, 0
        while not ended:
            ended = is_done(installation.builds(sha))
            now = measure(roots)
            moments += 1
            peak = max(peak, now, key=lambda each: sum(each.values()))
            time.sleep(POLL_S)
    return {
        "pss_mb": megabytes(sum(peak.values())),
        "idle_pss_mb": megabytes(sum(idle.values())),
        "moments": moments,
        **{f"{name.replace('-', '_')}_mb": megabytes(kilobytes) for name, kilobytes in peak.items()},
    }


def is_done(builds: list[BuildRow]) -> bool:
    """Raises RuntimeError where the deploy failed: then it was none."""
    if not builds or builds[0].state != "done":
        return False
    if builds[0].result != "success":
        raise RuntimeError(str(builds[0]))
    return True


def supervisor_pid(home: Path) -> int:
    return int((home / "run" / "supervisord.pid").read_text())


def pids(home: Path) -> dict[str, int]:
    """Each program's process."""
    lines = supervisor.control(home, "status").output.splitlines()
    found = (re.match(r"(\S+) +RUNNING +pid (\d+)", line) for line in lines)
    return {match[1]: int(match[2]) for match in found if match}


def measure(roots: dict[str, int]) -> dict[str, int]:
    """Kilobytes by program; supervisord's are its own alone."""
    trees = {name: [pid, *([] if name == "supervisord" else descendants(pid))] for name, pid in roots.items()}
    return {name: sum(map(pss, tree)) for name, tree in trees.items()}


def pss(pid: int) -> int:
    """Kilobytes; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        match = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
        return int(match[1]) if match else 0
    return 0


def megabytes(kilobytes: int) -> float:
    return round(kilobytes / MEGABYTE, 1)
