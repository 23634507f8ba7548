"""Clients that request an address all the time and count what went wrong.

*Failed* is what the whole project means by it: an exception, a reset, a timeout, 5xx, 404, 408 or 429. Nothing is tried
again, not even on a kept connection, where browsers would.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

TIMEOUT_S = 30.0
FAILED = frozenset({404, 408, 429})
UPDATING = "503, retry-after 5"  # as the router's "back in a moment" page says it


@dataclass(frozen=True)
class Figures:
    requests: int
    failed: int
    longest_gap_ms: float  # the longest time in which no request ended well
    p50_ms: float
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


class Load:
    """Steady load on `url`; a context manager. Every second client keeps its connection, the others open one a request.

    The name in the URL is sent as Host, and the connection goes to `address` (loopback, where a router listens).
    """

    def __init__(
        self, url: str, paths: Sequence[str] = ("/web/login",), *, clients: int = 4, pause: float = 0.05,
        address: str = "127.0.0.1",
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        self._host, self._address, self._port = parts.netloc, address, parts.port or 80
        self._paths, self._pause = paths, pause
        self._answers: list[_Answer] = []
        self._stopped = threading.Event()
        self._began = 0.0
        self._threads = [
            threading.Thread(target=self._client, args=(number % 2 == 0,), name=f"load {number}", daemon=True)
            for number in range(clients)
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
        times = sorted((answer.ended - answer.began) * 1000 for answer in answers)
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

    def _client(self, keep: bool) -> None:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=TIMEOUT_S)
        for number in count():
            if self._stopped.is_set():
                break
            began = time.monotonic()
            problem = self._request(connection, self._paths[number % len(self._paths)], keep)
            self._answers.append(_Answer(began, time.monotonic(), problem))
            if problem or not keep:
                connection.close()
            self._stopped.wait(self._pause)
        connection.close()

    def _request(self, connection: http.client.HTTPConnection, path: str, keep: bool) -> str:
        headers = {"Host": self._host, "Connection": "keep-alive" if keep else "close"}
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        if response.status not in FAILED and response.status < 500:
            return ""
        later = response.getheader("Retry-After")
        return f"{response.status}, retry-after {later}" if later else str(response.status)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank, of values in order; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
