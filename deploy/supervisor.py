"""Runs Berth's own processes: starts and stops supervisord, restarts what runs old code, without a gap in the pages."""

import http.client
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy import webuser
from deploy.daemons import runs, stop, wait_until
from deploy.environment import Environment
from deploy.management import surroundings
from deploy.processes import CHECKOUT, HAND_OVER, PYTHON, WEB, Program, programs, render, version, web_socket
from deploy.progress import Progress, SetupError
from hosting.engines.haproxy import Router, RouterDown
from portal.commands import Result, run

READY = 60.0  # seconds that a process gets to come up


def ensure(home: Path, values: Environment, router: Router, progress: Progress) -> None:
    """All processes run, with the code and the settings of now. Raises SetupError."""
    listed = programs(home, values, webuser.ensure(home, values, progress).name)
    wanted = version(home) + render(home, listed)
    running, now = is_running(home), wanted_file(home)
    changed = not now.exists() or now.read_text() != wanted
    config(home).write_text(render(home, listed))
    if not running:
        _start(home, progress)
    elif changed:
        _update(home, listed, router, progress)
    control(home, "start", "all", check=False)  # says so of those that run already, and means a failure by it
    _wait_for(home, [program.name for program in listed])
    now.write_text(wanted)


def config(home: Path) -> Path:
    return home / "run" / "supervisord.conf"


def wanted_file(home: Path) -> Path:
    """What the running processes were started from."""
    return home / "run" / "version"


def is_running(home: Path) -> bool:
    return _pid(home) is not None


def shutdown(home: Path) -> bool:
    """Stop all processes, each worker after the step that it is at; whether any ran. Raises SetupError."""
    pid = _pid(home)
    if pid is None:
        return _end_orphans(home) > 0
    if not stop(pid, signal.SIGTERM, HAND_OVER + 30):
        raise SetupError(
            f"supervisord (pid {pid}) did not stop within {HAND_OVER + 30} s.",
            left="Some processes of Berth may still run; the hosted databases were not touched.",
            todo=f"see {home / 'log' / 'supervisord.log'}; then kill {pid} and run bin/down again.",
        )
    _end_orphans(home)
    return True


def control(home: Path, *arguments: str, check: bool = True) -> Result:
    """Raises CommandError."""
    command = [str(PYTHON), "-m", "supervisor.supervisorctl", "-c", str(config(home)), *arguments]
    return run(command, timeout=HAND_OVER * 4, env=surroundings(home), cwd=CHECKOUT, check=check)


def _pid(home: Path) -> int | None:
    mark = os.fsencode(config(home))
    return runs(home / "run" / "supervisord.pid", lambda process: mark in (process / "cmdline").read_bytes())


def _start(home: Path, progress: Progress) -> None:
    ended = _end_orphans(home)
    if ended:
        progress.say(f"ended {ended} processes that a killed supervisord had left")
    command = [str(PYTHON), "-m", "supervisor.supervisord", "-c", str(config(home))]
    run(command, timeout=READY, env=surroundings(home), cwd=CHECKOUT)


def _end_orphans(home: Path) -> int:
    """A supervisord or a worker that was killed leaves its children behind, and nobody would ever stop them."""
    mark = f"SUPERVISOR_SERVER_URL=unix://{home}/run/supervisor.sock".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue  # it has ended
    for pid in found:
        if not stop(pid, signal.SIGTERM, 10):
            stop(pid, signal.SIGKILL, 10)
    return len(found)


def _update(home: Path, listed: Sequence[Program], router: Router, progress: Progress) -> None:
    """The web processes one after the other, so that one always answers; then the workers, each after its step."""
    progress.say("code or settings have changed: restarting the web processes one by one, then the workers")
    changed = {line.partition(":")[0] for line in control(home, "reread").output.splitlines() if ": " in line}
    for number, name in enumerate(WEB, start=1):
        with _withdrawn(router, number):
            control(home, "update" if name in changed else "restart", name)
            _wait_for(home, [name])
    control(home, "update")  # the rest of what is changed, new, or not wanted any more
    for program in listed:  # one after the other: who wants to be woken does not wait for a deploy's step
        if program.name not in changed | set(WEB):
            control(home, "restart", program.name)


@contextmanager
def _withdrawn(router: Router, number: int) -> Iterator[None]:
    """While the router sends nothing to a web process, and what that had has ended: also a webhook's POST, which
    nobody may send twice. A router that doesn't run sends nothing anyway."""
    with suppress(RouterDown):
        router.withdraw_web(number)
    try:
        yield
    finally:
        with suppress(RouterDown):
            router.restore_web(number)


def _wait_for(home: Path, names: Sequence[str]) -> None:
    """Raises SetupError for the first that doesn't come up."""
    if wait_until(lambda: not _missing(home, names), READY):
        return
    name = _missing(home, names)[0]
    log = home / "log" / f"{name}.log"
    told = "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""
    raise SetupError(
        f"The process {name} did not come up within {READY:.0f} s. The end of {log}:\n{told}",
        left="The other processes go on running, with the code they have; the hosted databases were not touched.",
        todo="mend what the log says and run bin/up again.",
    )


def _missing(home: Path, names: Sequence[str]) -> list[str]:
    lines = control(home, "status", *names, check=False).output.splitlines()
    running = {line.split()[0] for line in lines if line.split()[1:2] == ["RUNNING"]}
    return [name for name in names if name not in running or (name in WEB and not answers(web_socket(home, name)))]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("127.0.0.1", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def answers(path: Path) -> bool:
    """Whether a web process serves pages on this socket."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
