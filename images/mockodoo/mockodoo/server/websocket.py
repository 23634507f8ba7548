"""`/websocket` on the evented port: the handshake, then a connection that is kept alive and answers what it hears."""

import base64
import hashlib
import socket
import struct
from collections.abc import Iterable
from typing import Any

import werkzeug
from werkzeug.exceptions import BadRequest

from mockodoo.web.requests import Response

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REQUIRED = ("connection", "host", "sec-websocket-key", "sec-websocket-version", "upgrade", "origin")
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
KEEP_ALIVE = 30.0
"""Seconds of silence after which a ping is sent."""


class ConnectionClosed(ConnectionError):
    """The far end is gone. werkzeug drops the connection on a ConnectionError without a word."""


def upgrade(httprequest: werkzeug.Request) -> Response:
    """The answer to a handshake. Raises BadRequest without the headers it takes, RuntimeError on the other port."""
    missing = [name for name in REQUIRED if name not in httprequest.headers]
    if missing:
        raise BadRequest(f"Empty or missing header(s): {', '.join(missing)}")
    if not httprequest.environ.get("mockodoo.evented"):
        raise RuntimeError("Couldn't bind the websocket. Is the connection opened on the evented port (8072)?")
    return _Upgraded(httprequest.headers["sec-websocket-key"])


class _Upgraded(Response):
    def __init__(self, key: str) -> None:
        super().__init__(status=101)
        digest = hashlib.sha1((key + MAGIC).encode()).digest()
        self.headers.update(
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode()}
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Take the connection over from the HTTP server, for as long as it lasts."""
        connection: socket.socket = environ["werkzeug.socket"]
        self.headers.pop("Content-Length", None)
        self.headers.pop("Content-Type", None)
        lines = [f"{name}: {value}" for name, value in self.headers]
        connection.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode())
        converse(connection)
        raise ConnectionClosed


def converse(connection: socket.socket) -> None:
    """Echo text, answer pings, until the far end closes."""
    connection.settimeout(KEEP_ALIVE)
    while True:
        try:
            kind, payload = _receive(connection)
        except TimeoutError:
            connection.sendall(_frame(PING, b""))
            continue
        if kind == CLOSE:
            connection.sendall(_frame(CLOSE, payload[:2]))
            return
        if kind in (TEXT, PING):
            connection.sendall(_frame(PONG if kind == PING else TEXT, payload))


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    """The next frame: kind and payload, unmasked. Raises ConnectionClosed and TimeoutError."""
    first, second = _exactly(connection, 2)
    length = second & 0x7F
    if length >= 126:
        form = "!H" if length == 126 else "!Q"
        length = struct.unpack(form, _exactly(connection, struct.calcsize(form)))[0]
    mask = _exactly(connection, 4) if second & 0x80 else bytes(4)
    payload = _exactly(connection, length)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def _exactly(connection: socket.socket, count: int) -> bytes:
    pieces = b""
    while len(pieces) < count:
        piece = connection.recv(count - len(pieces))
        if not piece:
            raise ConnectionClosed
        pieces += piece
    return pieces


def _frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((0x80 | kind, length)) + payload
    return bytes((0x80 | kind, 126)) + struct.pack("!H", length) + payload
