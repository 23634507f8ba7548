"""The load that benchmarks put on production: visitors, users who read and write, and open websockets."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from deploy.bench import Figure
from tests.installation import Installation
from tests.load import Client, Load
from tests.users import Reader, Session, Websockets, Writer

VISITORS, READERS, WRITERS, WEBSOCKETS = 2, 2, 2, 10
PAUSE_S = 0.05  # each client waits that long between two requests
STATIC = "/berth_hello/static/src/version.txt"
PATHS = ("/web/login", STATIC)


class Crowd:
    """Users of production, as a context manager: through the router, or at a container's `address` with its ports."""

    def __init__(self, installation: Installation, session: Session, *, address: str = "") -> None:
        url = installation.demo()["production_url"]
        host = urlsplit(url).hostname
        web, gevent = (f"http://{host}:8069", f"http://{host}:8072") if address else (url, url)
        address = address or "127.0.0.1"
        self.writers = [Writer(session) for _ in range(WRITERS)]
        users: list[Client] = [*(Reader(session) for _ in range(READERS)), *self.writers]
        self.load = Load(web, PATHS, clients=VISITORS, pause=PAUSE_S, address=address, users=users)
        self.websockets = Websockets(gevent, WEBSOCKETS, address, session.cookie)
        self._installation, self._stack = installation, ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.websockets)
        self.websockets.wait()
        self._stack.enter_context(self.load)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._away = self.websockets.away
        self._stack.close()

    def move(self, address: str) -> None:
        """What is asked next is asked there."""
        self.load.address = self.websockets.address = address

    def figures(self) -> dict[str, Figure]:
        """After the block. Raises psycopg.Error where the database can't be asked what became of the writes."""
        counted, writes = self.load.figures(), self._installation.writes(self.writers)
        if counted.failures:
            print("failed:", ", ".join(f"{kind} ({times})" for kind, times in counted.failures.most_common()))
        return {
            "requests": counted.requests,
            "failed": counted.failed,
            "longest_gap_ms": counted.longest_gap_ms,
            "p50_ms": counted.p50_ms,
            "p99_ms": counted.p99_ms,
            "writes": writes.acknowledged,
            "writes_lost": writes.lost,
            "writes_doubled": writes.doubled,
            "websockets_closed": len(self.websockets.backs_ms) + self._away,
            "websockets_back_ms": round(max(self.websockets.backs_ms, default=0.0), 1),
            "websockets_away": self._away,
        }
