"""Asks a pool's ports what they answer, past the router: plain HTTP, with the Host header of its database."""

import base64
import http.client
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

TIMEOUT_S = 20.0  # the first login page of a fresh registry builds its assets
QUICK_S = 2.0
PAGE_LIMIT = 1_000_000


@dataclass(frozen=True)
class Answer:
    """Status 0 where there was none."""

    status: int
    text: str


def get(address: str, port: int, path: str, host: str, *, timeout: float = TIMEOUT_S) -> Answer:
    return _ask(address, port, path, {"Host": host}, timeout)


def call(address: str, port: int, path: str, host: str) -> Answer:
    """What a JSON-RPC call without parameters gets."""
    body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": {}, "id": 1})
    return _ask(address, port, path, {"Host": host, "Content-Type": "application/json"}, TIMEOUT_S, body)


def status(address: str, port: int, path: str, host: str) -> int:
    """The status of an answer that comes at once where all is well; 0 where none does."""
    return _ask(address, port, path, {"Host": host}, QUICK_S).status


def listens(address: str, port: int) -> bool:
    """Whether somebody takes connections there, who may be far from answering."""
    with suppress(OSError), socket.create_connection((address, port), QUICK_S):
        return True
    return False


def websocket(address: str, port: int, path: str, host: str) -> int:
    """The status that a websocket handshake gets; 101 is success (RFC 6455). The connection is closed then."""
    headers = {
        "Host": host,
        "Origin": f"http://{host}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
    }
    return _ask(address, port, path, headers, TIMEOUT_S).status


def _ask(
    address: str, port: int, path: str, headers: dict[str, str], timeout: float, body: str | None = None
) -> Answer:
    """`timeout` is for connecting, and for all that follows: a byte now and then must not hold up who asks."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.connect()
        with _hung_up(connection.sock, timeout) as late:
            connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
            response = connection.getresponse()
            text = "" if response.status == 101 else response.read(PAGE_LIMIT).decode(errors="replace")
        return Answer(0, "") if late.is_set() else Answer(response.status, text)
    except (OSError, http.client.HTTPException, ValueError):  # the last for a path that is no path
        return Answer(0, "")
    finally:
        connection.close()


@contextmanager
def _hung_up(line: socket.socket, after: float) -> Iterator[threading.Event]:
    """End the line `after` seconds, whoever still speaks; the event says that it came to that."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    clock = threading.Timer(after, hang_up)
    clock.start()
    try:
        yield late
    finally:
        clock.cancel()
