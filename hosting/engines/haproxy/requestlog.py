"""The request log: a line for each request to a hosted address, sent as a datagram to whoever listens.

HAProxy never waits for its log: what nobody takes is lost, and so is what comes faster than it is taken. Reading it is
optional for serving, and who reads has to say when he did not.
"""

import contextlib
import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from hosting.engines.haproxy.values import RouterConfig

Outcome = Literal["answered", "failed", "left", "websocket"]

LINE_BYTES = 2048  # a line has about 150; a longer one is none of ours
BUFFER_BYTES = 4 * 1024 * 1024
QUEUE = Path("/proc/sys/net/unix/max_dgram_qlen")  # datagrams that may wait in a socket made from now on
QUEUE_LENGTH = 2048  # the kernel's own 10 are less than what one screen of Odoo asks for at a time

# As haproxy.cfg.template writes it. A client chooses the method, which can hold no space. Times fit a column of a row.
_LINE = re.compile(
    r"(?P<ended>\d{13}) (?P<instance>i\d{1,12}) (?P<backend>[\w<>.-]+) (?P<status>-1|\d{1,3}) (?P<ending>[A-Za-z-]{2}) "
    r"\S+ held=(?P<held>-|\d{1,9}) queue=-?\d+ connect=-?\d+ answer=-?\d+ active=(?P<active>\d{1,9}) in=\d+ out=\d+",
    re.ASCII,
)
_BROKEN_OFF = frozenset("SsRIDKU")  # by the server, for want of something, or by the router; see "8.5" of its manual
_BEFORE_ANSWER = frozenset("RQCH")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as the router saw it end."""

    instance: str
    ended_ms: int  # since 1970
    active_ms: int  # from its first byte to the last byte of its answer, held or queued time included
    held_ms: int  # how long it waited in a hold; 0: it didn't
    backend: str  # `hosted` where the router answered by itself
    status: int  # -1: none was sent
    ending: str  # HAProxy's two letters: who ended it, and in what phase

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """None for anything else than a line of a request to an instance's address."""
        match = _LINE.fullmatch(line.rstrip("\n\0"))
        if match is None:
            return None
        held = match["held"]
        return cls(
            instance=match["instance"],
            ended_ms=int(match["ended"]),
            active_ms=int(match["active"]),
            held_ms=0 if held == "-" else int(held),
            backend=match["backend"],
            status=int(match["status"]),
            ending=match["ending"],
        )

    @property
    def outcome(self) -> Outcome:
        """What its client saw of the platform.

        *failed* is 5xx, 408, 429, no answer, and an answer that was broken off by the server or the router. A 404 is
        not: visitors of a living site ask for pages that are not there. Who went away before his answer *left*.
        Websockets, and long polls beside them, last as long as their page is open, and are counted apart.
        """
        by, phase = self.ending[0], self.ending[1]
        if self.status == 101 or self.backend.startswith("ws_"):
            return "websocket"
        if by in "Cc":
            return "left" if self.status < 100 or phase in _BEFORE_ANSWER else "answered"
        if self.status < 100 or self.status >= 500 or self.status in (408, 429):
            return "failed"
        return "failed" if by in _BROKEN_OFF else "answered"

    @property
    def reached_pool(self) -> bool:
        """Whether it was for Odoo: not one that the router answered by itself, and no websocket."""
        return self.backend.startswith("web_")


def open_log(config: RouterConfig) -> socket.socket:
    """Listen to the router's request log in place of who did so before. Raises OSError.

    The socket is put in place when it is complete: HAProxy, which looks for it anew with each line, may write to it.
    """
    new = config.log_socket.with_name(f"{config.log_socket.name}.new")
    new.unlink(missing_ok=True)
    _lengthen_queue()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        listening.bind(str(new))
        _let_write(new, config.group)
        new.replace(config.log_socket)
    except OSError:
        listening.close()
        raise
    return listening


def _lengthen_queue() -> None:
    """Let more lines wait while this process has no turn. Where that is not allowed, bursts are counted too low."""
    with contextlib.suppress(OSError):
        if int(QUEUE.read_text()) < QUEUE_LENGTH:
            QUEUE.write_text(str(QUEUE_LENGTH))


def _let_write(path: Path, group: str) -> None:
    """Nobody but the owner and the router may: a line that somebody else wrote would be believed."""
    path.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(path, group=group)
    path.chmod(0o620)
