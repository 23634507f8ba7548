"""Reading a database's log files for a page. hosting/logrotation.py keeps them small.

The tenant can write in the folder: a file may be a link to /etc/shadow, a pipe that never answers, or replaced while it
is read. So every part of the path is opened beneath the one before, following no link, and only regular files are read.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from django.conf import settings

from hosting.models import Instance

BLOCK = 64 * 1024  # bytes that are read at a time
SCANNED = 8 * 1024 * 1024  # bytes that one answer looks through at most
ENTRIES = 400  # of one answer, more or less
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NAME = re.compile(r"odoo[\w.-]{0,100}\.log(\.\d{1,3})?")
_PREFIX = re.compile(rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ ([A-Z]{4,8}) ", re.MULTILINE)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # through folders where one may not look
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not wait for its writer


class NoSuchLog(Exception):
    """There is no such file, or it is something else than a regular file."""


@dataclass(frozen=True)
class LogFile:
    name: str
    size: int  # bytes
    changed_at: datetime


@dataclass(frozen=True)
class LogEntry:
    """A line with Odoo's prefix and those without that follow it."""

    at: int  # where it begins, in bytes
    level: str  # "" where the first line has no prefix
    text: str


@dataclass(frozen=True)
class LogPage:
    entries: list[LogEntry]
    start: int  # the page covers the bytes from here
    end: int  # to here
    inode: int = 0  # of this file, which keeps it when it is rotated


@dataclass(frozen=True)
class Wanted:
    """Which entries to show."""

    level: str = ""  # this one or a graver; "" for all
    text: str = ""  # contained, whatever the case

    def __call__(self, entry: LogEntry) -> bool:
        if self.level and (entry.level not in LEVELS or LEVELS.index(entry.level) < LEVELS.index(self.level)):
            return False
        return self.text.lower() in entry.text.lower()


def files(instance: Instance) -> list[LogFile]:
    """The database's log files, the one that was written last first."""
    try:
        with folder(instance) as beneath:
            return files_in(beneath)
    except OSError:
        return []


def files_in(folder: int) -> list[LogFile]:
    """Those in an opened folder."""
    found = [_look_at(folder, name) for name in os.listdir(folder) if is_name(name)]
    return sorted(filter(None, found), key=lambda file: file.changed_at, reverse=True)


def is_name(name: str) -> bool:
    """Whether a log file may have this name."""
    return _NAME.fullmatch(name) is not None


@contextmanager
def opened(instance: Instance, name: str) -> Iterator[BinaryIO]:
    """The file, to be given to the two below. Raises NoSuchLog."""
    if not is_name(name):
        raise NoSuchLog(name)
    try:
        with folder(instance) as beneath:
            descriptor = os.open(name, _FILE, dir_fd=beneath)
    except OSError as error:
        raise NoSuchLog(name) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoSuchLog(name)
        yield stream


def read_back(stream: BinaryIO, before: int | None, wanted: Wanted) -> LogPage:
    """Entries that end before byte `before` (None: the file's end): as many as make a page, oldest first."""
    end = start = min(_size(stream) if before is None else before, _size(stream))
    kept: list[LogEntry] = []
    while start > 0 and len(kept) < ENTRIES and end - start < SCANNED:
        begin = max(0, start - BLOCK)
        found = _entries(_bytes(stream, begin, start), begin, whole=begin == 0)
        start = found[0].at if found else begin
        kept = list(filter(wanted, found)) + kept
    return LogPage(kept, start, end, _inode(stream))


def read_on(stream: BinaryIO, after: int, wanted: Wanted) -> LogPage:
    """Entries that were written after byte `after`. A file that was cut or begun anew is read from its start."""
    start = after if after <= _size(stream) else 0
    block = _bytes(stream, start, min(_size(stream), start + BLOCK))
    complete = block.rfind(b"\n") + 1
    if not complete and len(block) == BLOCK:
        complete = BLOCK
    return LogPage(
        list(filter(wanted, _entries(block[:complete], start, whole=True))), start, start + complete, _inode(stream)
    )


def follow(instance: Instance, name: str, after: int, inode: int, wanted: Wanted) -> LogPage:
    """What was written after byte `after` of the file with that inode, which may have been rotated away since.

    An inode of 0 means whichever has the name now. Raises NoSuchLog.
    """
    rest = None
    with suppress(NoSuchLog), opened(instance, rotated(name, 1)) as stream:
        if _inode(stream) == inode:
            rest = read_on(stream, after, wanted)
    if rest is not None and rest.end > rest.start:
        return rest
    try:
        with opened(instance, name) as stream:
            return read_on(stream, after if inode in (0, _inode(stream)) else 0, wanted)
    except NoSuchLog:
        if rest is None:
            raise
        return rest  # its server has written nothing since


def rotated(name: str, number: int) -> str:
    """What a log file is called after `number` rotations."""
    return f"{name}.{number}" if number else name


@contextmanager
def folder(instance: Instance) -> Iterator[int]:
    """The folder of the log files, opened part by part beneath $BERTH_HOME. Raises OSError."""
    reached = os.open(settings.BERTH_HOME, _PASS)
    try:
        for part, flags in (("instances", _PASS), (instance.name, _PASS), ("log", _FOLDER)):
            inner = os.open(part, flags, dir_fd=reached)
            os.close(reached)
            reached = inner
        yield reached
    finally:
        os.close(reached)


def _look_at(folder: int, name: str) -> LogFile | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return LogFile(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _inode(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_ino


def _size(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size


def _bytes(stream: BinaryIO, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)


def _entries(block: bytes, at: int, *, whole: bool) -> list[LogEntry]:
    """The entries of a block that lies at byte `at`.

    Unless `whole`, what stands before the first prefix is left out: it belongs to an entry that begins in an earlier
    block. A block without any prefix is taken as it is.
    """
    starts = [(found.start(), found[1].decode()) for found in _PREFIX.finditer(block)]
    if block and (not starts or (whole and starts[0][0] > 0)):
        starts.insert(0, (0, ""))
    ends = [*(start for start, _level in starts[1:]), len(block)]
    return [
        LogEntry(at + start, level, block[start:end].decode(errors="replace").removesuffix("\n").rstrip("\r"))
        for (start, level), end in zip(starts, ends, strict=False)
    ]
