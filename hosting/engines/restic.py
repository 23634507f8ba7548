"""restic keeps backups: encrypted, and each piece of content once (Debian 12's 0.14: https://restic.readthedocs.io/).

A repository is a folder, here or on another machine, with a key of its own, which goes to restic in its environment,
never on its command line. It runs at the lowest priority for processor and disk, and dies with the process that started
it. The words by which its errors are told apart were read off 0.14; it prints no others that a program could read.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from portal.commands import CommandError, TimeUp, run

KeepGoing = Callable[[], None]

HOST = "berth"  # written into snapshots: the same for all, so that none depends on the machine's name
PROGRAM = (
    *("setpriv", "--pdeathsig", "KILL"),  # nobody else would end it when a worker is killed
    *("nice", "-n", "19", "ionice", "-t", "-c", "3"),
    *("restic", "--no-cache"),
)
QUICK_S = 600.0
ANSWER_S = 60.0  # for another machine; restic itself would go on asking for a quarter of an hour
LONGEST = 1000  # characters of what it printed that a message has


class ResticError(Exception):
    """restic could not do what it was told. What it printed is in the message; no backup was lost by it."""

    transient: ClassVar[bool] = False


class WrongKey(ResticError):
    """The repository has no key that this password opens."""


class RepositoryMissing(ResticError):
    """There is no repository where one was expected."""


class RepositoryDamaged(ResticError):
    """What lies in the repository is not what was put there."""


class DiskFull(ResticError):
    """There was no room for what was to be written."""


class Unread(ResticError):
    """Some of what was to be stored could not be read. The snapshot that was made without it is none."""


class Unreachable(ResticError):
    """The machine or disk on which the repository lies did not answer, or let nobody in."""

    transient = True


class Locked(ResticError):
    """Somebody else works on the repository, in a way that excludes what was wanted."""

    transient = True


@dataclass(frozen=True)
class Progress:
    """How far storing has come. `seconds_left` is restic's estimate, None while it has none."""

    bytes_done: int
    bytes_total: int
    seconds_left: int | None
    bytes_per_second: int | None = None


@dataclass(frozen=True)
class Stored:
    """A snapshot, with the bytes of all that is in it, and of what the repository did not have before."""

    snapshot: str
    size: int
    new: int


@dataclass(frozen=True)
class Snapshot:
    """`key` is its 64 hexadecimal digits."""

    key: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Repository:
    """`address` is a folder's path, or what restic knows others by: `sftp://...`, `s3:https://...`. `options` are
    restic's, `environment` may hold an account's key: neither is printed.
    """

    address: str | Path
    password: str = field(repr=False)
    options: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """Of one that lies on this machine."""
        return Path(self.address)

    def exists(self) -> bool:
        """Raises Unreachable where nobody can tell, WrongKey."""
        if str(self.address).startswith("/"):
            return (self.folder / "config").exists()
        try:
            self._run("cat", "config", "--no-lock", timeout=ANSWER_S)
        except RepositoryMissing:
            return False
        except TimeUp as error:
            raise Unreachable(f"There was no answer within {ANSWER_S:.0f} s.") from error
        return True

    def create(self, *, like: "Repository | None" = None) -> None:
        """Make it. What a killed attempt left there does no harm. Raises ResticError where there is one.

        What is copied to it from the one that it is made `like` is found there again, as both cut files alike.
        """
        alike = ["--copy-chunker-params", *(f"--option={option}" for option in like.options)] if like else []
        self._run("init", "--quiet", *alike, environment=_as_source(like) if like else {})

    def copy(self, source: "Repository", snapshots: Sequence[str], *, timeout: float, keep_going: KeepGoing) -> None:
        """Copy snapshots from another repository, with their tags. One that is there already is passed over.

        It gets another key here. Raises ResticError, TimeUp. What was copied until then isn't copied again.
        """
        self.unlock()
        options = [f"--option={option}" for option in source.options]
        self._run("copy", *options, *snapshots, timeout=timeout, keep_going=keep_going, environment=_as_source(source))

    def store(
        self,
        folder: Path,
        *,
        tag: str,
        timeout: float,
        told: Callable[[Progress], None],
        keep_going: KeepGoing,
    ) -> Stored:
        """Put what is in `folder` into a snapshot with this tag, or these, with commas between.

        Files that lie at the same path in the newest snapshot, with the same size, time and inode, are not read again:
        a hard link to an unchanged file is one. What can't be read is an error, though restic would go on.
        Raises ResticError, and TimeUp after `timeout` seconds.
        """
        self.unlock()
        messages = _Messages(told)

        def attempt(*parent: str) -> None:
            # Linking a file changes its ctime.
            options = ["--json", f"--host={HOST}", f"--tag={tag}", "--ignore-ctime", *parent]
            self._run("backup", *options, ".", cwd=folder, timeout=timeout, output=messages.read, keep_going=keep_going)

        newest = self.snapshots()[-1:]
        try:
            attempt(*(f"--parent={snapshot.key}" for snapshot in newest))
        except Unread:
            if not newest:
                raise
            attempt("--force")  # it may be the snapshot before that could not be read: without it
        summary = messages.summary
        # The summary has but 8 digits of its key.
        keys = [each.key for each in self.snapshots() if each.key.startswith(summary.get("snapshot_id", "-"))]
        if len(keys) != 1:
            raise ResticError(f"restic did not say which snapshot it made. It printed: {messages.rest[-500:]}")
        return Stored(keys[0], size=int(summary["total_bytes_processed"]), new=int(summary["data_added"]))

    def restore(self, snapshot: str, target: Path, *, timeout: float, keep_going: KeepGoing) -> None:
        """Write what is in a snapshot below `target`. Raises ResticError, TimeUp."""
        self._run("restore", snapshot, f"--target={target}", timeout=timeout, keep_going=keep_going)

    def check(self, *, read_data: bool = False, timeout: float = QUICK_S, keep_going: KeepGoing = lambda: None) -> None:
        """Raise RepositoryDamaged where something is missing, or, with `read_data`, altered in any place.

        Without it, contents of files are not read, only what says where they are.
        """
        data = ["--read-data"] if read_data else []
        self._run("check", "--no-lock", *data, timeout=timeout, keep_going=keep_going)

    def snapshots(self) -> list[Snapshot]:
        """All of them, the oldest first."""
        found: list[dict[str, Any]] = json.loads(self._run("snapshots", "--json", "--no-lock") or "[]") or []
        found.sort(key=lambda each: str(each["time"]))
        return [Snapshot(str(each["id"]), frozenset(each.get("tags") or ())) for each in found]

    def forget(self, snapshots: Sequence[str], *, timeout: float, keep_going: KeepGoing) -> None:
        """Remove snapshots, and contents that are in no other. Raises Locked while somebody stores or restores."""
        self.unlock()
        self._run("forget", "--prune", *snapshots, timeout=timeout, keep_going=keep_going)

    def unlock(self) -> None:
        """Remove locks of those who died: of processes that this machine has no more, or half an hour old."""
        self._run("unlock")

    def _run(
        self,
        *arguments: str,
        timeout: float = QUICK_S,
        cwd: Path | None = None,
        output: Callable[[str], None] = lambda _text: None,
        keep_going: KeepGoing = lambda: None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        told = {"RESTIC_REPOSITORY": str(self.address), "RESTIC_PASSWORD": self.password, "RESTIC_PROGRESS_FPS": "1"}
        told |= {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **self.environment, **environment}
        options = [f"--option={option}" for option in self.options]
        argv = [*PROGRAM, *options, *arguments]
        try:
            return run(argv, timeout=timeout, cwd=cwd, env=told, output=output, keep_going=keep_going).output
        except CommandError as error:
            if error.exit_code is None:  # its time was up, or it is not there
                raise
            raise _meant(error) from error


def _as_source(source: Repository) -> dict[str, str]:
    return {
        "RESTIC_FROM_REPOSITORY": str(source.address),
        "RESTIC_FROM_PASSWORD": source.password,
        **source.environment,
    }


class _Messages:
    """Reads the lines of JSON that `backup --json` prints, as they come."""

    def __init__(self, told: Callable[[Progress], None]) -> None:
        self._told, self._line = told, ""
        self.summary: dict[str, Any] = {}
        self.rest = ""  # what is no message

    def read(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except (ValueError, AttributeError):
                self.rest += f"{line}\n"

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("message_type") == "summary":
            self.summary = message
        elif message.get("message_type") == "status":
            left = message.get("seconds_remaining")
            done, total = int(message.get("bytes_done", 0)), int(message.get("total_bytes", 0))
            elapsed = int(message.get("seconds_elapsed", 0))
            rate = done // elapsed if elapsed else None
            self._told(Progress(done, total, None if left is None else int(left), rate))


UNREAD = 3  # exit code, of `backup` alone: https://restic.readthedocs.io/en/v0.14.0/040_backup.html#exit-status-codes

_MEANINGS: tuple[tuple[type[ResticError], tuple[str, ...]], ...] = (
    (DiskFull, ("no space left on device", "disk quota exceeded")),
    (Unreachable, ("connection refused", "no route to host", "i/o timeout", "no such host", "Connection timed out")),
    (Unreachable, ("Permission denied (publickey", "Host key verification failed", "Could not resolve hostname")),
    (Unreachable, ("Access Denied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "unable to start the sftp session")),
    (Locked, ("repository is already locked",)),
    (RepositoryMissing, ("unable to open config file", "Is there a repository at the following location")),
    (
        RepositoryDamaged,
        ("is damaged", "repository contains errors", "ciphertext verification failed", "not found in r"),
    ),
    (RepositoryDamaged, ("does not match, want", "unable to load index", "There were ", "no such file or directory")),
    (WrongKey, ("wrong password or no key found",)),
)


_FRAMES = re.compile(r"^\S+\n\t\S+\.\w+:\d+\n?", re.MULTILINE)  # of its stack, which it prints below some errors


def _meant(error: CommandError) -> ResticError:
    plain = _FRAMES.sub("", error.output)
    said = "\n".join(line for line in plain.splitlines() if line and not line.startswith("{"))
    if len(said) > LONGEST:
        said = f"{said[: LONGEST // 2]}\n...\n{said[-LONGEST // 2 :]}"
    for kind, words in _MEANINGS:
        if any(word in error.output for word in words):
            return kind(said)
    if error.exit_code == UNREAD:
        return Unread(said)
    return ResticError(f"restic ended with exit code {error.exit_code}: {said or error.output[-500:]}")
