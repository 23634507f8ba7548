"""Programs that outlive the set-up."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def start_daemon(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own, its output added to `log`; its pid. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=env
        )
    # It is meant to go on after us: without this, Python warns that nobody waited for it.
    process.returncode = 0
    return process.pid


def runs(pid_file: Path, belongs: Callable[[Path], bool]) -> int | None:
    """The pid in `pid_file` if that process lives and `belongs(/proc/PID)`; numbers are used again after a restart."""
    try:
        pid = int(pid_file.read_text().split()[0])
        return pid if belongs(Path(f"/proc/{pid}")) else None
    except (OSError, ValueError, IndexError):
        return None


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Ask ten times a second; whether it came true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def stop(pid: int, signal: int, timeout: float) -> bool:
    """Send `signal` and wait; whether the process is gone within `timeout` seconds."""
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        return True
    return wait_until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), timeout)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
