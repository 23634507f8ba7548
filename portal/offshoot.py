"""A process that is forked off this one, forked again when it ends, and gone when this one is.

It shares the memory of this one, so that it costs little of it. Between them stands a third process that only waits: by
the time somebody has to fork again, this one has threads, whose locks a fork would copy as they stand.
"""

import gc
import logging
import os
import select
import signal
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

from django.db import connections

log = logging.getLogger(__name__)

PAUSE_S = 1.0  # between two attempts


class Offshoot:
    """Runs `work` with a file descriptor that becomes readable when it shall end; a context manager.

    To be entered before any thread is started.
    """

    def __init__(self, work: Callable[[int], None]) -> None:
        self._work = work
        self._pid = self._held = -1

    def __enter__(self) -> Self:
        connections.close_all()  # two processes on one connection would read each other's answers
        gc.freeze()  # so that looking for garbage touches, and so copies, nothing of what is shared
        lifeline, self._held = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._held)
            self._keep(lifeline)
        os.close(lifeline)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._held)
        if self._pid > 0:
            os.waitpid(self._pid, 0)

    def is_alive(self) -> bool:
        """Whether somebody looks after the process."""
        if self._pid > 0 and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = -1
        return self._pid > 0

    def _keep(self, lifeline: int) -> NoReturn:
        """Nothing that happens here may lead back into what the forking process does."""
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            while not select.select([lifeline], [], [], 0)[0]:
                pid = os.fork()
                if pid == 0:
                    self._begin(lifeline)
                os.waitpid(pid, 0)
                select.select([lifeline], [], [], PAUSE_S)
        finally:
            os._exit(0)

    def _begin(self, lifeline: int) -> NoReturn:
        try:
            self._work(lifeline)
        except BaseException:
            log.exception("ended; begun again in %g s", PAUSE_S)
        finally:
            logging.shutdown()
            os._exit(0)
