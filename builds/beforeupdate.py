"""The backup before an update: production as it was, in case that is missed when the copy aside is long gone.

The deploy takes it itself, after the rehearsal and before anybody is held: so it waits for no other's turn, and is
of the last moments before. What takes long, storing and proving, another story tells beside the rest of the deploy.
"""

from datetime import datetime, timedelta

from django.db import transaction

from builds import backup as story_of
from builds.models import Build, Retired
from hosting.models import Backup, Instance
from portal.models import Result, State
from portal.stories import Later, ProjectError, step
from portal.telling import Telling

RECENT = timedelta(days=1)  # before it stopped: what is lost at most with a night's backup
LOOK_S = 30.0  # between two looks whether one is proven


def undo_back_up(build: Build, _telling: Telling) -> None:
    """Half a one goes, a whole one stays."""
    build.backup = story_of.give_up(build.backup)


@step("Back up production", undo=undo_back_up)
def back_up(build: Build, telling: Telling) -> None:
    """Where it can't be taken, nothing is updated. Raises PlatformError; ProjectError or Later where nothing serves."""
    production = build.branch.instance
    if production is None or production.state != Instance.State.READY:
        return telling.say("There is nothing to back up yet.")
    if not build.to_update and not _requires_something_else(build, production):
        return telling.say("No module and no requirement changes: the backups of the nights are enough.")
    if production.live_pool_id is None:
        last = _last_proven(production)
        return telling.say(f"Nothing serves by it, and its last backup, of {last:%Y-%m-%d %H:%M} UTC, is proven.")
    story_of.take(build.backup or _write_down(build, production), telling)
    return telling.say("The deploy goes on while it is stored and proven; the Backups tab shows how far that is.")


def _last_proven(production: Instance) -> datetime:
    """The moment of the last backup of a database that nothing serves by. One is proven with the code that serves, so
    none can be taken of it now.
    """
    last = Backup.objects.filter(instance=production).order_by("-pk").first()
    if last is not None and last.state != State.DONE:
        raise Later(f"Its last backup, {last}, is stored and proven first.", seconds=LOOK_S)
    if last is None:
        wrong = "There is no backup of it."
    elif last.proof != Backup.Proof.PROVEN or last.forgotten_at is not None or last.taken_at is None:
        wrong = f"Its last backup, {last}, has no proof, or its content is gone."
    elif last.taken_at < _stopped_at(production, last.taken_at) - RECENT:
        wrong = f"Its last backup, {last}, is more than a day older than what is in it."
    else:
        return last.taken_at
    good = (Result.SUCCESS, Result.WARNING)
    served = Build.objects.filter(instance=production, result__in=good).order_by("-pk").first()
    which = f"commit {served.commit[:7]}, which served last" if served is not None else "the commit that served last"
    raise ProjectError(
        "No module is updated without a proven backup",
        f"Nothing serves by {production}. {wrong} Its data is as it was.",
        f"Deploy {which}: that updates no module. Then deploy this one: a backup is taken before it.",
    )


def _stopped_at(production: Instance, otherwise: datetime) -> datetime:
    """When it was retired, or last left by a pool."""
    retired = Retired.objects.filter(instance=production).exclude(at=None).values_list("at", flat=True)
    left = production.pools.exclude(left_at=None).values_list("left_at", flat=True)
    return max((at for at in (*retired, *left) if at is not None), default=otherwise)


def _requires_something_else(build: Build, production: Instance) -> bool:
    """Whether the Python requirements differ from those of the build that serves."""
    served = Build.objects.serving(production)
    lines = build.inspection.get("requirements")
    return served is not None and served.inspection.get("requirements", lines) != lines


@transaction.atomic
def _write_down(build: Build, production: Instance) -> Backup:
    build.backup = story_of.write_down(production, build.project_id)
    build.save(update_fields=["backup"])
    return build.backup
