"""What this machine has: disk, memory, limits of its kernel. Read off /proc and /sys, without asking a program."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC, SYS = Path("/proc"), Path("/sys")

FREE = 0.2  # of a disk, below which databases that are only there to be copied go
INOTIFY = {"max_user_watches": 524_288, "max_user_instances": 1_024}
"""A web server that watches its addons takes a watch a folder, and an instance a container."""


@dataclass(frozen=True)
class Room:
    """Of a file system, in bytes; `free` is what those who aren't root may use."""

    size: int
    free: int

    @property
    def is_scarce(self) -> bool:
        """Whether nothing is to be kept in it that can be made again."""
        return self.free < self.size * FREE


def room(folder: Path) -> Room:
    """Raises OSError."""
    state = os.statvfs(folder)
    return Room(size=state.f_blocks * state.f_frsize, free=state.f_bavail * state.f_frsize)


def used(folder: Path) -> int:
    """Bytes on disk of all that lies in a folder; no link is followed. What can't be looked at counts as nothing."""
    total = 0
    for at, _folders, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it has gone meanwhile
                total += os.lstat(os.path.join(at, name)).st_blocks * 512
    return total


def available_memory() -> int:
    """Bytes that programs may still take without swapping, as the kernel reckons."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", (PROC / "meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def raise_inotify() -> dict[str, tuple[int, int]]:
    """Raise the limits that are too low. Returns those that Berth may not raise: name -> what it is and should be."""
    short = {}
    for name, wanted in INOTIFY.items():
        file = PROC / "sys/fs/inotify" / name
        have = int(file.read_text())
        if have < wanted and not _write(file, wanted):
            short[f"fs.inotify.{name}"] = (have, wanted)
    return short


def _write(file: Path, value: int) -> bool:
    """In a container the file may be read-only, or take the value and forget it."""
    try:
        file.write_text(f"{value}\n")
        return int(file.read_text()) >= value
    except OSError:
        return False


def encrypted(folder: Path) -> bool:
    """Whether the disk under a folder is encrypted by this kernel (dm-crypt), itself or what it lies on."""
    device = folder.stat().st_dev
    return _crypt(SYS / f"dev/block/{os.major(device)}:{os.minor(device)}")


def _crypt(device: Path) -> bool:
    uuid = device / "dm/uuid"
    if uuid.exists() and uuid.read_text().startswith("CRYPT-"):
        return True
    below = device / "slaves"
    return below.is_dir() and any(_crypt(each) for each in below.iterdir())
