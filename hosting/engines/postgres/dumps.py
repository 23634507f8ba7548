"""The portal's own database, whole, as a file. It holds no tenant's code, so restoring it needs no container."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal.commands import run

KeepGoing = Callable[[], None]


def dump(url: str, file: Path, *, timeout: float, keep_going: KeepGoing, without_rows_of: Sequence[str] = ()) -> None:
    """Uncompressed, as who stores it compresses. The tables `without_rows_of` are empty in it. Raises CommandError."""
    argv = ["pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-acl", f"--file={file}"]
    argv += [f"--exclude-table-data={table}" for table in without_rows_of]
    run(argv, timeout=timeout, env=_surroundings(url), keep_going=keep_going)


def load(url: str, file: Path, *, timeout: float) -> None:
    """Into an empty database; all of it or nothing. Raises CommandError."""
    argv = ["pg_restore", "--no-owner", "--no-acl", "--no-comments", "--single-transaction"]
    database = unquote(urlsplit(url).path.lstrip("/"))
    run([*argv, "--exit-on-error", f"--dbname={database}", str(file)], timeout=timeout, env=_surroundings(url))


def _surroundings(url: str) -> dict[str, str]:
    """libpq's variables: a password doesn't belong on a command line."""
    parts = urlsplit(url)
    told = {
        "PGHOST": unquote(parts.hostname or ""),
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
    return {"PATH": os.environ.get("PATH", os.defpath)} | {name: value for name, value in told.items() if value}
