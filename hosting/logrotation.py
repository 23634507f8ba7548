"""Keeps the log folders of databases small: files are rotated, and a folder that is too big is cut down.

The tenant can write in the folder, so everything is named beneath the folder's descriptor, and no link is followed.
Odoo looks before each line whether its file still has its name, and opens it anew where it doesn't (its handler is
Python's WatchedFileHandler): renaming loses no line.
"""

import logging
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass

from hosting import logfiles
from hosting.models import Instance

log = logging.getLogger(__name__)

MIB = 1024 * 1024
FULL = 10 * MIB  # bytes with which a file is rotated
GENERATIONS = 2  # of rotated files that are kept beside the one that is written
FOLDER_FULL = 200 * MIB  # bytes on disk of one folder, with all that lies in it
ENTRIES_FULL = 2000  # files and folders in one; each costs its reader time

_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Item:
    """What lies in a log folder under one name, with all that is in it."""

    name: str
    is_folder: bool
    is_log: bool
    used: int  # bytes on disk
    entries: int
    changed_at: float


def tidy_all() -> None:
    """All log folders. One that can't be tidied keeps no other from it."""
    for instance in Instance.objects.exclude(state=Instance.State.REMOVED):
        try:
            tidy(instance)
        except FileNotFoundError:
            continue  # it has logged nothing yet, or is being removed
        except (OSError, RecursionError) as error:
            log.warning("tidying the logs of %s: %s", instance.name, error)


def tidy(instance: Instance) -> None:
    """Rotate what is full, then cut the folder down. Raises OSError, RecursionError (folders in folders)."""
    with logfiles.folder(instance) as folder:
        for file in logfiles.files_in(folder):
            if file.size >= FULL and file.name.endswith(".log"):
                _rotate(folder, file.name)
                log.info("rotated %s of %s", file.name, instance.name)
        for item in excess([_measure(folder, name) for name in os.listdir(folder)]):
            _remove(folder, item)
            log.warning("removed %s of %s: its log folder is too big", item.name, instance.name)


def excess(items: list[Item]) -> list[Item]:
    """What has to go until the rest fits: first what is no log file, then the logs that were written longest ago."""
    used, entries = sum(item.used for item in items), sum(item.entries for item in items)
    gone = []
    for item in sorted(items, key=lambda item: (item.is_log, item.changed_at)):
        if used <= FOLDER_FULL and entries <= ENTRIES_FULL:
            break
        gone.append(item)
        used, entries = used - item.used, entries - item.entries
    return gone


def _rotate(folder: int, name: str) -> None:
    for number in range(GENERATIONS, 0, -1):
        older, newer = logfiles.rotated(name, number), logfiles.rotated(name, number - 1)
        with suppress(FileNotFoundError):
            os.rename(newer, older, src_dir_fd=folder, dst_dir_fd=folder)


def _measure(folder: int, name: str) -> Item:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    is_folder = stat.S_ISDIR(found.st_mode)
    used, entries = found.st_blocks * 512, 1
    for _path, folders, files, inner in os.fwalk(name, dir_fd=folder, follow_symlinks=False) if is_folder else ():
        entries += len(folders) + len(files)
        for each in files:
            with suppress(FileNotFoundError):
                used += os.stat(each, dir_fd=inner, follow_symlinks=False).st_blocks * 512
        if used > FOLDER_FULL or entries > ENTRIES_FULL:
            break
    is_log = stat.S_ISREG(found.st_mode) and logfiles.is_name(name)
    return Item(name, is_folder, is_log, used, entries, found.st_mtime)


def _remove(folder: int, item: Item) -> None:
    """A file is emptied first: who holds it open would keep its space."""
    if item.is_folder:
        shutil.rmtree(item.name, dir_fd=folder)
        return
    with suppress(OSError):
        descriptor = os.open(item.name, _WRITE, dir_fd=folder)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
    os.unlink(item.name, dir_fd=folder)
