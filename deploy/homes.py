"""`$BERTH_HOME`: where an installation keeps everything. PostgreSQL and HAProxy go there as users of their own."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.progress import Progress, SetupError

ELSEWHERE = Path("/var/lib")
FOLDERS = ("run", "log", "pg", "haproxy", "git", "builds", "instances", "static", "bench")
CLOSED_FOLDERS = ("log", "instances", "builds", "git")  # others may pass, as containers' users must, but not look
LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7), without the closing zero


def given() -> Path:
    """As the programs of bin/ found it; it may be a link (see `prepare`)."""
    return Path(os.environ.get("BERTH_HOME", "var")).absolute()


def find() -> Path:
    """The folder itself. All of Berth uses this path, so that no link has to be followed by whoever may not."""
    return given().resolve()


def prepare(given: Path, progress: Progress) -> Path:
    """Make the folder. Where it would not do (see `unfit`), it lies in /var/lib and `given` is a link to it.

    Raises SetupError.
    """
    home = given.resolve()
    reason = unfit(home)
    if reason and home.exists() and any(home.iterdir()):
        raise SetupError(
            f"{home} can't hold an installation: {reason}.",
            left="Nothing was changed.",
            todo="choose another BERTH_HOME; or, for a closed folder, chmod o+x: others may pass then, not look.",
        )
    if reason:
        link, home = home, ELSEWHERE / f"berth-{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}"
        progress.say(f"{reason}:\nthe installation goes to {home}, and {link} links to it")
        home.mkdir(parents=True, exist_ok=True)
        if link.exists():
            link.rmdir()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(home)
    for name in FOLDERS:
        (home / name).mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    for name in CLOSED_FOLDERS:
        (home / name).chmod(0o711)
    return home


def unfit(home: Path) -> str:
    """Why an installation can't lie here: PostgreSQL and HAProxy must get there, and paths of sockets are limited."""
    above = [part for part in reversed(home.parents) if part.exists()]
    closed = [part for part in above if not part.stat().st_mode & 0o001]
    if closed:
        return f"{closed[0]} lets no other user pass, as PostgreSQL and HAProxy must"
    longest = home / "run" / "router-master.sock.1234567.tmp"  # HAProxy binds this name, then renames it
    if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
        return f"{home} is too long for sockets in it ({LONGEST_SOCKET_PATH} bytes with {longest.name})"
    return ""


def remove(given: Path) -> None:
    """Delete the folder with all in it, and the link to it."""
    home = given.resolve()
    shutil.rmtree(home, ignore_errors=True)
    if given.is_symlink():
        given.unlink()


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One set-up of an installation at a time. Raises SetupError when another one is at work."""
    with (home / "run" / "set-up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"Another bin/up or bin/down is at work in {home}.",
                left="Nothing was changed.",
                todo="wait for its end.",
            ) from error
        yield
