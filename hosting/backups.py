"""Taking a backup: one moment of a database and the files that it names, as one snapshot in the project's vault.

    database/dump/   pg_dump's folder format, uncompressed: restic compresses, and finds what is new
    files/ab/ab01... the filestore
    manifest.json    how many rows each table has, the size of each file, which files attachments name that production
                     doesn't have, the commit, series, modules

The folder lies with the throwaway instance on which the backup is proven (hosting/drills.py): that is made first, so
that all that a backup needs goes with it. Only root enters it.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from hosting import copies, databases, filestores, instances, machines, pools
from hosting.engines.docker import Mount
from hosting.engines.postgres import DatabaseError
from hosting.engines.restic import (
    DiskFull,
    Progress,
    Repository,
    RepositoryDamaged,
    RepositoryMissing,
    ResticError,
    WrongKey,
)
from hosting.models import Backup, Instance, Pool, Vault
from portal import clock
from portal.stories import PlatformError
from portal.telling import Telling

VERSION = 1  # of what the manifest says
DUMP_S, STORE_S = 6 * 3600, 24 * 3600
LOCK_WAIT_S = 1800  # for a session that locks a table, such as an update from within Odoo: other backups stand behind
UPDATE_S, POLL_S = 3600.0, 1.0  # how long the end of an update is waited for
LACKING, SHOWN = 1_000_000, 20  # files that production doesn't have: as many are noted, and said
TRIES = 3  # each may be ended by an update that begins in its middle
PRODUCTION = "Production was only read."
_UPDATING = (Instance.Door.HELD, Instance.Door.UPDATING)


def repository(vault: Vault) -> Repository:
    above = Path(settings.BERTH_HOME) / "vaults"
    above.mkdir(mode=0o700, exist_ok=True)
    return Repository(above / str(vault), vault.key)


def folder(backup: Backup) -> Path:
    """Where its pieces lie while it is taken or proven."""
    assert backup.drill is not None
    return machines.folder(backup.drill) / "backup"


# --- the throwaway ----------------------------------------------------------------------------------------------------
def throwaway(backup: Backup) -> Pool:
    """An instance in `lab` with the code that serves production, made on the first call. Its door is never opened."""
    if backup.drill is None:
        with transaction.atomic():
            backup.drill = instances.create_throwaway(backup.instance, "drill", f"the proof of {backup}")
            pool = same_code(backup.instance, backup.drill)
            backup.commit = pool.commit
            backup.save(update_fields=["drill", "commit"])
    return backup.drill.pools.select_related("instance__host", "instance__database_server").get()


def same_code(production: Instance, drill: Instance) -> Pool:
    live = Instance.objects.select_related("live_pool").get(pk=production.pk).live_pool
    if live is None:
        raise PlatformError(
            "Nothing serves production at this moment",
            f"A backup is proven with the code that serves. {PRODUCTION}",
            "Deploy production, then back up again.",
        )
    return pools.create(
        drill,
        image_id=live.image_id,
        commit=live.commit,
        build_label=live.build_label,
        addons_path=live.addons_path,
        queue_job=live.queue_job,
        workers=2,
        replicas=1,
        memory_mb=live.memory_mb,
        cpus=live.cpus,
    )


def clear(backup: Backup) -> None:
    """Remove the throwaway with all that lies in it. Safe to repeat."""
    drill = backup.drill
    if drill is not None:
        Instance.objects.filter(pk=drill.pk, state=Instance.State.READY).update(state=Instance.State.NEW)
        if drill.state != Instance.State.REMOVED:
            instances.remove(drill)
        # Who lost the story to another worker must not forget that one's.
        Backup.objects.filter(pk=backup.pk, drill=drill).update(drill=None)
        backup.drill = None


# --- taking -----------------------------------------------------------------------------------------------------------
def collect(backup: Backup, telling: Telling) -> None:
    """Dump the database, link its files, write the manifest. Told again, it begins anew. Raises PlatformError.

    An update of the database that begins meanwhile does not wait for the dump: it ends its connections. The dump is
    taken again after it.
    """
    for _ in range(TRIES):
        serving = wait_until_whole(backup.instance, telling.keep_going)
        try:
            return _collect(backup, _with_code_of(serving, backup), telling)
        except (DatabaseError, PlatformError) as error:
            production = Instance.objects.get(pk=backup.instance_id)
            if production.door not in _UPDATING and production.live_pool_id == serving:
                raise
            telling.say(f"A deploy came between, which waits for no backup. {error}")
    raise PlatformError(
        "Deploys came between again and again",
        f"Each of {TRIES} dumps was ended by an update of the database. {PRODUCTION}",
        "Back up again when fewer are to come.",
    )


def _with_code_of(serving: int | None, backup: Backup) -> Pool:
    """The throwaway. One that was made before a deploy came is made anew: it has code of before its update."""
    pool = throwaway(backup)
    live = Pool.objects.filter(pk=serving or 0).first()
    if live is not None and live.image_id != pool.image_id:
        clear(backup)
        pool = throwaway(backup)
    return pool


def wait_until_whole(production: Instance, keep_going: Callable[[], None]) -> int | None:
    """A database that is being updated is half of one thing and half of another. Returns which pool serves then."""
    deadline = time.monotonic() + UPDATE_S
    while True:
        now = Instance.objects.get(pk=production.pk)
        if now.door not in _UPDATING:
            return now.live_pool_id
        if time.monotonic() > deadline:
            raise PlatformError(
                "Production is being updated",
                f"Its update has not ended within {UPDATE_S / 60:.0f} minutes; what would be backed up now is neither "
                f"the old state nor the new one. {PRODUCTION}",
                "Look at its deploy; then back up again.",
            )
        keep_going()
        time.sleep(POLL_S)


def _collect(backup: Backup, pool: Pool, telling: Telling) -> None:
    production, out = backup.instance, folder(backup) / "out"
    shutil.rmtree(out, ignore_errors=True)
    (out / "database").mkdir(mode=0o700, parents=True)
    folder(backup).chmod(0o700)
    pools.give_to_tenant(out / "database")
    telling.say("Linking the filestore.")
    size = filestores.link(production, out / "files", keep_going=telling.keep_going)
    _check_room(production, size)
    database = machines.database(production)
    with database.frozen(timeout=DUMP_S) as moment:
        taken_at = clock.now()
        telling.say("Counting rows.")
        rows, attached = moment.count_rows(telling.keep_going), moment.attached_files()
        modules = {module.name: module.version for module in database.module_states() if module.state == "installed"}
        _dump(production, pool, out / "database", moment.snapshot, telling)
    # Odoo writes a file before the row that names it, and may remove one at any time: what was there before the
    # moment and what is there after it, together, are all that the moment names.
    filestores.link(production, out / "files", keep_going=telling.keep_going)
    files = filestores.listed(out / "files")
    lacking = sorted(attached - files.keys())[:LACKING]
    backup.lacking = len(lacking)
    _write_manifest(backup, out, taken_at, {"rows": rows, "modules": modules, "files": files, "lacking": lacking})
    telling.say(f"{sum(rows.values()):,} rows of {len(rows)} tables, {len(files):,} files.")
    for name in lacking[:SHOWN]:
        telling.say(f"An attachment names {name}, which production doesn't have.")


def _check_room(production: Instance, files: int) -> None:
    """For the dump, for what the vault gains at most, and for the restored copy with its own. Raises PlatformError."""
    needed = databases.size(production) * 3 + files * 2
    databases.require_disk(needed, of="the backup and its proof", left=PRODUCTION, then="back up again")


def _dump(production: Instance, pool: Pool, target: Path, snapshot: str, telling: Telling) -> None:
    """By a container of the throwaway's name, so that a deploy of production has its own."""
    argv = ["pg_dump", "--format=directory", "--compress=0", "--no-owner", "--no-acl", f"--snapshot={snapshot}"]
    argv += [f"--lock-wait-timeout={LOCK_WAIT_S}s", f"--file={copies.INSIDE}/dump"]
    mount = Mount(str(target), copies.INSIDE, read_only=False)
    spec = replace(copies.plain_spec(pool, telling), argv=tuple(argv), mounts=(mount,))
    copies.run(copies.inside(production, spec, telling), production, telling, timeout=DUMP_S, doing="dumped")


def _write_manifest(backup: Backup, out: Path, taken_at: datetime, counted: dict[str, Any]) -> None:
    manifest = {"version": VERSION, "instance": backup.instance.name, "commit": backup.commit}
    manifest |= {"series": backup.instance.series, "taken_at": taken_at.isoformat(), **counted}
    content = json.dumps(manifest, indent=1, sort_keys=True).encode()
    (out / "manifest.json").write_bytes(content)
    backup.taken_at, backup.manifest_hash = taken_at, hashlib.sha256(content).hexdigest()
    backup.save(update_fields=["taken_at", "manifest_hash", "lacking"])


# --- storing ----------------------------------------------------------------------------------------------------------
def store(backup: Backup, *, told: Callable[[Progress], None], keep_going: Callable[[], None]) -> None:
    """Put what was collected into the vault. Told again it makes a second snapshot, which the clean-up removes.

    Raises PlatformError.
    """
    vault, out = repository(backup.vault), folder(backup) / "out"
    try:
        if not vault.exists() and not kept(backup.vault).exists():
            vault.create()
        stored = vault.store(out, tag=backup.tag, timeout=STORE_S, told=told, keep_going=keep_going)
    except ResticError as error:
        raise explained(error) from error
    backup.snapshot, backup.size_bytes, backup.new_bytes = stored.snapshot, stored.size, stored.new
    backup.save(update_fields=["snapshot", "size_bytes", "new_bytes"])


def lacked_before(backup: Backup) -> int:
    """How many of the files that attachments name production didn't have when it was backed up the time before."""
    before = Backup.objects.filter(instance=backup.instance_id, pk__lt=backup.pk).exclude(taken_at=None)
    return before.order_by("-pk").values_list("lacking", flat=True).first() or 0


def kept(vault: Vault) -> QuerySet[Backup]:
    """Backups whose content is there."""
    return Backup.objects.filter(vault=vault, forgotten_at=None).exclude(snapshot="")


def forget(vault: Vault, keys: set[int], *, keep_going: Callable[[], None]) -> int:
    """Remove the content of all backups but those with these keys, and what killed attempts left. Returns how many."""
    stays = set(kept(vault).filter(pk__in=keys).values_list("snapshot", flat=True))
    found = repository(vault)
    go = [snapshot.key for snapshot in found.snapshots() if snapshot.key not in stays]
    if go:
        found.forget(go, timeout=STORE_S, keep_going=keep_going)
    kept(vault).exclude(snapshot__in=stays).update(forgotten_at=clock.now())
    return len(go)


_REMEDIES: dict[type[ResticError], tuple[str, str]] = {
    WrongKey: ("The vault can't be opened with its key", "Put BERTH_FERNET_KEYS and the vault's folder back together."),
    RepositoryMissing: ("The vault is gone", "Put its folder back, or begin a new one: bin/berth vault."),
    RepositoryDamaged: ("The vault is damaged", "Look at the disk, then begin a new vault: bin/berth vault."),
    DiskFull: ("The disk of the vault is full", "Free some disk or add more, then back up again."),
}


def explained(error: ResticError) -> PlatformError:
    for kind, (title, remedy) in _REMEDIES.items():
        if isinstance(error, kind):
            return PlatformError(title, f"{error} {PRODUCTION}", remedy)
    return PlatformError("restic failed", f"{error} {PRODUCTION}", "Back up again; if it stays, tell the operator.")
