"""Filling an empty database from an archive that somebody brought (hosting/imports.py says which may come this far).

Restoring a foreign dump runs its code: a container does it, as the instance's own role, with no way to anything but
that database. What the dump set for role and database is set back afterwards; and it is looked at what came out of it.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from hosting import copies, databases, filestores, machines, pools
from hosting.engines.docker import Mount
from hosting.inside import unpack
from hosting.models import Instance, Pool
from portal.stories import ProjectError
from portal.telling import Telling

RESTORE_S, COUNT_S = 24 * 3600, 6 * 3600
PROGRAM, ARCHIVE, FILES = "/var/lib/berth-import/unpack.py", "/var/lib/berth-import/archive", "/var/lib/berth-files"
UNREADABLE = 3  # exit code of unpack.py for a dump that psql does not take
TABLES = ("ir_cron", "ir_mail_server", "fetchmail_server")  # what works by itself: see `InstanceDatabase.active`
LAST_LINES = 20
LEFT = "Nothing of it is left, and what served goes on serving."


def fill(pool: Pool, archive: Path, *, form: str, telling: Telling) -> None:
    """Make the database of `pool`'s instance, and its filestore, what the archive holds. Told again, it begins anew.

    Raises ProjectError, PlatformError.
    """
    instance = pool.instance
    databases.start_afresh(instance)
    files = _empty_filestore(instance)
    mounts = (
        Mount(str(archive), ARCHIVE, read_only=True),
        Mount(str(Path(unpack.__file__)), PROGRAM, read_only=True),
        Mount(str(files), FILES, read_only=False),
    )
    argv: tuple[str, ...] = ("python3", PROGRAM, ARCHIVE, FILES)
    if form == "custom":
        options = ("--no-owner", "--no-acl", "--no-comments", "--exit-on-error", f"--dbname={instance.database}")
        argv = ("pg_restore", *options, ARCHIVE)
    telling.say("Restoring the archive.")
    try:
        _run(pool, argv, mounts, telling)
    finally:
        databases.settle_role(instance)
    _check(instance, telling)


def _run(pool: Pool, argv: tuple[str, ...], mounts: tuple[Mount, ...], telling: Telling) -> None:
    spec = copies.inside(pool.instance, replace(copies.plain_spec(pool, telling), argv=argv, mounts=mounts), telling)
    said: list[str] = []

    def output(text: str) -> None:
        said.append(text)
        telling.log(text)

    with telling.command(argv) as command:
        command.exit_code = machines.engine(pool.instance.host).run_once(
            spec, timeout=RESTORE_S, output=output, keep_going=telling.keep_going
        )
    if command.exit_code:
        last = "\n".join("".join(said).splitlines()[-LAST_LINES:])
        raise ProjectError(
            "The archive could not be restored",
            f"{last}\n{LEFT}",
            "It holds what Odoo's own backups don't, or is damaged. Make it anew with Odoo's database manager.",
        )


def _empty_filestore(instance: Instance) -> Path:
    above = machines.folder(instance) / "data" / "filestore"
    shutil.rmtree(above, ignore_errors=True)
    for path in (above, above / instance.database):
        path.mkdir()
        pools.give_to_tenant(path)
    return above / instance.database


def _check(instance: Instance, telling: Telling) -> None:
    """That it is a database of this Odoo series, whatever the archive said of itself. Raises ProjectError."""
    database = machines.database(instance)
    states = {module.name: module for module in database.module_states()}
    base = states.get("base")
    if base is None or base.state != "installed":
        raise ProjectError(
            "There is no Odoo in the archive", f"Its database has no module base. {LEFT}", "Import a backup of Odoo."
        )
    if not base.version.startswith(f"{instance.series}."):
        raise ProjectError(
            f"This is a database of Odoo {base.version[:20]}",
            f"The project runs Odoo {instance.series}, which can't open it. {LEFT}",
            f"Upgrade it to {instance.series} first.",
        )
    with database.frozen(timeout=COUNT_S) as moment:
        attached = moment.attached_files()
    store = machines.folder(instance) / "data" / "filestore" / instance.database
    gone = sorted(attached - filestores.listed(store).keys())  # names that lead elsewhere are looked up nowhere
    if gone:
        telling.warn(f"{len(gone)} files that attachments name are not in the archive, such as {gone[0]}.")
