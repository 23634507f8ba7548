"""Who listens to the router's request log: one thread takes lines as they come, another writes their sums.

So a slow database delays rows, and loses no line. Each runs until it meets something unexpected; then the agent ends,
and is started anew.
"""

import logging
import socket
import threading
import time
from contextlib import closing, suppress
from datetime import datetime
from types import TracebackType
from typing import Self

from django.db import DatabaseError, connection, transaction

from hosting.engines.haproxy import Request, RouterConfig, open_log
from hosting.engines.haproxy.requestlog import LINE_BYTES
from hosting.models import Instance, TrafficSecond, TrafficWatch
from hosting.traffic import Sums
from portal import clock

log = logging.getLogger(__name__)

WRITE_S = 1.0
LOOK_UP_S = 0.5  # from waiting for a line
AGAIN_S = 5.0  # until the log is opened again, where it can't be
VISIT_S = 5.0  # between two writes of one instance's last request: rows that others read and lock
ROWS_KEPT = 100_000  # while the portal's database is away; what is older is lost


class Listener:
    """Reads the log of one router; a context manager."""

    def __init__(self, config: RouterConfig) -> None:
        self._config = config
        self._sums, self._lock = Sums(), threading.Lock()
        self._since: datetime | None = None  # when listening began; None while nobody does
        self._ends = threading.Event()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._writer = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was read is written before the end, if it can be."""
        self._ends.set()
        self._reader.join()
        self._writer.join()

    def is_alive(self) -> bool:
        return self._reader.is_alive() and self._writer.is_alive()

    def _listen(self) -> None:
        while not self._ends.is_set():
            try:
                with closing(open_log(self._config)) as listening:
                    self._since = clock.now()
                    self._read(listening)
            except OSError as error:
                self._since = None
                log.warning("The router's request log can't be read; tried again in %g s: %s", AGAIN_S, error)
                self._ends.wait(AGAIN_S)

    def _read(self, listening: socket.socket) -> None:
        listening.settimeout(LOOK_UP_S)
        while not self._ends.is_set():
            with suppress(TimeoutError):
                request = Request.parse(listening.recv(LINE_BYTES).decode("ascii", "replace"))
                if request is not None:
                    with self._lock:
                        self._sums.add(request)

    def _write(self) -> None:
        writer, ends = Writer(), False
        with closing(connection):
            while not ends:
                if ends := self._ends.wait(WRITE_S):
                    self._reader.join()
                self._write_once(writer)

    def _write_once(self, writer: "Writer") -> None:
        with self._lock:
            rows, visits = self._sums.take()
            since, until = self._since, clock.now()
        writer.collect(rows, visits, since, until)
        try:
            writer.write()
        except DatabaseError as error:
            log.warning("What the router's request log said is written later: %s", error)
            connection.close()


class Writer:
    """Writes what was summed. What can't be written now is kept for the next time."""

    def __init__(self) -> None:
        self._rows: list[TrafficSecond] = []
        self._visits: dict[int, datetime] = {}
        self._visits_due = 0.0
        self._since: datetime | None = None
        self._until = clock.now()
        self._watch: TrafficWatch | None = None

    def collect(
        self, rows: list[TrafficSecond], visits: dict[int, datetime], since: datetime | None, until: datetime
    ) -> None:
        """`since` and `until`: in what time the log was listened to without a break; nobody does where it is None."""
        self._rows = (self._rows + rows)[-ROWS_KEPT:]
        self._visits |= visits
        self._since, self._until = since, until

    def write(self) -> None:
        """Raises DatabaseError, and has then written nothing."""
        with transaction.atomic():
            TrafficSecond.objects.bulk_create(self._rows, batch_size=1000)
            watch = self._watched()
        self._rows, self._watch = [], watch
        if self._visits and time.monotonic() >= self._visits_due:
            self._note_visits()
            self._visits_due = time.monotonic() + VISIT_S

    def _watched(self) -> TrafficWatch | None:
        """The row of this time of listening, up to now."""
        if self._since is None:
            return None
        if self._watch is None or self._watch.since != self._since:
            return TrafficWatch.objects.create(since=self._since, until=self._until)
        TrafficWatch.objects.filter(pk=self._watch.pk).update(until=self._until)
        return self._watch

    def _note_visits(self) -> None:
        """Instances that are locked just now have their turn next time."""
        with transaction.atomic():
            free = Instance.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=self._visits)
            noted = list(free.order_by("pk"))
            for instance in noted:
                instance.last_request_at = self._visits[instance.pk]
            Instance.objects.bulk_update(noted, ["last_request_at"])
        for instance in noted:
            del self._visits[instance.pk]
