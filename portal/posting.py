"""Sends a POST to an address that a person named. It never reaches inside: private addresses are refused after the name
was looked up, the connection goes to the very address that was checked, and redirects are not followed.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from portal.lookup import Resolve, is_public, resolve_host

TIMEOUT = 10.0
"""Seconds for all of it: connecting, sending, and the answer."""
MAX_URL = 500
MAX_ANSWER = 10_000
"""Bytes of the answer that are kept; the rest isn't read."""
_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\]")


class BadAddress(Exception):
    """Nothing is sent to that address; the text says why."""


class NotSent(Exception):
    """Nobody answered; the text says why."""


@dataclass(frozen=True)
class Target:
    """A validated address, and the IP address of its host that is to be used."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"


@dataclass(frozen=True)
class Answer:
    code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def locate(url: str, *, allow_private: bool, resolve: Resolve = resolve_host) -> Target:
    """Look an address up. Each sending does so anew, and uses what this returned. Raises BadAddress."""
    scheme, host, port, path = _read(url)
    ips = resolve(host, port)
    if not ips:
        raise BadAddress(f"The host {host} can't be found.")
    if not allow_private and not all(map(is_public, ips)):
        raise BadAddress(f"{host} is an address inside a private network, to which Berth sends nothing.")
    return Target(scheme, host, port, path, ips[0])


def _read(url: str) -> tuple[str, str, int, str]:
    if len(url) > MAX_URL or not re.fullmatch(r"[!-~]+", url):
        raise BadAddress(f"The address is empty, longer than {MAX_URL} characters, or has spaces or letters in it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("The address can't be read.") from None
    if parts.scheme not in _PORTS:
        raise BadAddress("The address must begin with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("The address has a user or a password in it. Leave them out: deliveries are signed.")
    if not _HOST.fullmatch(parts.netloc.rpartition(":")[0] if port is not None else parts.netloc):
        raise BadAddress("The address has no host, or one with characters that can't stand there.")
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme, parts.hostname or "", port or _PORTS[parts.scheme], path + query


def post(
    target: Target, body: bytes, headers: Mapping[str, str], *, timeout: float = TIMEOUT, ca_file: str = ""
) -> Answer:
    """Send it, and return what was answered, whatever that is. `ca_file`: CAs to trust besides the machine's. Raises
    NotSent.
    """
    connection = _Connection(target, timeout, ca_file)
    clock = threading.Timer(timeout, connection.cut)  # a time limit of sockets begins anew with every byte
    clock.start()
    started = time.monotonic()
    try:
        connection.request("POST", target.path, body, {"Host": target.host_header, **headers})
        got = connection.getresponse()
        text = _storable(got.read(MAX_ANSWER).decode(errors="replace"))
        return Answer(
            got.status, {_storable(key): _storable(value[:500]) for key, value in got.getheaders()[:50]}, text
        )
    except (OSError, http.client.HTTPException) as error:
        late = time.monotonic() - started >= timeout
        reason = f"no answer within {timeout:.0f} s" if late else str(error) or type(error).__name__
        raise NotSent(_storable(f"{target.host_header} at {target.ip}: {reason}.")) from None
    finally:
        clock.cancel()
        connection.let_go()


def _storable(text: str) -> str:
    """PostgreSQL takes no zero byte in a text."""
    return text.replace("\0", "�")


class _Connection(http.client.HTTPConnection):
    """To the checked address; the host's name is only told to the server, and compared with its certificate."""

    def __init__(self, target: Target, timeout: float, ca_file: str) -> None:
        super().__init__(target.host, target.port, timeout=timeout)
        self._target, self._ca_file = target, ca_file
        self._line: socket.socket | None = None  # a second handle, to end it by while the first one is waited for

    def connect(self) -> None:
        self.sock = socket.create_connection((self._target.ip, self._target.port), self.timeout)
        self._line = self.sock.dup()
        if self._target.scheme == "https":
            context = ssl.create_default_context()
            if self._ca_file:
                context.load_verify_locations(self._ca_file)
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)

    def cut(self) -> None:
        """From another thread: whoever waits for the server stops waiting."""
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        self.close()
        if self._line is not None:
            self._line.close()
