"""The proof of a backup: it is restored from nothing, compared with what was counted when it was taken, and opened.

No exit code is taken for it. All happens in `lab`, on a throwaway instance whose door is never opened: the dump is
restored by a container with no more than that database, as its role, since restoring runs what a tenant wrote. It is
neutralised before any code of the tenant's starts on it.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hosting import backups, copies, databases, filestores, machines, pools, proof
from hosting.engines.docker import Mount
from hosting.engines.restic import ResticError
from hosting.models import Backup, Pool
from hosting.odoo import commands
from hosting.odoo.loglines import read_run
from portal.telling import Telling

RESTORE_S, COUNT_S, OPEN_S, ANSWER_S = 24 * 3600, 6 * 3600, 1800, 600
SHOWN = 20  # lines of what is wrong
LAST_LINES = 20


class NotProven(Exception):
    """The backup is not what it should be. The message says in which way."""


def prove(backup: Backup, telling: Telling) -> float:
    """Restore the backup on its throwaway instance and look whether it is whole. Told again, it begins anew.

    Returns the seconds from nothing to Odoo's login page. Raises NotProven, PlatformError.
    """
    pool, restored = backups.throwaway(backup), backups.folder(backup) / "in"
    for role in pool.web:
        machines.engine(pool.instance.host).remove(pool.container(role))
    for used in (restored, backups.folder(backup) / "out"):  # what was stored is not looked at any more
        shutil.rmtree(used, ignore_errors=True)
    began = time.monotonic()
    _fetch(backup, restored, telling)
    manifest = _manifest(backup, restored)
    databases.start_afresh(pool.instance)
    _restore(pool, restored, telling)
    _compare(pool, restored, manifest, telling)
    _place_files(pool, restored / "files")
    _open(pool, telling)
    return time.monotonic() - began


def _fetch(backup: Backup, target: Path, telling: Telling) -> None:
    """What restic reads it compares with the hashes by which it was stored. Raises NotProven."""
    telling.say("Looking whether the vault is whole, and fetching the backup from it.")
    vault = backups.repository(backup.vault)
    try:
        # Restoring would look for minutes for a file that is gone: the check comes first.
        with telling.command(["restic", "check"]) as command:
            vault.check(keep_going=telling.keep_going)
            command.exit_code = 0
        target.mkdir(mode=0o700, parents=True)
        with telling.command(["restic", "restore", backup.snapshot]) as command:
            vault.restore(backup.snapshot, target, timeout=RESTORE_S, keep_going=telling.keep_going)
            command.exit_code = 0
    except ResticError as error:
        raise NotProven(f"{backups.explained(error).title}: {error}") from error


def _manifest(backup: Backup, restored: Path) -> dict[str, Any]:
    """Raises NotProven where it isn't the one that was written."""
    file = restored / "manifest.json"
    content = file.read_bytes() if file.exists() else b""
    if hashlib.sha256(content).hexdigest() != backup.manifest_hash:
        raise NotProven("The manifest in the vault is not the one that was written when the backup was taken.")
    found: dict[str, Any] = json.loads(content)
    return found


def _restore(pool: Pool, restored: Path, telling: Telling) -> None:
    telling.say("Restoring the database.")
    # Without comments: those on the extensions, which belong to the administrator, could not be restored.
    argv = ["pg_restore", "--no-owner", "--no-acl", "--no-comments", "--exit-on-error"]
    argv += [f"--dbname={pool.instance.database}", f"{copies.INSIDE}/dump"]
    mount = Mount(str(restored / "database"), copies.INSIDE, read_only=True)
    spec = replace(copies.plain_spec(pool, telling), argv=tuple(argv), mounts=(mount,))
    copies.run(copies.inside(pool.instance, spec, telling), pool.instance, telling, timeout=RESTORE_S, doing="restored")


def _compare(pool: Pool, restored: Path, manifest: Mapping[str, Any], telling: Telling) -> None:
    """Rows with the manifest; files with it, with their names, and with what attachments name. Raises NotProven."""
    telling.say("Comparing rows and files.")
    database = machines.database(pool.instance)
    with database.frozen(timeout=COUNT_S) as moment:
        rows, attached = moment.count_rows(telling.keep_going), moment.attached_files()
    wrong = rows_wrong(manifest["rows"], rows)
    wrong += filestores.wrong(restored / "files", manifest["files"], attached, keep_going=telling.keep_going)
    for line in wrong:
        telling.say(line)
    if wrong:
        more = [f"and {len(wrong) - SHOWN} more; the log of the backup has them all"] if len(wrong) > SHOWN else []
        raise NotProven("\n".join([*wrong[:SHOWN], *more]))
    telling.say(f"{sum(rows.values()):,} rows of {len(rows)} tables and {len(manifest['files']):,} files are there.")


def rows_wrong(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    return [
        f"{table} has {found.get(table, 'no')} rows, not {expected.get(table, 'any')}"
        for table in sorted({*expected, *found})
        if expected.get(table) != found.get(table)
    ]


def _place_files(pool: Pool, files: Path) -> None:
    """Where Odoo looks for them. From here on they are the tenant's."""
    filestore = machines.folder(pool.instance) / "data" / "filestore"
    shutil.rmtree(filestore, ignore_errors=True)
    filestore.mkdir()
    pools.give_to_tenant(filestore)
    if files.exists():
        target = filestore / pool.instance.database
        files.rename(target)
        for path in (target, *target.iterdir()):
            pools.give_to_tenant(path)


def _open(pool: Pool, telling: Telling) -> None:
    """Odoo loads every module on it, and then answers, its login page, an asset and a websocket. Raises NotProven."""
    copies.neutralise(pool, telling=telling)
    run = databases.run_odoo(pool, commands.open_argv(pool.instance.database), telling=telling, timeout=OPEN_S)
    report = read_run(run.lines)
    if run.exit_code or report.not_initialized or report.not_loaded:
        raise NotProven("\n".join(["Odoo could not open it.", report.summary, *run.lines[-LAST_LINES:]]))
    pools.start_web(pool)
    try:
        proof.prove(pool, timeout=ANSWER_S, say=telling.say, keep_going=telling.keep_going, hurry=True)
    except (proof.NotProven, proof.Died) as error:
        raise NotProven(f"Odoo does not answer on it. {error}\n{pools.last_words(pool, LAST_LINES)}") from error
