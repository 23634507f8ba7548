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

from hosting import places
from hosting.engines.postgres import dumps
from hosting.engines.restic import Repository
from hosting.models import VaultCopy
from portal import clock
from portal.stories import PlatformError

VERSION = 1  # of what the manifest says
FOLDER, TAG = "self", "self"  # of the repository, below the installation's own folder at the place
DATABASE, ENVIRONMENT, MANIFEST = "portal.dump", "env", "manifest.json"
KEPT = 30  # newest ones, where anything is ever let go
DUMP_S, STORE_S = 3600.0, 24 * 3600.0


def store(copy: VaultCopy, keep_going: Callable[[], None], say: Callable[[str], None]) -> None:
    """Raises PlatformError, ResticError, CommandError. Safe to repeat."""
    if not settings.BERTH_RECOVERY_KEY:
        raise PlatformError("There is no recovery key yet", "Nothing was stored.", "Run bin/up: it makes one.")
    folder = Path(settings.BERTH_HOME) / "run" / f"self-{copy.pk}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        _collect(copy, folder, keep_going)
        with places.opened(copy.place, FOLDER, settings.BERTH_RECOVERY_KEY) as there:
            _store(copy, there, folder, keep_going)
            say(f"{len(there.snapshots())} states of the installation are kept at {copy.place}.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _collect(copy: VaultCopy, folder: Path, keep_going: Callable[[], None]) -> None:
    dumps.dump(settings.BERTH_DATABASE_URL, folder / DATABASE, timeout=DUMP_S, keep_going=keep_going)
    shutil.copyfile(Path(settings.BERTH_HOME) / ".env", folder / ENVIRONMENT)
    manifest = {"version": VERSION, "taken_at": clock.now().isoformat(), "installation": settings.BERTH_INSTALLATION}
    (folder / MANIFEST).write_text(json.dumps(manifest | {"place": copy.place.name}, indent=1))


def _store(copy: VaultCopy, there: Repository, folder: Path, keep_going: Callable[[], None]) -> None:
    places.prepare(there, copy)
    there.store(folder, tag=TAG, timeout=STORE_S, told=lambda _progress: None, keep_going=keep_going)
    older = [snapshot.key for snapshot in there.snapshots()[:-KEPT]]
    if older and not copy.place.keeps_all:
        there.forget(older, timeout=STORE_S, keep_going=keep_going)
    there.check(timeout=places.CHECK_S, keep_going=keep_going)
