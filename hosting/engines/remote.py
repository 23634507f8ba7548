"""Where restic repositories may lie besides this machine's disk, and how restic gets there with an account.

A folder (of another disk, or mounted), a folder on another machine by SFTP, or a bucket of an S3-compatible store.
https://restic.readthedocs.io/en/v0.14.0/030_preparing_a_new_repo.html
"""

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hosting.engines.restic import Repository, Unreachable

FORMS = (
    "/a/folder that is there already",
    "sftp://user@host:port//a/folder (with one slash less: below the user's own)",
    "s3:https://host:port/bucket/folder",
)
_FORM = re.compile(
    r"(/[\w./ -]+|sftp://[\w.-]+@[\w.-]+(:\d{1,5})?/[\w./-]+|s3:https?://[\w.-]+(:\d{1,5})?/[\w.-]+(/[\w./-]+)?)"
)
_VARIABLE = re.compile(r"AWS_[A-Z_]+=\S+")
_SSH_OPTIONS = (
    *("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new"),
    *("ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4"),
)


def kind(address: str) -> str:
    """What such an address leads to, for people."""
    if address.startswith("s3:"):
        return "An S3 store"
    return "A folder on another machine, by SFTP" if address.startswith("sftp:") else "A folder of this machine"


def wrong_address(address: str) -> str:
    """Why this is none, "" where it is."""
    if _FORM.fullmatch(address) and ".." not in address:
        return ""
    return "An address looks like one of these: " + "; ".join(FORMS)


def wrong_account(address: str, account: str) -> str:
    """Why the account is none for such an address, "" where it is."""
    lines = account.split("\n")
    if address.startswith("s3:") and not all(_VARIABLE.fullmatch(line) for line in lines):
        return "An S3 store needs AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=..., a line each."
    if address.startswith("sftp:") and "PRIVATE KEY" not in account:
        return "A place by SFTP needs a private SSH key."
    return ""


@contextmanager
def opened(base: str, folder: str, *, account: str, password: str, known_hosts: Path) -> Iterator[Repository]:
    """The repository in `folder` below `base`. The account's SSH key lies on disk no longer than this lasts.

    Raises Unreachable where a folder that should be there is not: its disk is not mounted, mostly.
    """
    address = f"{base.rstrip('/')}/{folder}"
    if base.startswith("s3:"):
        told = dict(line.split("=", 1) for line in account.split("\n") if "=" in line)
        yield Repository(address, password, environment=told)
    elif base.startswith("sftp:"):
        with tempfile.NamedTemporaryFile("w", prefix="berth-place-") as key:  # made with mode 0600
            key.write(account.strip() + "\n")
            key.flush()
            ssh = _ssh(urlsplit(base), key.name, known_hosts)
            yield Repository(address, password, options=(f"sftp.command={ssh}",))
    else:
        if not Path(base).is_dir():
            raise Unreachable(f"There is no folder {base}. Is its disk mounted?")
        yield Repository(address, password)


def _ssh(address: SplitResult, key: str, known_hosts: Path) -> str:
    """The host's own key is learnt at the first contact, and must be the same ever after."""
    options = [f"-o{option}" for option in (*_SSH_OPTIONS, f"UserKnownHostsFile={known_hosts}")]
    argv = ["ssh", "-i", key, "-p", str(address.port or 22), *options]
    return shlex.join([*argv, f"{address.username}@{address.hostname}", "-s", "sftp"])
