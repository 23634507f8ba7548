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
LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7), without the closing zero


def given() -> Path:
    """As the programs of bin/ found it; it may be a link (see `prepare`)."""
    return Path(os.environ.get("BERTH_HOME", "var")).absolute()


def find() -> Path:
    """The folder itself. All of Berth uses this path, so that no link has to be followed by whoever may not."""
    return given().resolve()


def prepare(given: Path, progress: Progress) -> Path:
    """Make the folder. Where others may not pass to it (below /root, say), it lies in /var/lib and `given` is a link.

    Raises SetupError.
    """
    home = given.resolve()
    closed = first_closed(home)
    if closed and (not home.exists() or not any(home.iterdir())):
        link, home = home, ELSEWHERE / f"berth-{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}"
        progress.say(f"{closed} lets no other user pass, as PostgreSQL and HAProxy must:")
        progress.say(f"the installation goes to {home}, and {link} links to it")
        refuse_long(home)
        home.mkdir(exist_ok=True)
        if link.exists():
            link.rmdir()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(home)
    elif closed:
        raise SetupError(
            f"PostgreSQL and HAProxy, which run as users of their own, can't reach {home}: {closed} lets nobody pass.",
            left="Nothing was changed.",
            todo=f"chmod o+x {closed} (others may then pass, not look around), or choose another BERTH_HOME.",
        )
    refuse_long(home)
    for name in FOLDERS:
        (home / name).mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    for closed_to_others in ("log", "instances", "builds", "git"):
        (home / closed_to_others).chmod(0o711)
    return home


def first_closed(home: Path) -> Path | None:
    """The outermost folder above `home` that other users may not pass."""
    return next((part for part in reversed(home.parents) if part.exists() and not part.stat().st_mode & 0o001), None)


def refuse_long(home: Path) -> None:
    """Raises SetupError. The path of a unix socket is limited, and HAProxy binds a longer name first."""
    longest = home / "run" / "router-master.sock.1234567.tmp"
    if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
        raise SetupError(
            f"The path {home} is too long: {longest} must fit into {LONGEST_SOCKET_PATH} bytes.",
            left="Nothing was changed.",
            todo="choose a shorter one: BERTH_HOME=/srv/berth bin/up",
        )


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
