"""HAProxy as processes: a master, a worker that takes connections, and older workers that finish theirs after a reload.

Commands go through the master's socket to a worker by its process id. Changes concern the current worker alone: an old
one takes no new request into its routing. But what it still serves counts in a drain.
"""

import fcntl
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from hosting.engines.haproxy import runtime
from hosting.engines.haproxy.files import closed_to, fingerprint, write_atomically
from hosting.engines.haproxy.values import RouterConfig, RouterDown, RouterError
from portal.commands import CommandError, run

T = TypeVar("T")


def start_argv(config: RouterConfig) -> list[str]:
    """The command that starts the router as a daemon of its own; it wants to be root. `Process.start` runs it."""
    master = f"{config.master_socket},mode,600,user,{config.owner},level,admin"
    return [config.binary, "-W", "-D", "-S", master, *_file_arguments(config)]


def _file_arguments(config: RouterConfig) -> list[str]:
    return ["-f", str(config.config_file), "-f", str(config.slots_dir)]


class Process:
    """One installation's HAProxy: started, stopped, reloaded, and spoken to."""

    def __init__(self, config: RouterConfig) -> None:
        self.config = config

    def check(self) -> None:
        """Let HAProxy read the files, and see that it can reach its sockets. Raises RouterError with its own words."""
        blocked = closed_to(self.config.user, self.config.run)
        if blocked:
            raise RouterError(
                f"HAProxy runs as {self.config.user}, who may not pass {blocked}: it would reach neither the portal "
                f"nor the request log. Nothing was started. Run: chmod o+x {blocked}, or keep Berth's files elsewhere."
            )
        try:
            run([self.config.binary, "-c", *_file_arguments(self.config)], timeout=60)
        except CommandError as error:
            raise RouterError(f"HAProxy refuses its configuration; nothing was started: {error.output}") from error

    def start(self, timeout: float = 30.0) -> bool:
        """Start the router with the files as they are, unless it runs; whether it had to. Raises RouterError."""
        with self.alone():
            runs = self._master() is not None
            if not runs:
                self.check()
                self._run(start_argv(self.config), timeout)
                write_atomically(self.config.loaded_file, self._fingerprint())
            self._wait(self.is_up, timeout, f"The router did not come up within {timeout:g} s.")
            return not runs

    def runs(self) -> bool:
        """Whether its master lives: a look at a file, for who asks every second."""
        return self._master() is not None

    def stop(self, timeout: float = 10.0) -> None:
        """End the router at once, with all that it serves. Does nothing when it does not run."""
        master = self._master()
        if master is not None:
            os.kill(master, signal.SIGTERM)
            self._wait(lambda: self._master() is None, timeout, f"The router did not end within {timeout:g} s.")

    def needs_reload(self) -> bool:
        """Whether it runs with another configuration than the files now have. Maps and slots, which it is told of as
        they change, don't count; a new number of slots does."""
        return self.config.loaded_file.read_text() != self._fingerprint()

    def _fingerprint(self) -> str:
        home = self.config.home
        return fingerprint([self.config.config_file, *sorted(home.glob("*.lua")), *sorted(home.glob("pages/*"))])

    def is_up(self) -> bool:
        """Whether a worker answers that takes new connections."""
        try:
            return not self.in_current(self._is_stopping)
        except RouterError:
            return False

    def workers(self) -> runtime.Workers:
        """The router's processes. Raises RouterDown when there is none that takes connections."""
        workers = runtime.parse_workers(runtime.ask(self.config.master_socket, "show proc"))
        if not workers.current:
            raise RouterDown("The router's master runs without a worker. Its files are as they should be: restart it.")
        return workers

    def take_over(self, timeout: float) -> None:
        """Let a new worker take over with the files as they are (USR2), and wait for it. The caller is `alone`."""
        before = self.workers()
        self.check()
        master = self._master()
        if master is None:
            raise RouterDown("The router ended. Its files are as they should be: start it.")
        loads = self._fingerprint()
        os.kill(master, signal.SIGUSR2)
        late = f"No new router worker took over within {timeout:g} s; the old one goes on serving."
        self._wait(lambda: self._is_new(before), timeout, late)
        write_atomically(self.config.loaded_file, loads)

    def _is_new(self, before: runtime.Workers) -> bool:
        """Whether the workers of `before` take nothing more and another one is up. The master is away for a moment."""
        try:
            leaving = self.in_old(self._is_stopping)
            return all(leaving) and not set(self.workers().current) & set(before.all) and self.is_up()
        except RouterError:
            return False

    def _is_stopping(self, pid: int) -> bool:
        return "\nStopping: 1\n" in self.ask(pid, "show info")

    def _master(self) -> int | None:
        """The master's process id, if it lives: a number in a file may have become another program's."""
        try:
            pid = int(self.config.pid_file.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.config.master_socket) in arguments else None

    def _run(self, argv: list[str], timeout: float) -> None:
        try:
            run(argv, timeout=timeout)
        except CommandError as error:
            raise RouterError(f"HAProxy could not be started; its files are as they were: {error.output}") from error

    def _wait(self, condition: Callable[[], bool], timeout: float, otherwise: str) -> None:
        """Raises RouterError with `otherwise` when the condition did not come true within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise RouterError(otherwise)
            time.sleep(0.05)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Changes and reloads take turns, in all of Berth's processes: no reload starts from files of the past."""
        with self.config.lock_file.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def in_current(self, action: Callable[[int], T]) -> T:
        """Do something in the worker that takes new connections."""
        return action(self.workers().current[0])

    def in_old(self, action: Callable[[int], T]) -> list[T]:
        """Do the same in each worker that finishes its requests. One that ends meanwhile needs nothing more."""
        done: list[T] = []
        for pid in self.workers().old:
            try:
                done.append(action(pid))
            except RouterError as error:
                late = f"The router's old process {pid} did not do as it was told: {error}"
                self._wait(partial(self._has_ended, pid), 2.0, late)
        return done

    def _has_ended(self, pid: int) -> bool:
        return pid not in self.workers().all

    def in_each(self, action: Callable[[int], T]) -> list[T]:
        return [self.in_current(action), *self.in_old(action)]

    def ask(self, pid: int, command: str) -> str:
        return runtime.ask(self.config.master_socket, f"@!{pid} {command}")

    def tell(self, pid: int, command: str, *expected: str) -> str:
        """Send a command whose answer must be empty, or one of `expected` (regular expressions); the answer."""
        answer = self.ask(pid, command).strip()
        if answer and not any(re.fullmatch(pattern, answer) for pattern in expected):
            raise runtime.UnexpectedAnswer(command, answer)
        return answer

    def show_map(self, pid: int, name: str) -> dict[str, str]:
        command = f"show map {name}"
        return runtime.parse_map(command, self.ask(pid, command))

    def show_sessions(self, pid: int, backend: str) -> list[str]:
        """The sessions of a backend, as ids for `shutdown session`."""
        lines = self.ask(pid, "show sess").splitlines()
        return [line.partition(":")[0] for line in lines if f" be={backend} " in line]

    def show_stat(self, pid: int, proxy: str = "-1") -> list[runtime.Line]:
        """Backends and their servers: all, or those of one name, none if it is unknown."""
        command = f"show stat {proxy} 6 -1"  # 6: backends (2) and servers (4)
        return list(runtime.parse_stat(command, self.ask(pid, command)))
