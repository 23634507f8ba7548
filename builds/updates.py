"""The update of production's modules: while visitors wait, or behind a page where that would take too long. What a push
updates elsewhere (builds/kept.py) is updated behind a page.

The order is that of docs/adr/0010: nobody writes to the database between the copy and the release, so whatever fails,
the copy is what everybody was told. Each part can be told twice, also by another worker in the middle of a hold.
"""

import time
from datetime import datetime

from builds import modules
from builds.models import Build
from hosting import databases, hold, keep, pools, proof, routing, switch
from hosting.models import Instance, Pool
from portal import clock
from portal.stories import PlatformError, ProjectError, step
from portal.telling import Telling

BUSY_S = 180.0  # for requests that run too long to end
LAST_LINES = 50
PUT_BACK = "The database is as it was before."


def undo_update(build: Build, telling: Telling) -> None:
    """The database becomes as it was, and who waits is answered by the old pool; behind a page that is started last."""
    instance = build.instance
    if instance is None or instance.state == Instance.State.NEW or not build.to_update:
        return
    if build.pool is not None:  # nobody else may be on the database that is put back
        routing.take_slot_back(build.pool)
        pools.remove(build.pool)
    if databases.put_back(instance, build.name):
        telling.say("The database is again as it was before the update.")
    former = instance.live_pool
    if not hold.is_anothers(instance):
        hold.release(instance)
    if former is not None and former.crons_stopped:
        hold.start_crons(instance)
    _write_down_wait(build)


@step("Update the modules", undo=undo_update)
def update_production(build: Build, telling: Telling) -> None:
    assert build.instance is not None
    assert build.pool is not None
    instance = build.instance
    if not build.to_update or instance.state == Instance.State.NEW:
        return telling.say("No module is due.")
    if not databases.has_aside(instance, build.name):
        databases.check_room(instance)
    keep.let_all_go(instance, say=telling.say, keep_going=telling.keep_going)
    if build.rehearsal.get("way") == "page":
        switch.pause(instance, seconds=build.branch.drain_seconds, keep_going=telling.keep_going)
        telling.say("The old pool has stopped, and visitors see a page.")
    else:
        _hold(build, instance, build.pool, telling)
    _write_down(build, held_at=_held_at(instance))
    began = time.monotonic()
    databases.copy_aside(instance, build.name)
    copied = time.monotonic()
    telling.say(f"The database was copied in {copied - began:.1f} s.")
    modules.update(build.pool, build.to_update, telling, left=PUT_BACK)
    return _write_down(
        build,
        actual_copy_seconds=round(copied - began, 1),
        actual_update_seconds=round(time.monotonic() - copied, 1),
    )


def _hold(build: Build, instance: Instance, pool: Pool, telling: Telling) -> None:
    """Let visitors wait at a moment when nothing of theirs runs. The new pool listens already, scheduled actions have
    ended. In a hold that another worker began for this update, all of that is so.
    """
    if hold.is_anothers(instance):
        raise PlatformError(
            "Visitors wait for something else at this moment",
            f"PostgreSQL is being restarted, it seems. {PUT_BACK}",
            "Retry in a minute.",
        )
    if instance.door != Instance.Door.HELD:
        _wait_for_ports(build, pool, telling)
        telling.say("Stopping the scheduled actions; those that run come to their end.")
        hold.stop_crons(instance, keep_going=telling.keep_going)
    telling.say("From now on visitors wait.")
    try:
        hold.make_quiet(instance, within=BUSY_S, say=telling.say, keep_going=telling.keep_going)
    except hold.Busy as busy:
        raise ProjectError(
            "Visitors' requests run too long for the update",
            f"{busy} Nobody was kept waiting for them, and {PUT_BACK[0].lower()}{PUT_BACK[1:]}",
            "Retry when the imports or reports that run now have ended.",
        ) from busy


def _wait_for_ports(build: Build, pool: Pool, telling: Telling) -> None:
    """More can't be proven on a database that isn't updated yet. Raises ProjectError."""
    seconds = build.branch.full_timeout_seconds
    try:
        if proof.wait_for_ports(pool, timeout=seconds, keep_going=telling.keep_going):
            return
        what = f"Its ports did not answer within {seconds} s."
    except proof.Died as error:
        what = str(error)
    raise ProjectError(
        "The new pool did not become ready",
        f"{what}\n\n{pools.last_words(pool, LAST_LINES)}",
        "Its log says why. Mend the cause and push again. The update had not begun; what served before still serves.",
    )


def _held_at(instance: Instance) -> str:
    held_at = Instance.objects.values_list("held_at", flat=True).get(pk=instance.pk)
    return held_at.isoformat() if held_at else ""


def _write_down_wait(build: Build) -> None:
    """How long visitors waited, once nobody does any more: to the switch, or until it was taken back."""
    held_at, ended = build.rehearsal.get("held_at"), build.switched_at or clock.now()
    if held_at and "held_seconds" not in build.rehearsal:
        seconds = (ended - datetime.fromisoformat(held_at)).total_seconds()
        _write_down(build, held_seconds=round(seconds, 1))


def _write_down(build: Build, **facts: object) -> None:
    build.rehearsal |= facts
    build.save(update_fields=["rehearsal"])


def settle_update(build: Build, telling: Telling) -> None:
    """After the switch: older pools can't come back to a database that they don't understand, and the wait is said."""
    _write_down_wait(build)
    held, limit = build.rehearsal.get("held_seconds"), build.branch.hold_seconds
    if held is not None:
        telling.say(f"Visitors waited up to {held} s; predicted were {build.rehearsal['predicted_seconds']} s.")
        if too_long(held, limit):
            telling.warn(f"That is longer than the {limit} s that the branch's settings allow.")


def too_long(held_seconds: float, limit_seconds: float) -> bool:
    return held_seconds > limit_seconds


def outdate(build: Build) -> None:
    """Say of the other pools of the database that their code can't run on it any more, unless it is known to."""
    assert build.pool is not None
    if build.to_update and build.rehearsal.get("kind") not in ("none", "harmless"):
        others = Pool.objects.filter(instance=build.pool.instance_id).exclude(pk=build.pool.pk)
        others.exclude(state=Pool.State.GONE).update(outdated=True)
