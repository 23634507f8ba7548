"""What a pool answers was written by a tenant: no answer may take longer than it is given."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from hosting.engines import probe


class Pool:
    """A port that answers what a test wants, byte by byte or at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._caller, self._socket = ours, _ = socket.socketpair()
        self._over = threading.Event()

        def connect(connection: http.client.HTTPConnection) -> None:
            ours.settimeout(connection.timeout)
            connection.sock = ours

        monkeypatch.setattr(http.client.HTTPConnection, "connect", connect)

    def answer(self, first: bytes, drip: bytes = b"") -> None:
        def run() -> None:
            with self._socket, suppress(OSError):
                self._socket.recv(65536)
                self._socket.sendall(first)
                while drip and not self._over.wait(0.05):
                    self._socket.sendall(drip)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._caller.close()
        self._thread.join(10)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    pool = Pool(monkeypatch)
    yield pool
    pool.close()


def test_it_returns_status_and_text(pool: Pool) -> None:
    pool.answer(b"HTTP/1.0 200 OK\r\n\r\n<form>")
    assert probe.get("10.1.0.10", 8069, "/web/login", "shop.localhost") == probe.Answer(200, "<form>")


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"",
    ],
)
def test_a_byte_now_and_then_does_not_hold_it_up(pool: Pool, first: bytes) -> None:
    pool.answer(first, drip=b"x")
    began = time.monotonic()
    assert probe.get("10.1.0.10", 8069, "/", "shop.localhost", timeout=0.5) == probe.Answer(0, "")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "first", [b"", b"\x00\x01", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000]
)
def test_nonsense_is_no_answer(pool: Pool, first: bytes) -> None:
    pool.answer(first)
    assert probe.status("10.1.0.10", 8069, "/", "shop.localhost") == 0


@pytest.mark.parametrize("path", ["/web/assets/ä", "/web/assets/a b", "/web/assets/a\r\nX: 1"])
def test_a_path_that_is_none_is_no_answer(pool: Pool, path: str) -> None:
    pool.answer(b"HTTP/1.0 200 OK\r\n\r\n")
    assert probe.get("10.1.0.10", 8069, path, "shop.localhost") == probe.Answer(0, "")


def test_a_page_is_read_up_to_a_limit(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PAGE_LIMIT", 10)
    pool.answer(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100)
    assert probe.get("10.1.0.10", 8069, "/", "shop.localhost").text == "x" * 10


def test_a_handshake_is_not_read_on(pool: Pool) -> None:
    pool.answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", drip=b"x")
    assert probe.websocket("10.1.0.10", 8072, "/websocket", "shop.localhost") == 101
