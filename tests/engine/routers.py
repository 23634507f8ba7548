"""A real HAProxy for tests, with backends that are as odd as Odoo: HTTP/1.0, a connection per answer."""

import base64
import contextlib
import gzip
import hashlib
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosting.engines.haproxy import Router, RouterConfig, RouterState, Server

PREFIX = "berth-router-test-"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_leftovers() -> None:
    """End routers of test runs that were killed: their folder names the process that made it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if Path(f"/proc/{folder.name.removeprefix(PREFIX).split('-')[0]}").exists():
            continue
        with contextlib.suppress(OSError, ValueError):
            pid = int((folder / "run" / "router.pid").read_text())
            if os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def configured(**settings: Any) -> Iterator[Router]:
    """A router that has not been started yet; ended and removed afterwards."""
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)  # HAProxy's own user has to pass
    ports = {"router_port": free_port(), "portal_port": free_port()}
    router = Router(RouterConfig(folder / "haproxy", folder / "run", **{"slots": 4, **ports, **settings}))
    try:
        yield router
    finally:
        router.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(state: RouterState, **settings: Any) -> Iterator[Router]:
    with configured(**settings) as router:
        router.write(state)
        router.start()
        yield router


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it got. `/slow/0.5` takes half a second; `/as/text/css` says a lot, and that it is that."""

    server: "_Server"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self._websocket()
        else:
            self._answer()

    def do_POST(self) -> None:
        self._answer(sha1=hashlib.sha1(self.rfile.read(int(self.headers.get("Content-Length", "0")))).hexdigest())

    def _answer(self, **more: str) -> None:
        self.server.asked.append(self.path)
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/")))
        kind = self.path.removeprefix("/as/") if self.path.startswith("/as/") else "application/json"
        body = {"pool": self.server.pool, "port": self.server.kind, "path": self.path, **more}
        body["long"] = "x" * 5000 if self.path.startswith("/as/") else ""
        text = json.dumps({**body, "headers": {name.lower(): value for name, value in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Berth-Commit", "ffffffff")  # a tenant who would like to be another commit
        self.end_headers()
        self.wfile.write(text)

    def _websocket(self) -> None:
        """Accept, then hold the line until the other side ends it."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.protocol_version = "HTTP/1.1"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        with contextlib.suppress(OSError):
            while self.connection.recv(1024):
                pass
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    """Quiet about clients that leave, which is what some tests are about."""

    request_queue_size = 128
    pool: str
    kind: str
    asked: list[str]

    def handle_error(self, *_args: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            raise


@dataclass
class Pool:
    """Two ports that answer in the name of a pool."""

    name: str
    server: Server
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def pool(name: str, *, maxconn: int = 0) -> Iterator[Pool]:
    made = Pool(name, Server("127.0.0.1", free_port(), free_port(), maxconn))
    servers = []
    for kind, port in (("http", made.server.http_port), ("gevent", made.server.gevent_port)):
        server = _Server(("127.0.0.1", port), _Handler)
        server.pool, server.kind, server.asked = name, kind, made.asked
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
    try:
        yield made
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What a pool of ours says it got."""
        squeezed = self.headers.get("content-encoding") == "gzip"
        return dict(json.loads(gzip.decompress(self.body) if squeezed else self.body))


def fetch(
    router: Router,
    path: str = "/",
    host: str = "demo.localhost",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    port: int = 0,
) -> Answer:
    """One request on a connection of its own. Sends `path` as it is, dots, slashes and all."""
    connection = http.client.HTTPConnection("127.0.0.1", port or router.config.router_port, timeout=70)
    with contextlib.closing(connection):
        return ask(connection, path, host, method=method, body=body, headers=headers)


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    host: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection.request(method, path, body, {"Host": host, **(headers or {})})
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def websocket(router: Router, host: str = "demo.localhost") -> tuple[socket.socket, int]:
    """Open a websocket; the connection and the status of the answer."""
    connection = socket.create_connection(("127.0.0.1", router.config.router_port), timeout=20)
    connection.sendall(
        f"GET /websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    status = int(connection.recv(4096).split(b" ", 2)[1])
    return connection, status


def reset(connection: socket.socket) -> None:
    """Close without a word, as a client that loses its network."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Load:
    """Clients that ask until told to stop, and remember every failure. Half keep their connection, half take gzip.

    Failed is what a user would notice: an exception, a reset, a timeout, 5xx, 404, 408 or 429.
    """

    def __init__(self, router: Router, *, clients: int = 6, host: str = "demo.localhost") -> None:
        self.router, self.host = router, host
        self.pools: list[str] = []
        self.failures: list[str] = []
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(number % 2 == 0, number % 4 < 2)) for number in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 20.0) -> None:
        """Until `more` further requests are answered."""
        goal, deadline = len(self.pools) + more, time.monotonic() + seconds
        while len(self.pools) < goal:
            assert time.monotonic() < deadline, f"only {len(self.pools)} of {goal} answers; {self.failures[:3]}"
            time.sleep(0.01)

    def _client(self, keeps: bool, takes_gzip: bool) -> None:
        headers = {"Accept-Encoding": "gzip" if takes_gzip else "identity"}
        connection = http.client.HTTPConnection("127.0.0.1", self.router.config.router_port, timeout=70)
        while not self._done.is_set():
            try:
                answer = ask(connection, "/load", self.host, headers=headers)
                if answer.status in (404, 408, 429) or answer.status >= 500:
                    self.failures.append(f"{answer.status} {answer.body[:80]!r}")
                else:
                    self.pools.append(answer.seen["pool"])
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keeps:
                connection.close()
            time.sleep(0.002)
        connection.close()
