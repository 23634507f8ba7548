"""One fetch of a mirror at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from projects.git.program import GitError


@contextmanager
def locked(path: Path, deadline: float, keep_going: Callable[[], None]) -> Iterator[None]:
    """The lock of the mirror at `path`, held by the kernel for this process, and so gone with it. Raises GitError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_name(path.name + ".flock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while not _try_lock(handle):
            keep_going()
            if time.monotonic() > deadline:
                raise GitError("Another fetch of this repository takes long. Try again later.", transient=True)
            time.sleep(0.2)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
