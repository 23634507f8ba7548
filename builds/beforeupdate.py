"""The backup before an update: production as it was, in case that is missed when the copy aside is long gone.

The deploy takes it itself, after the rehearsal and before anybody is held: so it waits for no other's turn, and is
of the last moments before. What takes long, storing and proving, another story tells beside the rest of the deploy.
"""

from django.db import transaction

from builds import backup as story_of
from builds.models import Build
from hosting.models import Backup, Instance
from portal.stories import step
from portal.telling import Telling


def undo_back_up(build: Build, _telling: Telling) -> None:
    """Half a one goes, a whole one stays."""
    build.backup = story_of.give_up(build.backup)


@step("Back up production", undo=undo_back_up)
def back_up(build: Build, telling: Telling) -> None:
    """Where it can't be taken, nothing is updated. Raises PlatformError."""
    production = build.branch.instance
    if production is None or production.state != Instance.State.READY:
        return telling.say("There is nothing to back up yet.")
    if production.live_pool_id is None:
        return telling.say("Nothing serves by it, so nothing was written since it stopped: its last backup is as new.")
    if not build.to_update and not _requires_something_else(build, production):
        return telling.say("No module and no requirement changes: the backups of the nights are enough.")
    story_of.take(build.backup or _write_down(build, production), telling)
    return telling.say("The deploy goes on while it is stored and proven; the Backups tab shows how far that is.")


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
