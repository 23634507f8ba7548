"""Filling an empty database from a backup: fetched from the vault, restored, compared with what was counted once.

No exit code is taken for it. Restoring runs what a tenant wrote: a container does it, with no more than that database,
as its role.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hosting import backups, copies, databases, filestores, machines
from hosting.engines.docker import Mount
from hosting.engines.restic import ResticError
from hosting.models import Backup, Pool
from portal.telling import Telling

FETCH_S, COUNT_S = 24 * 3600, 6 * 3600
FLOOR_S, BYTES_A_SECOND = 3600.0, 1_000_000  # slower than that no disk is; see `patience`
JOBS = 2  # tables and indexes that are restored at once; more would take the cores from who serves
SHOWN = 20  # lines of what is wrong


class NotWhole(Exception):
    """What came out of the vault is not what was put there. The message says in which way."""


def fill(pool: Pool, backup: Backup, folder: Path, telling: Telling) -> dict[str, Any]:
    """Make the database of `pool`'s instance, and its filestore, what the backup holds. Told again, it begins anew.
    Returns the backup's manifest.

    `folder` is where the backup lies meanwhile, on the same disk; only root enters it. Raises NotWhole, PlatformError.
    """
    manifest = fetch(backup, folder, telling)
    databases.start_afresh(pool.instance)
    _restore(pool, folder, patience(backup), telling)
    _compare(pool, folder, manifest, telling)
    filestores.place(folder / "files", pool.instance)
    return manifest


def fetch(backup: Backup, target: Path, telling: Telling) -> dict[str, Any]:
    """Put what the vault has of it into the folder `target`, and nothing else. Returns its manifest.

    What restic reads it compares with the hashes by which it was stored. Raises NotWhole.
    """
    telling.say("Looking whether the vault is whole, and fetching the backup from it.")
    shutil.rmtree(target, ignore_errors=True)
    vault = backups.repository(backup.vault)
    try:
        # Restoring would look for minutes for a file that is gone: the check comes first.
        with telling.command(["restic", "check"]) as command:
            vault.check(keep_going=telling.keep_going)
            command.exit_code = 0
        target.mkdir(mode=0o700, parents=True)
        with telling.command(["restic", "restore", backup.snapshot]) as command:
            vault.restore(backup.snapshot, target, timeout=FETCH_S, keep_going=telling.keep_going)
            command.exit_code = 0
    except ResticError as error:
        raise NotWhole(f"{backups.explained(error).title}: {error}") from error
    return _manifest(backup, target)


def _manifest(backup: Backup, restored: Path) -> dict[str, Any]:
    """Raises NotWhole where it isn't the one that was written."""
    file = restored / "manifest.json"
    content = file.read_bytes() if file.exists() else b""
    if hashlib.sha256(content).hexdigest() != backup.manifest_hash:
        raise NotWhole("The manifest in the vault is not the one that was written when the backup was taken.")
    return {"lacking": [], **json.loads(content)}  # older ones don't say


def patience(backup: Backup) -> float:
    """Seconds in which it must be restored. A function of the tenant's, in an index, may never end; and all proofs of a
    host stand in one line.
    """
    return FLOOR_S + (backup.size_bytes or 0) / BYTES_A_SECOND


def _restore(pool: Pool, restored: Path, timeout: float, telling: Telling) -> None:
    telling.say("Restoring the database.")
    # Without comments: those on the extensions, which belong to the administrator, could not be restored.
    argv = ["pg_restore", "--no-owner", "--no-acl", "--no-comments", "--exit-on-error", f"--jobs={JOBS}"]
    argv += [f"--dbname={pool.instance.database}", f"{copies.INSIDE}/dump"]
    mount = Mount(str(restored / "database"), copies.INSIDE, read_only=True)
    spec = replace(copies.plain_spec(pool, telling), argv=tuple(argv), mounts=(mount,))
    copies.run(copies.inside(pool.instance, spec, telling), pool.instance, telling, timeout=timeout, doing="restored")


def _compare(pool: Pool, restored: Path, manifest: Mapping[str, Any], telling: Telling) -> None:
    """Rows with the manifest; files with it, with their names, and with what attachments name. Raises NotWhole.

    What production itself didn't have when the backup was taken can't be there.
    """
    telling.say("Comparing rows and files.")
    database = machines.database(pool.instance)
    with database.frozen(timeout=COUNT_S) as moment:
        rows, attached = moment.count_rows(telling.keep_going), moment.attached_files()
    attached -= set(manifest["lacking"])
    wrong = rows_wrong(manifest["rows"], rows)
    wrong += filestores.wrong(restored / "files", manifest["files"], attached, keep_going=telling.keep_going)
    for line in wrong:
        telling.say(line)
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more; the log of the backup has them all"] if len(wrong) > SHOWN else []
        raise NotWhole("\n".join([*wrong[:SHOWN], *more]))
    telling.say(f"{sum(rows.values()):,} rows of {len(rows)} tables and {len(manifest['files']):,} files are there.")


def rows_wrong(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    return [
        f"{table} has {found.get(table, 'no')} rows, not {expected.get(table, 'any')}"
        for table in sorted({*expected, *found})
        if expected.get(table) != found.get(table)
    ]
