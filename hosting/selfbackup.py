"""The installation itself, stored at each place: the portal's database and `.env`, so that the places and the recovery
key alone bring everything back on an empty machine (deploy/restoreself.py).

The repository's password is BERTH_RECOVERY_KEY. Vaults are copied beside it, each with its own key, which the portal's
database holds, encrypted with the keys in `.env`.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from hosting import auditheads, places, states
from hosting.engines.postgres import dumps
from hosting.engines.restic import Repository
from hosting.models import Backup, Mail, VaultCopy
from portal import clock
from portal.stories import PlatformError

VERSION = 1  # of what the manifest says
FOLDER, TAG = places.SELF, "self"  # of the repository, below the installation's own folder at the place
DATABASE, ENVIRONMENT, MANIFEST = "portal.dump", "env", "manifest.json"
KEPT = 60  # newest ones, where anything is ever let go
LEFT_OUT = (Mail._meta.db_table,)  # large, and of databases that are copies themselves
DUMP_S, STORE_S = 3600.0, 24 * 3600.0


def store(copy: VaultCopy, keep_going: Callable[[], None], say: Callable[[str], None]) -> None:
    """Raises PlatformError, ResticError, CommandError. Safe to repeat."""
    if not settings.BERTH_RECOVERY_KEY:
        raise PlatformError("There is no recovery key yet", "Nothing was stored.", "Run bin/up: it makes one.")
    folder = Path(settings.BERTH_HOME) / "run" / f"self-{copy.pk}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    proven, head = list(Backup.objects.filter(forgotten_at=None, proof=Backup.Proof.PROVEN)), auditheads.tag()
    try:
        _collect(copy, folder, keep_going)
        with places.opened(copy.place, FOLDER, settings.BERTH_RECOVERY_KEY) as there:
            _store(copy, there, folder, f"{TAG},{head}", keep_going)
            say(f"{len(there.snapshots())} states of the installation are kept at {copy.place}.")
        copy.backups.set(proven)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _collect(copy: VaultCopy, folder: Path, keep_going: Callable[[], None]) -> None:
    url, file = settings.BERTH_DATABASE_URL, folder / DATABASE
    dumps.dump(url, file, timeout=DUMP_S, keep_going=keep_going, without_rows_of=LEFT_OUT)
    shutil.copyfile(Path(settings.BERTH_HOME) / ".env", folder / ENVIRONMENT)
    manifest = {"version": VERSION, "taken_at": clock.now().isoformat(), "installation": settings.BERTH_INSTALLATION}
    (folder / MANIFEST).write_text(json.dumps(manifest | {"place": copy.place.name}, indent=1))


def _store(copy: VaultCopy, there: Repository, folder: Path, tags: str, keep_going: Callable[[], None]) -> None:
    places.prepare(there, copy)
    stored = there.store(folder, tag=tags, timeout=STORE_S, told=lambda _progress: None, keep_going=keep_going)
    older = [snapshot.key for snapshot in states.in_order(there.snapshots())[:-KEPT]]
    older = [key for key in older if key != stored.snapshot]  # which the place may know to be behind another state
    if older and not copy.place.keeps_all:
        there.forget(older, timeout=STORE_S, keep_going=keep_going)
    there.check(timeout=places.CHECK_S, keep_going=keep_going)
