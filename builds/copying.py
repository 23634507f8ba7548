"""What the database of a staging build is filled with: a proven restore, production as it is, a backup, an upload."""

import shutil
from datetime import datetime, timedelta

from django.db.models import Max

from builds import upload as uploads
from builds.models import Build, Restore
from builds.origin import Origin, Way
from hosting import copies, databases, importing, machines, restored, restores
from hosting.filestores import Shared
from hosting.models import Backup, Instance, Pool
from portal import clock
from portal.stories import PlatformError, ProjectError
from portal.telling import Telling
from projects.models import Stage


def source_of(build: Build) -> Instance:
    """What is copied. Raises ProjectError where there is none."""
    production = build.project.branches.filter(stage=Stage.PRODUCTION).values("instance")
    source = Instance.objects.filter(pk__in=production, state=Instance.State.READY).first()
    if source is None:
        raise ProjectError(
            "There is no production database to copy",
            "A staging build is a neutralised copy of production, which has never been deployed here.",
            "Push to the production branch first, or move this branch to development.",
        )
    return source


def check_room(build: Build) -> None:
    """For a backup once fetched and once restored, or for all that comes out of an archive, which nobody asked the disk
    for yet. Raises PlatformError.
    """
    size = build.from_backup.size_bytes or 0 if build.from_backup is not None else 0
    if build.from_upload is not None:
        size = int(build.from_upload.found["bytes"])
    if size:
        databases.require_disk(size * 2.5, of="this copy", left="Nothing was made.", then="try again")


def fill(build: Build, source: Instance | None, pool: Pool, telling: Telling) -> tuple[Origin, Shared]:
    """With what somebody wanted; else from the newest proven restore that the branch's settings allow, which takes
    seconds; else with production as it is.
    """
    if build.from_upload is not None:
        upload = build.from_upload
        importing.fill(pool, uploads.file(upload), form=upload.found["form"], telling=telling)
        return Origin(Way.IMPORT), Shared()
    assert source is not None
    if build.from_backup is not None:
        return _from_backup(build.from_backup, pool, telling)
    return _from_restored(build, source, pool, telling) or _from_live(source, pool, telling)


def _from_backup(backup: Backup, pool: Pool, telling: Telling) -> tuple[Origin, Shared]:
    folder = machines.folder(pool.instance) / "backup"
    try:
        restores.fill(pool, backup, folder, telling)
    except restores.NotWhole as error:
        raise PlatformError("The backup can't be restored", str(error), "Choose another one.") from error
    shutil.rmtree(folder, ignore_errors=True)
    return Origin(Way.BACKUP, backup=backup.pk, taken_at=_said(backup.taken_at)), Shared()


def _said(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _from_restored(build: Build, source: Instance, pool: Pool, telling: Telling) -> tuple[Origin, Shared] | None:
    hours = build.branch.copy_hours
    backup = restored.newest(source, taken_after=_since(source, hours)) if hours else None
    if backup is None or backup.taken_at is None:
        why = f"No proven restore is younger than {hours} h" if hours else "The branch's settings want it so"
        telling.say(f"{why}: production is copied as it is now.")
        return None
    telling.say(f"From the proven restore of the backup of {backup.taken_at:%d %B, %H:%M} UTC.")
    shared = restored.clone(backup, pool, telling)
    if shared is None:
        telling.say("That one went away meanwhile: production is copied as it is now.")
        return None
    return Origin(Way.RESTORE, backup=backup.pk, taken_at=_said(backup.taken_at)), shared


def _since(source: Instance, hours: int) -> datetime:
    """The moment after which a backup must have been taken: not of what was there before another one was restored."""
    allowed = clock.now() - timedelta(hours=hours)
    last = Restore.objects.filter(branch__instance=source).aggregate(last=Max("switched_at"))["last"]
    return max(last, allowed) if last else allowed


def _from_live(source: Instance, pool: Pool, telling: Telling) -> tuple[Origin, Shared]:
    databases.start_afresh(pool.instance)
    taken_at = clock.now().isoformat()
    return Origin(Way.LIVE, taken_at=taken_at), copies.copy(source=source, pool=pool, telling=telling)
