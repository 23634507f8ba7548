"""What runs in a forked child: HTTP workers and cron workers, until their master tells them to end."""

import errno
import logging
import os
import resource
import select
import signal
import socket
import time
from typing import Any

from mockodoo.options import config

from . import crons
from .wsgi import WorkerServer

_logger = logging.getLogger("odoo.service.server")
BEAT = 4.0
"""Seconds between two signs of life."""


class CpuTimeExceeded(Exception):
    """A request used more CPU than `limit_time_cpu`."""


class Worker:
    """Loops until SIGINT. `watchdog` is the end of a pipe on which it shows the master that it is alive."""

    kind = "Worker"

    def __init__(self, watchdog: int) -> None:
        self.watchdog, self.alive, self.requests = watchdog, True, 0
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)

    def run(self) -> None:
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGXCPU, self._cpu_time_is_up)
        signal.set_wakeup_fd(self.wake_write)
        if config["limit_memory_hard"]:
            resource.setrlimit(resource.RLIMIT_AS, (config["limit_memory_hard"], resource.RLIM_INFINITY))
        _logger.info("Worker %s (%s) alive", self.kind, os.getpid())
        self.work()
        _logger.info("Worker (%s) exiting. request_count: %s, registry count: %s.", os.getpid(), self.requests, 1)

    def work(self) -> None:
        raise TypeError(f"{self.kind} says nothing of its work")

    def beat(self) -> None:
        os.write(self.watchdog, b".")

    def _end(self, _signal: int, _frame: Any) -> None:
        self.alive = False

    def _cpu_time_is_up(self, _signal: int, _frame: Any) -> None:
        _logger.info("Worker (%d) CPU time limit (%s) reached.", os.getpid(), config["limit_time_cpu"])
        raise CpuTimeExceeded("CPU time limit exceeded.")


class HttpWorker(Worker):
    """Accepts from the master's socket, one connection at a time."""

    kind = "WorkerHTTP"

    def __init__(self, watchdog: int, application: Any, listening: socket.socket) -> None:
        super().__init__(watchdog)
        self.listening = listening
        self.server = WorkerServer(application, listening)

    def work(self) -> None:
        while self.alive:
            self.beat()
            select.select([self.listening.fileno(), self.wake_read], [], [], BEAT)
            if self.alive:
                self._accept()
            self._check_limits()

    def _accept(self) -> None:
        try:
            client, address = self.listening.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        client.setblocking(True)
        self.requests += 1
        self.beat()
        limit = int(time.process_time() + config["limit_time_cpu"])
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        self.server.process_request(client, address)

    def _check_limits(self) -> None:
        """End after so many requests, or with so much memory; the master puts another worker in the place."""
        if self.requests >= config["limit_request"]:
            self.alive = False
        memory = _virtual_memory()
        if config["limit_memory_soft"] and memory > config["limit_memory_soft"]:
            _logger.info("Worker (%d) virtual memory limit (%s) reached.", os.getpid(), memory)
            self.alive = False


class CronWorker(Worker):
    """Shows life once a round only, so that its idle sleep counts against `limit_time_real_cron`, as in Odoo."""

    kind = "WorkerCron"

    def work(self) -> None:
        crons.work(os.getpid() % 10, lambda: self.alive, self.beat)


def _virtual_memory() -> int:
    """Bytes of this process's address space."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
