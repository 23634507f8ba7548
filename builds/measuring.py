"""The round that measures, every hour, what takes the disk: what belongs to whom, and what the operator may look at.

It may take minutes, so the other rounds don't wait for it.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection

from builds import room
from builds.models import Build, Retired
from hosting import machine_state, machines, preflight
from hosting.models import Backup, DatabaseServer, Host, Instance
from hosting.reconcile import FAULTS
from portal import alarms, clock
from portal.rounds import once
from projects import quota
from projects.models import DiskUse, Project

log = logging.getLogger(__name__)

Kind = DiskUse.Kind
LOCK = 0x6D656173  # any fixed number but that of the other rounds
Found = list[DiskUse]


@once(LOCK)
def measure() -> None:
    """What can't be measured now keeps its last measure."""
    for host in Host.objects.all():
        _try(partial(_disk, host))
    owners = _owners()
    parts: dict[tuple[Kind, ...], Callable[[], Found]] = {
        (Kind.DATABASE, Kind.TEMPLATE): lambda: _databases(owners),
        (Kind.FILES, Kind.LOGS): lambda: _folders(owners),
        (Kind.MIRROR,): _mirrors,
        (Kind.VAULT,): _vaults,
        (Kind.IMAGE, Kind.CACHE): _images,
        (Kind.OWN,): _own,
    }
    for kinds, part in parts.items():
        _try(partial(_write_down, kinds, part))

    _say_what_is_full()


def _say_what_is_full() -> None:
    for host in Host.objects.all():
        title = f"Less than {settings.BERTH_FREE_PERCENT} % of the disk of {host} is free"
        detail = "Old caches go and new builds wait; what serves goes on. The operator's page Disk says what takes it."
        alarms.keep(f"disk-{host.pk}", title, detail, wrong=room.is_short(host))
    projects = Project.objects.select_related("subscription")
    storages = quota.storages(projects)
    for project in projects:
        title, storage = f"{project} uses more disk than it may", storages[project.pk]
        detail = "It gets no new databases for staging and development. Its settings say what takes how much."
        alarms.keep(f"quota-{project.pk}", title, detail, wrong=storage.is_over, project_id=project.pk)


def _try(part: Callable[[], None]) -> None:
    try:
        part()
    except FAULTS as error:
        log.warning("measuring: %s", error)


def _write_down(kinds: tuple[Kind, ...], part: Callable[[], Found]) -> None:
    """In place of what was measured before."""
    found, now = part(), clock.now()
    for each in found:
        each.measured_at = now
    DiskUse.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["kind", "name"],
        update_fields=["project", "bytes", "measured_at"],
    )
    DiskUse.objects.filter(kind__in=kinds).exclude(measured_at=now).delete()


def _disk(host: Host) -> None:
    room = preflight.fullest(host)
    Host.objects.filter(pk=host.pk).update(disk_size=room.size, disk_free=room.free, disk_measured_at=clock.now())


def _owners() -> dict[str, int]:
    """Instance -> its project: that of the build that made it, or whose rehearsal, drill or retired database it is."""
    pairs = [*Build.objects.exclude(instance=None).values_list("instance", "project")]
    pairs += Build.objects.exclude(rehearsed_on=None).values_list("rehearsed_on", "project")
    pairs += Retired.objects.values_list("instance", "project")
    vaults = dict(Project.objects.exclude(vault=None).values_list("vault", "pk"))
    drills = Backup.objects.exclude(drill=None).values_list("drill", "vault")
    pairs += [(drill, vaults[vault]) for drill, vault in drills if vault in vaults]
    return {f"i{instance}": project for instance, project in pairs}


def _databases(owners: dict[str, int]) -> Found:
    """Copies aside are their database's. What belongs to no instance is a template, or an orphan on its way out."""
    prefix = f"b{settings.BERTH_INSTALLATION}_"
    found: dict[tuple[Kind, str], DiskUse] = {}
    for server in DatabaseServer.objects.all():
        for database, size in machines.cluster(server).sizes(prefix).items():
            name = database.removeprefix(prefix).partition("_")[0]
            kind = Kind.DATABASE if name[:1] == "i" and name[1:].isdecimal() else Kind.TEMPLATE
            name = name if kind == Kind.DATABASE else database
            row = found.setdefault((kind, name), DiskUse(project_id=owners.get(name), kind=kind, name=name, bytes=0))
            row.bytes += size
    return list(found.values())


def _folders(owners: dict[str, int]) -> Found:
    found = []
    for instance in Instance.objects.exclude(state=Instance.State.REMOVED):
        folder = machines.folder(instance)
        for kind, name in ((Kind.FILES, "data"), (Kind.LOGS, "log")):
            used = machine_state.used(folder / name)
            found.append(DiskUse(project_id=owners.get(instance.name), kind=kind, name=instance.name, bytes=used))
    return found


def _mirrors() -> Found:
    """Those of submodules that came with a key are their project's own; the others are shared."""
    pks = Project.objects.values_list("pk", flat=True)
    known = {f"p{pk}.{kind}": pk for pk in pks for kind in ("git", "keyed")}
    return _beneath("git", Kind.MIRROR, known)


def _vaults() -> Found:
    known = {f"v{vault}": pk for vault, pk in Project.objects.exclude(vault=None).values_list("vault", "pk")}
    return _beneath("vaults", Kind.VAULT, known)


def _beneath(folder: str, kind: Kind, owners: dict[str, int]) -> Found:
    root = Path(settings.BERTH_HOME) / folder
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    return [
        DiskUse(project_id=owners.get(name), kind=kind, name=name, bytes=machine_state.used(root / name))
        for name in names
    ]


def _images() -> Found:
    """Layers that images share are written down once: they are nobody's."""
    known = {str(pk): pk for pk in Project.objects.values_list("pk", flat=True)}
    found = []
    for host in Host.objects.all():
        use = machines.engine(host).used()
        for tag, size in use.images.items():
            project = known.get(tag.rpartition("/p")[2].partition(":")[0])
            found.append(DiskUse(project_id=project, kind=Kind.IMAGE, name=tag, bytes=size))
        found.append(DiskUse(kind=Kind.IMAGE, name=f"{host}: layers that images share", bytes=use.shared))
        found.append(DiskUse(kind=Kind.CACHE, name=f"{host}: layers that no image uses", bytes=use.left))
    return found


def _own() -> Found:
    """The portal's database, and the logs of its processes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    logs = machine_state.used(Path(settings.BERTH_HOME) / "log")
    return [
        DiskUse(kind=Kind.OWN, name="the portal's database", bytes=size),
        DiskUse(kind=Kind.OWN, name="logs of Berth's processes", bytes=logs),
    ]
