"""Room on the disk for a build: its project's quota, and what the machine has left."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.conf import settings

from builds import caches
from builds.models import Build
from hosting.machine_state import Room
from hosting.models import Host
from hosting.odoo.floors import MIB
from hosting.preflight import FAULTS, RESERVE, Finding, fullest, kept_free
from portal import clock
from portal.stories import Later, PlatformError, ProjectError
from portal.telling import Telling
from projects import quota
from projects.models import Stage

WAIT = timedelta(hours=1)
LOOK_S = 30.0


def check_quota(build: Build) -> Finding:
    """Production is never refused for it: what a company works with must be mendable. Raises ProjectError."""
    storage = quota.storage(build.project)
    if storage.has_too_large and build.stage != Stage.PRODUCTION:
        each = quota.limit_of_each(build.project) or 0
        raise ProjectError(
            "A database of the project is larger than it may be",
            f"The largest has {_gb(storage.largest)}; each may have {_gb(each)}. Nothing was touched.",
            "Delete what isn't needed in it, or enter a subscription code. It is measured every hour; then retry.",
        )
    if storage.limit is None:
        return Finding("Storage", f"The project uses {_gb(storage.used)}; it has no limit.")
    parts = ", ".join(f"{label.lower()} {_gb(used)}" for label, used in storage.counted)
    says = f"The project uses {_gb(storage.used)} of {_gb(storage.limit)} ({parts})."
    todo = "Unpin or delete what isn't needed any more, or ask the operator for more."
    if storage.is_over and build.stage != Stage.PRODUCTION:
        raise ProjectError(
            "The project uses more disk than it may",
            f"{says} Nothing was touched.",
            f"{todo} What is removed is counted within the hour; then retry.",
        )
    return Finding("Storage", says, todo if storage.is_nearly_full else "")


def wait_for_disk(build: Build, needed: Callable[[], int], telling: Telling) -> None:
    """Where less is free than is kept for what serves: old caches go, then the build is put off until there is more.

    One for which there is no room at all isn't kept waiting, and what can't be asked now is looked at later
    (hosting/preflight.py). Raises Later, and PlatformError an hour after the build began.
    """
    host = build.project.host
    with suppress(*FAULTS):
        if not _is_short(fullest(host)):
            return
        for line in caches.give_up(host, enough=lambda: not _is_short(fullest(host))):
            telling.say(line)
        room = fullest(host)
        if _is_short(room) and room.free >= needed() + RESERVE:
            _put_off(build, room)


def _put_off(build: Build, room: Room) -> None:
    assert build.started_at is not None
    if clock.now() - build.started_at > WAIT:
        raise PlatformError(
            "The disk of this machine is nearly full",
            f"{_numbers(room)} The build waited for an hour. Nothing was touched.",
            "Free some disk or add more (the operator's page Disk says what takes it), then retry.",
        )
    because = f"{_numbers(room)} This one begins when there is more; production serves on meanwhile."
    raise Later(because, seconds=LOOK_S)


def _is_short(room: Room) -> bool:
    return room.free < kept_free(room)


def _numbers(room: Room) -> str:
    return (
        f"{room.free // MIB:,} MB of {room.size // MIB:,} MB are free, which is less than "
        f"{settings.BERTH_FREE_PERCENT} %: new builds wait then."
    )


def is_short(host: Host) -> bool:
    """As it was measured last: for pages."""
    if host.disk_size is None or host.disk_free is None:
        return False
    return _is_short(Room(size=host.disk_size, free=host.disk_free))


def _gb(size: int) -> str:
    return f"{size / quota.GB:,.1f} GB"
