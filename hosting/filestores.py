"""Filestores as root looks at them. The tenant owns the folder and may put anything there, links to the machine's own
files too, at any moment: no link is followed, and only regular files count.

Odoo calls a file by the SHA-1 of its content, below a folder of its first two digits (docs/odoo-image.md).
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hosting import machines, pools
from hosting.models import Instance

KeepGoing = Callable[[], None]

_CLONE = 0x40049409  # FICLONE of linux/fs.h
_CANT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EPERM, errno.EMLINK)
_SEALED = 0o444

_FOLDER = re.compile(r"[0-9a-f]{2}")
_FILE = re.compile(r"[0-9a-f]{40}")


def link(instance: Instance, target: Path, *, keep_going: KeepGoing) -> int:
    """Hard-link the instance's files to below `target`, beside those that are there. Returns how many bytes they have.

    They cost no room, and stay when Odoo removes its own. Safe to repeat.
    """
    size = 0
    with ExitStack() as opened:
        source = _open(machines.folder(instance), opened)
        for part in ("data", "filestore", instance.database):
            source = source and _enter(source, part, opened)
        for name in _names(source, _FOLDER) if source else ():
            keep_going()
            size += _link_shelf(source, name, target / name)
    return size


def _link_shelf(source: int, name: str, target: Path) -> int:
    with ExitStack() as opened:
        shelf = _enter(source, name, opened)
        if not shelf:
            return 0
        target.mkdir(parents=True, exist_ok=True)
        here = _open(target, opened)
        return sum(_link_one(file, shelf, here) for file in _names(shelf, _FILE))


def _link_one(name: str, source: int, target: int) -> int:
    """Link a regular file; how many bytes it has. 0 where there is none, any more."""
    try:
        if not _is_regular(name, source):
            return 0
        with suppress(FileExistsError):
            os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        if not _is_regular(name, target):  # the tenant was quicker
            os.unlink(name, dir_fd=target)
            return 0
        return os.stat(name, dir_fd=target, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _is_regular(name: str, folder: int) -> bool:
    return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


@dataclass
class Shared:
    """What `gather` brought over: how many files with how many bytes, and how many of them had to be copied."""

    files: int = 0
    size: int = 0
    copied: int = 0


def gather(source: Instance, made: Path, shared: Shared, *, keep_going: KeepGoing) -> None:
    """Put all files of `source` below `made`, beside those that are there, with as little room as the file system lets:
    as clones that share their blocks; else as hard links, sealed, so that neither tenant can write to what the other
    has; else as copies. Safe to repeat.
    """
    made.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as opened:
        above = _open(machines.folder(source), opened)
        for part in ("data", "filestore", source.database):
            above = above and _enter(above, part, opened)
        for name in _names(above, _FOLDER) if above else ():
            keep_going()
            _share_shelf(above, name, made / name, shared)


def place(made: Path, target: Instance) -> None:
    """Move files to where Odoo looks for them, in the place of all that an earlier attempt left there. Nothing of the
    tenant's may run. From here on the folders are the tenant's.
    """
    filestore = machines.folder(target) / "data" / "filestore"
    if filestore.is_symlink():
        filestore.unlink()
    shutil.rmtree(filestore, ignore_errors=True)
    filestore.mkdir()
    pools.give_to_tenant(filestore)
    if made.exists():
        moved = made.rename(filestore / target.database)
        moved.chmod(0o755)
        for path in (moved, *moved.iterdir()):
            pools.give_to_tenant(path)


def _share_shelf(source: int, name: str, target: Path, shared: Shared) -> None:
    with ExitStack() as opened:
        shelf = _enter(source, name, opened)
        if not shelf:
            return
        target.mkdir(exist_ok=True)
        here, there = _open(target, opened), set(os.listdir(target))
        for file in _names(shelf, _FILE):
            if file not in there:
                _share_one(file, shelf, here, shared)


def _share_one(name: str, source: int, target: int, shared: Shared) -> None:
    """A regular file. It is opened once, so that the tenant can't put another one in its place meanwhile."""
    try:
        held = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return  # gone, a link or a socket
        raise
    with open(held, "rb") as file:
        status = os.fstat(held)
        if not stat.S_ISREG(status.st_mode):
            return
        if not _cloned(held, name, target) and not _hard_linked(held, name, target):
            _copied(file, name, target)
            shared.copied += 1
        shared.files, shared.size = shared.files + 1, shared.size + status.st_size


def _cloned(held: int, name: str, target: int) -> bool:
    made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=target)
    try:
        fcntl.ioctl(made, _CLONE, held)
        os.fchown(made, pools.ODOO_UID, pools.ODOO_UID)
        return True
    except OSError as error:
        os.unlink(name, dir_fd=target)
        if error.errno not in _CANT:
            raise
        return False
    finally:
        os.close(made)


def _hard_linked(held: int, name: str, target: int) -> bool:
    """Root's and read-only from here on: Odoo still reads it, and removes it, as the folder is the tenant's own."""
    os.fchown(held, 0, 0)
    os.fchmod(held, _SEALED)
    try:
        os.link(f"/proc/self/fd/{held}", name, dst_dir_fd=target, follow_symlinks=True)
    except OSError as error:
        if error.errno not in _CANT:
            raise
        return False
    return True


def _copied(file: BinaryIO, name: str, target: int) -> None:
    made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=target)
    with open(made, "wb") as copy:
        shutil.copyfileobj(file, copy)
        os.fchown(made, pools.ODOO_UID, pools.ODOO_UID)


def listed(target: Path) -> dict[str, int]:
    """Files below a folder that only root enters, by names like `ab/ab01...`, with their sizes in bytes."""
    found: dict[str, int] = {}
    for shelf in sorted(target.iterdir()) if target.exists() else ():
        found |= {f"{shelf.name}/{file.name}": file.lstat().st_size for file in sorted(shelf.iterdir())}
    return found


def wrong(target: Path, expected: Mapping[str, int], attached: Iterable[str], *, keep_going: KeepGoing) -> list[str]:
    """What is wrong with the files below `target`, a line each: they should be the `expected` ones, each with the
    content after which it is called, and all that are `attached`.
    """
    there = listed(target)
    lines = [f"{name} is missing" for name in sorted(expected.keys() - there.keys())]
    lines += [f"{name} was not in the backup's list" for name in sorted(there.keys() - expected.keys())]
    for name in sorted(there.keys() & expected.keys()):
        keep_going()
        if there[name] != expected[name]:
            lines.append(f"{name} has {there[name]} bytes, not {expected[name]}")
        elif _sha1(target / name) != name.partition("/")[2]:
            lines.append(f"{name} has another content than the one it is called after")
    gone = sorted(set(attached) - expected.keys())
    return lines + [f"{name}, which an attachment names, was not among production's files" for name in gone]


def _sha1(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha1").hexdigest()


def _open(path: Path, opened: ExitStack) -> int:
    """A folder of root's own."""
    found = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.callback(os.close, found)
    return found


def _enter(above: int, name: str, opened: ExitStack) -> int:
    """A folder of the tenant's; 0 where it is gone, or is a link or a file."""
    try:
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    opened.callback(os.close, found)
    return found


def _names(above: int, wanted: re.Pattern[str]) -> list[str]:
    return sorted(name for name in os.listdir(above) if wanted.fullmatch(name))


# --- another one in its place -----------------------------------------------------------------------------------------
FILES, PUT_BY = "files", "put-by"  # in the folder aside: what was there before, and what is taken away again


def put_aside(instance: Instance, aside: Path) -> None:
    """Move the instance's files into `aside`, a folder that only root enters; where it has none, an empty one lies
    there. Nobody may write to them meanwhile. Safe to repeat.
    """
    aside.mkdir(mode=0o700, exist_ok=True)
    if os.path.lexists(aside / FILES):
        return
    with ExitStack() as opened:
        here, there = _store(instance, opened), _open(aside, opened)
        try:
            os.rename(instance.database, FILES, src_dir_fd=here, dst_dir_fd=there)
        except FileNotFoundError:
            (aside / FILES).mkdir()
            os.chown(aside / FILES, *_owner(here))


def move_in(instance: Instance, source: Instance) -> None:
    """The files of `source` become the instance's, which has put its own aside. Safe to repeat."""
    with ExitStack() as opened:
        here, there = _store(instance, opened), _store(source, opened)
        with suppress(FileNotFoundError):  # it has none, or they were moved already
            os.rename(source.database, instance.database, src_dir_fd=there, dst_dir_fd=here)


def bring_back(instance: Instance, aside: Path) -> None:
    """What was put aside becomes the instance's files again; what took its place is gone. Safe to repeat."""
    if os.path.lexists(aside / FILES):
        with ExitStack() as opened:
            here, there = _store(instance, opened), _open(aside, opened)
            with suppress(
                FileNotFoundError
            ):  # another name each time: Odoo may have made it anew since a call that died
                put_by = f"{PUT_BY}-{secrets.token_hex(4)}"
                os.rename(instance.database, put_by, src_dir_fd=here, dst_dir_fd=there)
            os.rename(FILES, instance.database, src_dir_fd=there, dst_dir_fd=here)
    shutil.rmtree(aside, ignore_errors=True)


def _store(instance: Instance, opened: ExitStack) -> int:
    """The folder in which the instance's filestore lies; made where it isn't there. Raises OSError."""
    data = _enter(_open(machines.folder(instance), opened), "data", opened)
    if not data:
        raise NotADirectoryError(f"{machines.folder(instance) / 'data'} is no folder")
    with suppress(FileExistsError):
        os.mkdir("filestore", dir_fd=data)
        os.chown("filestore", *_owner(data), dir_fd=data, follow_symlinks=False)
    store = _enter(data, "filestore", opened)
    if not store:
        raise NotADirectoryError(f"The filestore of {instance} is no folder")
    return store


def _owner(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_uid, found.st_gid
