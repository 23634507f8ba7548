"""Places beside this machine's disk: each vault is copied to all of them, encrypted with its own key as it is here.

The operator names them: bin/berth place. One that keeps all (an object lock, say) is only ever added to.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from django.conf import settings

from hosting import backups
from hosting.engines import remote
from hosting.engines.restic import Repository, Unreachable
from hosting.models import Backup, Place, Vault, VaultCopy

COPY_S = 7 * 24 * 3600.0  # over a slow line, the first time
CHECK_S = 12 * 3600.0
SELF = "self"  # the folder of the installation itself (hosting/selfbackup.py), beside those of the vaults

KeepGoing = Callable[[], None]


def opened(place: Place, folder: str, password: str) -> AbstractContextManager[Repository]:
    """A repository below the installation's own folder there. Raises Unreachable."""
    known_hosts = Path(settings.BERTH_HOME) / "vaults" / "known_hosts"
    known_hosts.parent.mkdir(mode=0o700, exist_ok=True)
    folder = f"{settings.BERTH_INSTALLATION}/{folder}"
    return remote.opened(place.address, folder, account=place.account, password=password, known_hosts=known_hosts)


def bring_up_to_date(copy: VaultCopy, keep_going: KeepGoing, say: Callable[[str], None]) -> None:
    """Copy what is missing there, let go what the rule keeps no longer, and look whether it is whole.

    Safe to repeat. Raises ResticError.
    """
    vault = copy.vault
    assert vault is not None
    ours = backups.repository(vault)
    with opened(copy.place, str(vault), vault.key) as there:
        prepare(there, copy, like=ours)
        kept = {backup.tag: backup for backup in backups.kept(vault)}
        found = {tag for snapshot in there.snapshots() for tag in snapshot.tags}
        missing = [backup.snapshot for tag, backup in kept.items() if tag not in found]
        if missing:
            say(f"Copying {len(missing)} backups.")
            there.copy(ours, missing, timeout=COPY_S, keep_going=keep_going)
        say(f"{_let_go(copy, there, keep_going)} were let go.")
        there.check(timeout=CHECK_S, keep_going=keep_going)
        tags = {tag for snapshot in there.snapshots() for tag in snapshot.tags}
    copy.backups.set([backup for tag, backup in kept.items() if tag in tags])


def prepare(there: Repository, copy: VaultCopy, *, like: Repository | None = None) -> None:
    """Make the repository where there was none before; one that is gone is never made anew. Raises ResticError.

    An empty folder is what a disk that is not mounted looks like.
    """
    if there.exists():
        return
    if copy.done_at is not None:
        raise Unreachable("The copy that was there is gone. Put it back, or remove the place and add it anew.")
    if str(there.address).startswith("/"):  # restic makes no folder above the repository's
        _demand_another(there.folder.parent, copy)
        os.makedirs(there.folder.parent, mode=0o700, exist_ok=True)
    there.create(like=like)


def _demand_another(folder: Path, copy: VaultCopy) -> None:
    """Where copies were brought to this place, one of them must be there. Raises Unreachable."""
    others = VaultCopy.objects.filter(place=copy.place).exclude(done_at=None).select_related("vault")
    names = [str(other.vault or SELF) for other in others]
    if names and not any((folder / name / "config").exists() for name in names):
        raise Unreachable(
            f"None of the {len(names)} copies that were brought to {folder} is there, so nothing was made in it. Is its"
            " disk mounted? Where they are lost, remove the place and add it anew."
        )


def _let_go(copy: VaultCopy, there: Repository, keep_going: KeepGoing) -> int:
    """Only what the rule has let go here: what no row knows may be the last trace of a machine that was lost."""
    if copy.place.keeps_all:
        return 0
    over = {backup.tag for backup in Backup.objects.filter(vault=copy.vault).exclude(forgotten_at=None)}
    gone = [snapshot.key for snapshot in there.snapshots() if snapshot.tags and snapshot.tags <= over]
    if gone:
        there.forget(gone, timeout=COPY_S, keep_going=keep_going)
    return len(gone)


def fetch(vault: Vault, place: Place, keep_going: KeepGoing) -> None:
    """The other way: copy what a place has of a vault to this machine. Safe to repeat. Raises ResticError."""
    ours = backups.repository(vault)
    with opened(place, str(vault), vault.key) as there:
        there.unlock()  # of who died with the machine
        found = there.snapshots()
        if not ours.exists():
            ours.create(like=there)
        here = {tag for snapshot in ours.snapshots() for tag in snapshot.tags}
        missing = [snapshot.key for snapshot in found if not snapshot.tags & here]
        if missing:
            ours.copy(there, missing, timeout=COPY_S, keep_going=keep_going)
