"""A worker: hears the rings of its queues, and answers each in a process of its own.

django-q2 keeps the rings (rows), but its cluster doesn't answer them. Workers of a cluster share a pipe: the one that
is killed while it waits there takes the pipe's lock with it, and the queue stands still for ever. Processes that are
forked for a ring share nothing but memory; hence those of several queues take little of it, too.
"""

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from portal import bell, stories, telling

log = logging.getLogger(__name__)

PAUSE_S = 0.2  # while as many are answered as may be at once, or the database is away
LOOK_S = 0.5  # for rings that were not heard, and for processes that have ended


class Command(BaseCommand):
    requires_system_checks = ()  # they load every page, which this process never shows
    help = "Answer the rings of queues until told to stop. Stories are then handed over after their present step."

    _stopping = False
    _resuming = True  # somebody may have died telling, and nobody rang for it yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queues", nargs="+", choices=settings.BERTH_WORKERS)

    def handle(self, *_args: Any, queues: list[str], **_options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        answering: dict[int, str] = {}  # processes, and of which queue
        while not self._stopping:
            self._bury(answering)
            self._resuming = self._resuming and not resume()
            busy = Counter(answering.values())
            free = [queue for queue in queues if busy[queue] < settings.BERTH_WORKERS[queue]]
            if not free:
                time.sleep(PAUSE_S)
            elif ring := next_ring(free):
                answering[_fork(ring)] = ring.key
        self._bury(answering)
        for pid in answering:
            os.kill(pid, signal.SIGTERM)
        for pid in answering:
            os.waitpid(pid, 0)

    def _stop(self, *_signal: object) -> None:
        self._stopping = True

    def _bury(self, answering: dict[int, str]) -> None:
        """Take out those of the processes that have ended, without leaving zombies."""
        ended = {pid: status for pid, status in (os.waitpid(pid, os.WNOHANG) for pid in answering) if pid}
        self._resuming = self._resuming or any(ended.values())
        for pid in ended:
            del answering[pid]


def next_ring(queues: Sequence[str]) -> OrmQ | None:
    """Take the oldest ring off these queues, or wait a moment for one; None where there is none."""
    try:
        bell.listen(queues)
        ring = take(queues)
        if ring is None:
            bell.wait(LOOK_S)
    except DatabaseError as error:
        log.warning("queues %s: %s", ", ".join(queues), error)
        connections.close_all()
        time.sleep(PAUSE_S)
        return None
    return ring


def take(queues: Sequence[str]) -> OrmQ | None:
    """The oldest ring. It is gone before it is answered: when whoever answers dies, the agent rings again."""
    ring = OrmQ.objects.filter(key__in=queues).order_by("pk").first()
    return ring if ring is not None and OrmQ.objects.filter(pk=ring.pk).delete()[0] == 1 else None


def _fork(ring: OrmQ) -> int:
    connections.close_all()  # two processes on one connection would read each other's answers
    return os.fork() or _answer(ring)


def _answer(ring: OrmQ) -> NoReturn:
    """What the forked process does. Nothing that happens here may lead it back into the worker's loop."""
    status = 0
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: telling.hand_over())
        import_string(ring.task["func"])(*ring.task["args"], **ring.task["kwargs"])
    except stories.PORTAL_AWAY:
        status = 1  # what it told goes on as soon as the database is back
        log.exception("ring %s", ring.pk)
    except BaseException:
        log.exception("ring %s", ring.pk)
    finally:
        logging.shutdown()
        os._exit(status)


def resume() -> bool:
    """Ring for what the dead told: visitors may be waiting for it. Failing that, the agent does when its lease ends.

    Whether that worked: the database may be what they died of, and is still away then.
    """
    try:
        stories.resume_dead()
    except DatabaseError as error:
        log.warning("resuming: %s", error)
        return False
    finally:
        connections.close_all()
    return True
