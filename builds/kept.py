"""A push to staging or development that updates what runs, where the branch's settings say so: the database is kept, as
production's is by every build. Here it is made ready; what follows is builds/updates.py.
"""

from builds.models import Build
from builds.modules import due_for
from builds.prepare import pool_on, undo_production
from hosting import sleep
from hosting.models import Instance
from portal.stories import Later, ProjectError, step
from portal.telling import Telling

LOOK_S = 3.0  # between two looks whether it is awake


@step("Keep the database", undo=undo_production)
def keep_database(build: Build, telling: Telling) -> None:
    """Modules that are due are updated behind a page when the new pool has started. Raises ProjectError, Later."""
    instance = build.branch.instance
    if instance is None or (instance.state, instance.stage) != (Instance.State.READY, build.stage):
        raise ProjectError(
            "The database to be updated is gone",
            "The branch was moved to another stage, or its database removed, since the push.",
            "Rebuild: that makes a new database.",
        )
    _wait_until_awake(instance)
    pool_on(build, instance, telling)
    build.to_update = due_for(build, instance)
    build.rehearsal = {"way": "page"}
    build.save(update_fields=["to_update", "rehearsal"])
    due = "To be updated: " + ", ".join(build.to_update) if build.to_update else "No module is due."
    telling.say(f"The database goes on serving as it is. {due}")


def _wait_until_awake(instance: Instance) -> None:
    """What falls asleep or wakes up comes to its end first; while the build goes on nothing falls asleep anew."""
    if instance.door == Instance.Door.ASLEEP:
        if instance.locked or sleep.failed_wake(instance) is not None:
            raise ProjectError(
                "The database sleeps, and can't be woken",
                "The page of its branch says why. Nothing was changed.",
                "Rebuild: that makes a new database.",
            )
        try:
            sleep.wake(instance, by_hand=True)
        except sleep.Refused as refusal:
            raise Later(str(refusal), seconds=LOOK_S) from refusal
        raise Later("The database sleeps, and is woken first.", seconds=LOOK_S)
    if sleep.working(instance).exists():
        raise Later("The database is falling asleep or waking up.", seconds=LOOK_S)
