"""Proven restores: of each production at most one database, restored from its backup, neutralised and opened (see
hosting/drills.py), stays in `lab` when that is done, so that staging copies are made of it within seconds.

It is the backup's `drill`, and READY; nothing runs on it and nobody may log in. It is a cache: it goes when a newer one
comes, when it is old, and where disk gets scarce. Who lets it go takes it from its backup first, so that who has copied
it meanwhile sees that by looking whether it still is the backup's.
"""

import shutil
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from hosting import backups, databases, filestores, instances, machine_state, machines, neutralising
from hosting.engines.docker import EngineError
from hosting.engines.postgres import DatabaseError, DatabaseMissing
from hosting.models import Backup, Instance, Pool
from portal import audit, clock
from portal.telling import Telling

KEPT = timedelta(days=7)  # no branch may ask for an older one


def kept() -> QuerySet[Backup]:
    """Backups whose restored database is still there, the newest first."""
    found = Backup.objects.filter(drill__state=Instance.State.READY).order_by("-taken_at", "-pk")
    return found.select_related("drill__host", "drill__database_server", "instance", "vault")


def keep(backup: Backup) -> None:
    """From now on copies are made of it, and no more of an older one. Only of a proven one, once its story is over
    but for that. Where disk is scarce it is removed. Safe to repeat.
    """
    if (
        backup.drill is None
        or machine_state.room(settings.BERTH_HOME).is_scarce
        or not backup.drill.neutralised.get("at")
    ):
        return backups.clear(backup)
    drill = backup.drill
    instances.stop(drill)
    shutil.rmtree(backups.folder(backup), ignore_errors=True)
    machines.cluster(drill.database_server).close_role(drill.database)
    with transaction.atomic():
        Instance.objects.filter(pk=drill.pk).update(state=Instance.State.READY)
        audit.record(by=None, verb="keep restored", object=drill.name, after={"backup": backup.pk})
    for other in kept().filter(vault=backup.vault).exclude(pk=backup.pk):
        let_go(other)
    return None


def let_go(backup: Backup) -> None:
    """Remove the restored database; the backup stays. Killed in the middle, the clean-up goes on."""
    drill = backup.drill
    if drill is not None and Backup.objects.filter(pk=backup.pk, drill=drill).update(drill=None):
        instances.remove(drill)


def outdated() -> QuerySet[Backup]:
    """Those of which no copy will be made any more; all of them where disk is scarce."""
    if machine_state.room(settings.BERTH_HOME).is_scarce:
        return kept()
    return kept().filter(Q(taken_at__lt=clock.now() - KEPT) | ~Q(instance__state=Instance.State.READY))


def newest(production: Instance, *, taken_after: datetime) -> Backup | None:
    return kept().filter(instance=production, taken_at__gt=taken_after).first()


def clone(backup: Backup, pool: Pool, telling: Telling) -> filestores.Shared | None:
    """Make the database of `pool`'s instance of the restored one, whatever an interrupted attempt left there.

    None, where that went away in the middle: what was made is not whole then. Raises DatabaseError, EngineError.
    """
    drill, target, shared = backup.drill, pool.instance, filestores.Shared()
    assert drill is not None
    made = machines.folder(target) / "files"
    shutil.rmtree(made, ignore_errors=True)
    try:
        databases.start_from(target, drill)
        filestores.gather(drill, made, shared, keep_going=telling.keep_going)
    except DatabaseMissing:  # `lab` may lose what it has
        let_go(backup)
        return None
    except (DatabaseError, EngineError, OSError):
        if _is_there(backup):
            raise
        return None
    if not _is_there(backup):
        return None
    filestores.place(made, target)
    neutralising.inherit(target, drill)
    return shared


def _is_there(backup: Backup) -> bool:
    return kept().filter(pk=backup.pk, drill=backup.drill_id).exists()
