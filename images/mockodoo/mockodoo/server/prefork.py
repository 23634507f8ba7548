"""Forked workers behind one socket, as Odoo runs with `--workers`.

The master listens before it loads the registry, forks workers that share it, replaces those that end, kills those whose
request takes longer than `limit_time_real`, and drains on SIGTERM: its socket closes, websockets are cut, requests in
flight finish. Connections that no worker has accepted by then are reset by the kernel.
"""

import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from mockodoo import logs, postgres, release
from mockodoo.options import config

from . import queue_job
from .workers import BEAT, CronWorker, HttpWorker, Worker
from .wsgi import EventedHandler, ThreadServer

_logger = logging.getLogger("odoo.service.server")


@dataclass
class Child:
    """A worker as the master sees it: `watchdog` is the end of a pipe on which it shows that it is alive."""

    pid: int
    kind: str
    watchdog: int
    limit: float
    seen: float


class PreforkServer:
    def __init__(self, application: Any) -> None:
        self.application = application
        self.socket: socket.socket | None = None
        self.children: dict[int, Child] = {}
        self.evented: int | None = None
        self.signals: list[int] = []
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)

    def listen(self) -> None:
        """Open the port. From here on the kernel takes connections, though nobody answers them yet."""
        if not config["http_enable"]:
            return
        interface, port = config["http_interface"] or "0.0.0.0", config["http_port"]
        self.socket = socket.create_server((interface, port), backlog=8 * config["workers"])
        self.socket.setblocking(False)
        _logger.info("HTTP service (werkzeug) running on %s:%s", socket.gethostname(), port)

    def run(self, preload: Callable[[], int]) -> int:
        """Serve until SIGTERM or SIGINT. `preload` loads the registries; its failure does not keep the server down."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        self.listen()
        preload()
        postgres.close_all()  # connections must not be shared with the children
        while not any(number in (signal.SIGINT, signal.SIGTERM) for number in self.signals):
            self.signals.clear()
            self._reap()
            self._kill_overdue()
            self._spawn()
            self._sleep()
        self.stop()
        return 0

    def _note(self, number: int, _frame: Any) -> None:
        self.signals.append(number)

    def _spawn(self) -> None:
        kinds = [child.kind for child in self.children.values()]
        listening = self.socket
        if listening is not None:
            for _ in range(config["workers"] - kinds.count(HttpWorker.kind)):
                self._fork(lambda pipe: HttpWorker(pipe, self.application, listening), HttpWorker.kind)
            if self.evented is None:
                self.evented = self._fork_evented()
        for _ in range(config["max_cron_threads"] - kinds.count(CronWorker.kind)):
            self._fork(CronWorker, CronWorker.kind)
        if queue_job.runs_here() and queue_job.JobRunner.kind not in kinds:
            self._fork(queue_job.JobRunner, queue_job.JobRunner.kind)

    def _fork(self, worker: Callable[[int], Worker], kind: str) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        pid = os.fork()
        if pid:
            os.close(writing)
            self.children[pid] = Child(pid, kind, reading, _time_limit(kind), time.monotonic())
            return
        self._be_child(lambda: worker(writing).run())

    def _fork_evented(self) -> int:
        pid = os.fork()
        if not pid:
            self._be_child(self._serve_evented)
        return pid

    def _serve_evented(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if self.socket is not None:
            self.socket.close()
        time.sleep(release.EVENTED_DELAY)
        interface = config["http_interface"] or "0.0.0.0"
        server = ThreadServer(self.application, interface, config["gevent_port"], EventedHandler)
        _logger.info("Evented Service (longpolling) running on %s:%s", interface, config["gevent_port"])
        server.serve_forever()

    def _be_child(self, work: Callable[[], None]) -> NoReturn:
        signal.set_wakeup_fd(-1)
        logs.set_database(None)
        code = 0
        try:
            for child in self.children.values():
                os.close(child.watchdog)
            work()
        except Exception:
            _logger.exception("Worker (%s) Exception occurred, exiting...", os.getpid())
            code = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _sleep(self, seconds: float = BEAT) -> None:
        """Wait for a signal or a sign of life."""
        watched = {child.watchdog: child for child in self.children.values()}
        ready, _, _ = select.select([*watched, self.wake_read], [], [], seconds)
        for handle in ready:
            if handle in watched and _drain(handle):
                watched[handle].seen = time.monotonic()
            elif handle == self.wake_read:
                _drain(handle)

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.evented:
                self.evented = None
            child = self.children.pop(pid, None)
            if child is not None:
                os.close(child.watchdog)

    def _kill_overdue(self) -> None:
        for child in self.children.values():
            if child.limit and time.monotonic() - child.seen >= child.limit:
                _logger.error("%s (%s) timeout after %ds", child.kind, child.pid, child.limit)
                _kill(child.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Drain: workers end after the request that they are at, at the latest after their time limit."""
        _logger.info("Stopping gracefully")
        if self.socket is not None:
            self.socket.close()
        if self.evented is not None:
            _kill(self.evented, signal.SIGKILL)
            self.evented = None
        self.signals.clear()
        for pid in self.children:
            _kill(pid, signal.SIGINT)
        while self.children:
            self._reap()
            if any(number in (signal.SIGINT, signal.SIGTERM) for number in self.signals):
                break
            self._kill_overdue()
            self._sleep(0.1)
        for pid in self.children:
            _kill(pid, signal.SIGTERM)


def _time_limit(kind: str) -> float:
    """Seconds without a sign of life after which a worker is killed; 0 for no limit."""
    if kind == queue_job.JobRunner.kind:
        return 0.0
    cron_limit: float = config["limit_time_real_cron"]
    return cron_limit if kind == CronWorker.kind and cron_limit >= 0 else float(config["limit_time_real"])


def _drain(handle: int) -> bool:
    try:
        return bool(os.read(handle, 4096))
    except BlockingIOError:
        return False


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        _logger.debug("Process %s is gone already", pid)
