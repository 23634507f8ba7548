"""Requests whose answer is a stream: attach and exec (raw, both ways), builds and pulls (one JSON object a line).

They go over a socket of our own. docker-py reads attach and exec past its own buffer, and so loses what the engine
sent in one piece with its headers (with a short command on a busy machine that is all); and what it reads in one
thread can't be cancelled from another.
"""

import http.client
import json
import re
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Self
from urllib.parse import urlencode

from hosting.engines.docker.errors import ContainerMissing, EngineError, EngineUnreachable, ImageMissing, TimedOut
from hosting.engines.docker.streams import PULSE, Frames, KeepGoing, pulsed

_ANSWER_TIMEOUT = 60.0
_PIECE = 65536
_CONTENT_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


def connect(url: str) -> socket.socket:
    """Raises EngineUnreachable; also where `url` is no unix:///path."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_TIMEOUT)
    try:
        if not url.startswith("unix://"):
            raise OSError("only unix:///path is supported")
        connection.connect(url.removeprefix("unix://"))
    except OSError as error:
        connection.close()
        raise _unreachable(url, error) from error
    return connection


class Wire:
    """An upgraded connection. Use as a context manager; the engine takes its end as a detach."""

    def __init__(self, url: str, target: str, body: bytes = b"") -> None:
        """POST the JSON `body` to `target`. Raises EngineUnreachable, ContainerMissing, EngineError."""
        self._socket = connect(url)
        self._received = b""
        self._frames = Frames()
        try:
            self._socket.sendall(_upgrade_request(target, body))
            self._expect_upgrade()
        except OSError as error:
            self.close()
            raise _unreachable(url, error) from error
        except EngineError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def heard(self) -> int:
        """How many bytes of output have come."""
        return self._frames.heard

    def close(self) -> None:
        self._socket.close()

    def talk(self, *, stdin: bytes | None, deadline: float, keep_going: KeepGoing) -> Iterator[str]:
        """Send `stdin` and its end; yield the output as it comes until the other side closes.

        `deadline` is a `time.monotonic()`. Raises TimedOut after it, and whatever `keep_going` raises.
        """
        pulse, unsent = pulsed(keep_going), memoryview(stdin or b"")
        self._socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if stdin is not None else 0))
            piece = self._received
            while True:
                if text := self._frames.feed(piece):
                    yield text
                pulse()
                if time.monotonic() > deadline:
                    raise TimedOut("The time limit was reached.")
                ready = sum(events for _, events in selector.select(timeout=PULSE))
                if ready & selectors.EVENT_WRITE:
                    unsent = self._send(unsent)
                    if not unsent:
                        selector.modify(self._socket, selectors.EVENT_READ)
                piece = b""
                if ready & selectors.EVENT_READ:
                    piece = self._receive()
                    if not piece:
                        return

    def _send(self, unsent: memoryview) -> memoryview:
        """Send a part, and the end of the stream behind the last. A container that reads no more is no error."""
        try:
            unsent = unsent[self._socket.send(unsent[:_PIECE]) :] if unsent else unsent
            if not unsent:
                self._socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return unsent
        except OSError:
            return memoryview(b"")
        return unsent

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_PIECE)
        except ConnectionResetError:
            return b""

    def _expect_upgrade(self) -> None:
        """Read the answer's head; what came behind it is the beginning of the stream."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, self._received = received.partition(b"\r\n\r\n")
        status = int(head.split(maxsplit=2)[1])
        if status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            length = _CONTENT_LENGTH.search(head)
            while length and len(self._received) < int(length[1]):
                self._received += self._more()
            missing = ContainerMissing if status == http.HTTPStatus.NOT_FOUND else EngineError
            raise missing(f"The engine refused to attach to the container: {_message(self._received)}")

    def _more(self) -> bytes:
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise ConnectionResetError("it closed the connection")
        return piece


class Stream:
    """A request that is answered by JSON objects, one a line, until the engine is done or `cancel` is called."""

    def __init__(self, url: str, target: str, params: Mapping[str, Any], body: BinaryIO | None = None) -> None:
        """POST the tar `body` to `target`. Raises EngineUnreachable; all else comes with the first object."""
        self._url, self._target, self._body = url, f"{target}?{urlencode(params)}", body
        self._socket = connect(url)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises ImageMissing, EngineError, EngineUnreachable."""
        connection = http.client.HTTPConnection("docker")
        connection.sock = self._socket
        # The engine says nothing while a command of a build says nothing.
        self._socket.settimeout(None)
        headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"} if self._body else {}
        try:
            connection.request("POST", self._target, body=self._body, headers=headers, encode_chunked=bool(self._body))
            with connection.getresponse() as response:
                if response.status != http.HTTPStatus.OK:
                    missing = ImageMissing if response.status == http.HTTPStatus.NOT_FOUND else EngineError
                    raise missing(f"The engine refused: {_message(response.read())}")
                rest = b""
                # Not `for line in response`, which takes a stream that broke off for one that ended.
                while piece := response.read1(_PIECE):
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (json.loads(line) for line in lines)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._url, error) from error
        finally:
            connection.close()

    def cancel(self) -> None:
        """Hang up, which makes the engine stop; wakes a thread that reads. May be called at any time, and twice."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _upgrade_request(target: str, body: bytes) -> bytes:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _message(body: bytes) -> str:
    """The engine's reason, which is JSON; where it came in chunks, or is none, the text as it is."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()


def _unreachable(url: str, error: Exception) -> EngineUnreachable:
    return EngineUnreachable(
        f"Docker Engine at {url} gave no answer ({error}). What runs goes on running. "
        "Look at `systemctl status docker`; the request may be repeated."
    )
