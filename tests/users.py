"""Users of a hosted database: they sign in, read and write books of the demo's addon, and keep a websocket open.

An answer that says so is a promise: what a writer was told is written must be in the database once, whatever was
deployed meanwhile.
"""

import base64
import contextlib
import http.client
import json
import secrets
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from tests.load import Asked

MODEL = "library.book"
TIMEOUT_S = 30.0
AGAIN_S = 0.1  # between two tries to get a websocket back
LOOK_UP_S = 0.5


def rpc(path: str, cookie: str = "", **parameters: Any) -> Asked:
    call = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": parameters}
    return Asked(path, json.dumps(call).encode(), cookie)


def result(body: bytes) -> tuple[Any, str]:
    """What a call returned, and what went wrong instead: Odoo says that with status 200."""
    try:
        said = json.loads(body)
    except ValueError:
        return None, "no JSON"
    if "result" in said:
        return said["result"], ""
    error = said.get("error", {})
    return None, str(error.get("data", {}).get("name") or error.get("message") or "no result")


@dataclass(frozen=True)
class Session:
    """One who is signed in."""

    cookie: str

    @classmethod
    def begin(cls, url: str, database: str, login: str, password: str, *, address: str = "127.0.0.1") -> Self:
        """Raises PermissionError where that is refused."""
        parts = urlsplit(url)
        asked = rpc("/web/session/authenticate", db=database, login=login, password=password)
        connection = http.client.HTTPConnection(address, parts.port or 80, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(
                "POST", asked.path, asked.body, {"Host": parts.netloc, "Content-Type": "application/json"}
            )
            response = connection.getresponse()
            _said, problem = result(response.read())
        if problem:
            raise PermissionError(f"{login} can't sign in at {url}: {problem}")
        return cls(str(response.getheader("Set-Cookie")).partition(";")[0])

    def call(self, method: str, *arguments: Any, **keywords: Any) -> Asked:
        path = f"/web/dataset/call_kw/{MODEL}/{method}"
        return rpc(path, self.cookie, model=MODEL, method=method, args=arguments, kwargs=keywords)


class Reader:
    """Reads the newest books, which costs the same however many writers wrote: fails where he is signed in no more."""

    def __init__(self, session: Session) -> None:
        self._asked = session.call("search_read", [], fields=["name", "author"], order="id desc", limit=20)

    def ask(self) -> Asked:
        return self._asked

    def hear(self, body: bytes) -> str:
        return result(body)[1]


class Writer:
    """Writes a book with each request, and keeps the names of those that he was told are written."""

    def __init__(self, session: Session) -> None:
        self.acknowledged: list[str] = []
        self._session, self._numbers, self._name = session, count(1), ""
        self.mark = f"load-{secrets.token_hex(6)}"

    def ask(self) -> Asked:
        self._name = f"{self.mark}-{next(self._numbers)}"
        return self._session.call("create", {"name": self._name, "author": "a writer"})

    def hear(self, body: bytes) -> str:
        written, problem = result(body)
        if not problem and isinstance(written, int):
            self.acknowledged.append(self._name)
            return ""
        return problem or "no id"


@dataclass(frozen=True)
class Writes:
    acknowledged: int
    lost: int
    doubled: int

    @classmethod
    def of(cls, writers: Sequence[Writer], url: str) -> Self:
        """Compare what writers were told with what the database has; `url` is its own."""
        with psycopg.connect(url) as connection:
            cursor = connection.execute("SELECT name FROM library_book WHERE name LIKE 'load-%'")
            found = Counter(str(name) for (name,) in cursor)
        told = [name for writer in writers for name in writer.acknowledged]
        ours = tuple(f"{writer.mark}-" for writer in writers)
        return cls(
            acknowledged=len(told),
            lost=sum(name not in found for name in told),
            doubled=sum(times > 1 for name, times in found.items() if name.startswith(ours)),
        )


@dataclass
class Websockets:
    """Clients that keep a websocket open, and come back at once when it is closed; a context manager."""

    url: str
    number: int = 10
    address: str = "127.0.0.1"
    cookie: str = ""
    backs_ms: list[float] = field(default_factory=list)  # from each loss to the next handshake that went well
    _away: set[int] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._away = set(range(self.number))
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(self.number)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    @property
    def away(self) -> int:
        """How many are without a websocket now."""
        return len(self._away)

    def wait(self, timeout: float = 60.0) -> None:
        """Until all are there. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while self._away:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.away} of {self.number} websockets are not there after {timeout:.0f} s")
            time.sleep(0.05)

    def _work(self, number: int) -> None:
        lost: float | None = None
        while not self._stopped.is_set():
            with contextlib.suppress(OSError), self._connected() as connection:
                if lost is not None:
                    self.backs_ms.append((time.monotonic() - lost) * 1000)
                self._away.discard(number)
                self._converse(connection)
            if number not in self._away:
                lost = time.monotonic()
                self._away.add(number)
            self._stopped.wait(AGAIN_S)

    def _connected(self) -> socket.socket:
        """One that has shaken hands. Raises OSError."""
        parts = urlsplit(self.url)
        connection = socket.create_connection((self.address, parts.port or 80), timeout=TIMEOUT_S)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [
            "GET /websocket HTTP/1.1", f"Host: {parts.netloc}", f"Origin: http://{parts.netloc}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        ]  # fmt: skip
        lines += [f"Cookie: {self.cookie}"] if self.cookie else []
        try:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            if not connection.recv(4096).startswith(b"HTTP/1.1 101 "):
                raise ConnectionRefusedError
        except OSError:
            connection.close()
            raise
        return connection

    def _converse(self, connection: socket.socket) -> None:
        """Answer pings until the other side ends it, or we are told to stop. Raises OSError."""
        connection.settimeout(LOOK_UP_S)
        buffer = b""
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                piece = connection.recv(4096)
                if not piece:
                    return
                buffer = self._answer(connection, buffer + piece)

    def _answer(self, connection: socket.socket, buffer: bytes) -> bytes:
        """Answer the frames that are whole (RFC 6455, 5.2); the rest. Raises ConnectionResetError at a close."""
        while len(buffer) >= 2:
            kind, length, begins = buffer[0] & 0x0F, buffer[1] & 0x7F, 2
            if length >= 126:
                begins = 4 if length == 126 else 10
                length = int.from_bytes(buffer[2:begins])
            if len(buffer) < begins + length:
                break
            payload, buffer = buffer[begins : begins + length], buffer[begins + length :]
            if kind == 0x8:
                raise ConnectionResetError
            if kind == 0x9:
                mask = secrets.token_bytes(4)
                masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
                connection.sendall(struct.pack("!BB", 0x8A, 0x80 | len(payload)) + mask + masked)
        return buffer
