"""HAProxy's runtime API: one command, one answer, read strictly.

https://docs.haproxy.org/2.6/management.html#9.3
"""

import csv
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hosting.engines.haproxy.values import RouterDown, RouterError

_ANSWER_LIMIT = 64_000_000


class UnexpectedAnswer(RouterError):
    """HAProxy answered something else than its manual says; the change may or may not have been made."""

    def __init__(self, command: str, answer: str) -> None:
        super().__init__(f"The router answered {answer.strip()[:400]!r} to {command!r}.")
        self.command, self.answer = command, answer


@dataclass(frozen=True)
class Workers:
    """Process ids: the worker that takes new connections, and older ones that finish theirs after a reload."""

    current: tuple[int, ...]
    old: tuple[int, ...]

    @property
    def all(self) -> tuple[int, ...]:
        return self.current + self.old


@dataclass(frozen=True)
class Line:
    """One line of `show stat` about a backend or server: sessions now, limit, address, whether it is switched on."""

    proxy: str
    name: str
    sessions: int
    limit: int
    address: str
    ready: bool


def ask(path: Path, command: str, timeout: float = 5.0) -> str:
    """Send one command and return the whole answer. Raises RouterDown when nobody listens, RouterError otherwise."""
    pieces: list[bytes] = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)  # the master keeps the line open otherwise
            while piece := connection.recv(65536):
                pieces.append(piece)
                if len(pieces) * 65536 > _ANSWER_LIMIT * 16:
                    raise RouterError(f"The router's answer to {command!r} does not end.")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise RouterDown(f"No router listens at {path}. Its files are as they should be: start it.") from error
    except OSError as error:
        raise RouterError(f"The router did not answer {command!r} within {timeout:g} s: {error}.") from error
    return b"".join(pieces).decode()


def parse_workers(answer: str) -> Workers:
    """Read `show proc` of the master."""
    current: list[int] = []
    old: list[int] = []
    found: list[int] | None = None
    for line in answer.splitlines():
        if line.startswith("#"):
            found = {"# workers": current, "# old workers": old}.get(line.strip())
        elif line.strip() and found is not None:
            match = re.fullmatch(r"([0-9]+)\s+worker\s.*", line)
            if not match:
                raise UnexpectedAnswer("show proc", answer)
            found.append(int(match[1]))
    if "# workers" not in answer:
        raise UnexpectedAnswer("show proc", answer)
    return Workers(tuple(current), tuple(old))


def parse_map(command: str, answer: str) -> dict[str, str]:
    """Read `show map FILE`: a reference, the key and the value in each line."""
    entries: dict[str, str] = {}
    for line in answer.splitlines():
        if not line:
            continue
        match = re.fullmatch(r"0x[0-9a-f]+ (\S+) (\S+)", line)
        if not match:
            raise UnexpectedAnswer(command, answer)
        entries[match[1]] = match[2]
    return entries


def parse_stat(command: str, answer: str) -> Iterator[Line]:
    """Read `show stat`, lines of backends and servers; none when the proxy asked for is unknown."""
    if answer.strip() == "No such proxy.":
        return
    if not answer.startswith("# pxname,"):
        raise UnexpectedAnswer(command, answer)
    for row in csv.DictReader(answer.removeprefix("# ").strip().splitlines()):
        yield Line(
            proxy=row["pxname"],
            name=row["svname"],
            sessions=int(row["scur"] or 0),
            limit=int(row["slim"] or 0),
            address=row["addr"],
            ready=not row["status"].startswith("MAINT"),
        )
