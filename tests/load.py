"""Clients that request an address all the time and count what went wrong. Those who sign in and write: tests/users.py.

*Failed* is what the whole project means by it: an exception, a reset, a timeout, 5xx, 404, 408 or 429. Nothing is tried
again, not even on a kept connection, where browsers would.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

TIMEOUT_S = 30.0
FAILED = frozenset({404, 408, 429})
UPDATING = "503, retry-after 5"  # as the router's "back in a moment" page says it


@dataclass(frozen=True)
class Figures:
    requests: int
    failed: int
    longest_gap_ms: float  # the longest time in which no request ended well
    p50_ms: float  # of requests that were answered well
    p99_ms: float
    failures: Counter[str] = field(default_factory=Counter)  # by status or kind of exception

    def failed_but(self, *allowed: str) -> int:
        """Failed requests without those that a test expects (keys of `failures`)."""
        return self.failed - sum(self.failures[kind] for kind in allowed)


@dataclass(frozen=True)
class _Answer:
    began: float
    ended: float
    problem: str  # "" when all is well


@dataclass(frozen=True)
class Asked:
    """A request that a client wants to make."""

    path: str
    body: bytes | None = None  # with one, it is posted as JSON
    cookie: str = ""


class Client(Protocol):
    """What one client does again and again."""

    def ask(self) -> Asked: ...

    def hear(self, body: bytes) -> str:
        """What is wrong with an answer whose status is well; "" if nothing."""


class Visitor:
    """Asks for pages, one after the other."""

    def __init__(self, paths: Sequence[str], cookie: str = "") -> None:
        self._asked = cycle([Asked(path, cookie=cookie) for path in paths])

    def ask(self) -> Asked:
        return next(self._asked)

    def hear(self, body: bytes) -> str:
        return ""


class Load:
    """Steady load on `url`; a context manager. Every second client keeps its connection, the others open one a request.

    The name in the URL is sent as Host, and connections go to `address` (loopback, where a router listens), which may
    be changed meanwhile. There are `clients` visitors of `paths`, who take gzip as browsers do, and `users`.
    """

    def __init__(
        self, url: str, paths: Sequence[str] = ("/web/login",), *, clients: int = 4, pause: float = 0.05,
        address: str = "127.0.0.1", users: Sequence[Client] = (),
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        self.address = address
        self._host, self._port = parts.netloc, parts.port or 80
        self._pause = pause
        self._answers: list[_Answer] = []
        self._stopped = threading.Event()
        self._began = 0.0
        self._threads = [
            threading.Thread(target=self._work, args=(client, number % 2 == 0), name=f"load {number}", daemon=True)
            for number, client in enumerate([*(Visitor(paths) for _ in range(clients)), *users])
        ]

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 5)

    def wait_for(self, requests: int, timeout: float = 120.0) -> None:
        """Return once that many requests more were answered. Raises TimeoutError."""
        wanted, deadline = len(self._answers) + requests, time.monotonic() + timeout
        while len(self._answers) < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._host} answered less than {requests} requests within {timeout:.0f} s")
            time.sleep(0.05)

    def figures(self) -> Figures:
        """What was counted so far; after the block, everything."""
        answers = list(self._answers)
        times = _times(answers)
        well = sorted(answer.ended for answer in answers if not answer.problem)
        last = max((answer.ended for answer in answers), default=self._began)
        gaps = [after - before for before, after in pairwise([self._began, *well, last])]
        failures = Counter(answer.problem for answer in answers if answer.problem)
        return Figures(
            requests=len(answers),
            failed=failures.total(),
            longest_gap_ms=round(max(gaps, default=0.0) * 1000, 1),
            p50_ms=round(percentile(times, 50), 1),
            p99_ms=round(percentile(times, 99), 1),
            failures=failures,
        )

    def p99_within(self, spans: Sequence[tuple[float, float]]) -> float:
        """Of requests that were under way in any of these stretches of the monotonic clock, in milliseconds."""
        return percentile(
            _times(
                a for a in list(self._answers) if any(a.began < ends and a.ended > begins for begins, ends in spans)
            ),
            99,
        )

    def _work(self, client: Client, keep: bool) -> None:
        connection = http.client.HTTPConnection(self.address, self._port, timeout=TIMEOUT_S)
        while not self._stopped.is_set():
            began = time.monotonic()
            problem = self._request(connection, client, keep)
            self._answers.append(_Answer(began, time.monotonic(), problem))
            if problem or not keep or connection.host != self.address:
                connection.close()
                connection = http.client.HTTPConnection(self.address, self._port, timeout=TIMEOUT_S)
            self._stopped.wait(self._pause)
        connection.close()

    def _request(self, connection: http.client.HTTPConnection, client: Client, keep: bool) -> str:
        asked = client.ask()
        method = "GET" if asked.body is None else "POST"
        try:
            connection.request(method, asked.path, body=asked.body, headers=self._headers(asked, keep))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        if response.status not in FAILED and response.status < 500:
            return client.hear(body)
        later = response.getheader("Retry-After")
        return f"{response.status}, retry-after {later}" if later else str(response.status)

    def _headers(self, asked: Asked, keep: bool) -> Mapping[str, str]:
        headers = {"Host": self._host, "Connection": "keep-alive" if keep else "close"}
        if asked.body is None:
            headers["Accept-Encoding"] = "gzip"
        else:
            headers["Content-Type"] = "application/json"
        if asked.cookie:
            headers["Cookie"] = asked.cookie
        return headers


def _times(answers: Iterable[_Answer]) -> list[float]:
    """Milliseconds, in order, of what was answered well: a refused connection is quick."""
    return sorted((answer.ended - answer.began) * 1000 for answer in answers if not answer.problem)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank, of values in order; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
