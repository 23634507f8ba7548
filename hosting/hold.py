"""Holds: an instance's requests wait at the router while something is done to its database, and are answered then.

The row is the truth: a door that is HELD, since `held_at`. The router is told of it like of any other door, so one that
is started anew holds again. Requests wait as long as `RouterConfig.held_seconds` says, then they get a page; none
passes before the release. Who holds also releases, whatever happens; `release_forgotten` is for those who could not.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db.models import Q, QuerySet

from hosting import machines, pools, routing
from hosting.engines.haproxy import RouterDown
from hosting.models import Instance, Pool, Slot
from portal import clock

KeepGoing = Callable[[], None]

POLL_S = 0.05  # somebody waits
PATIENCE_S = 5.0  # for requests in flight: one that runs longer puts the hold off
AGAIN_S = 10.0  # between two tries, in which requests are answered
FORGOTTEN = timedelta(seconds=60)  # since it was begun or renewed; whoever waited has his answer by then

_ANOTHERS = Q(live_pool__crons_stopped=False, live_pool__cron_workers__gt=0)  # an update stops scheduled actions first


class Busy(Exception):
    """Requests ran too long for others to be held meanwhile. Nothing is held any more."""


def begin(instance: Instance) -> bool:
    """Let new requests wait, if the door is open; those in flight go on. Safe to repeat.

    Returns whether this call began it: where another holds already, it is his to release.
    """
    opened = Instance.objects.filter(pk=instance.pk, door=Instance.Door.OPEN)
    began = opened.update(door=Instance.Door.HELD, held_at=clock.now())
    routing.apply(instance)
    return bool(began)


def renew(instances: Sequence[Instance]) -> None:
    """Say that who holds them, without updating them, is still at work: see `release_forgotten`."""
    held = Instance.objects.filter(pk__in=[instance.pk for instance in instances], door=Instance.Door.HELD)
    held.filter(_ANOTHERS).update(held_at=clock.now())


def release(instance: Instance) -> None:
    """Let go on what waits, to the pool that is live now. Safe to repeat, and where nothing is held."""
    Instance.objects.filter(pk=instance.pk, door=Instance.Door.HELD).update(door=Instance.Door.OPEN, held_at=None)
    routing.apply(instance)


def wait_until_quiet(instance: Instance, *, seconds: float, keep_going: KeepGoing) -> int:
    """Wait, at most `seconds`, until the held instance's live pool has no request in flight; how many it has then.

    At none its websockets are closed: their clients come back, and are held too.
    """
    slot = Slot.objects.filter(pool__instance=instance, pool__state=Pool.State.LIVE).first()
    if slot is None:
        return 0
    router, deadline = machines.router(), time.monotonic() + seconds
    try:
        while (left := router.in_flight(slot.number)[0]) and time.monotonic() < deadline:
            keep_going()
            time.sleep(POLL_S)
        if not left:
            router.close_websockets(slot.number)
    except RouterDown:
        return 0  # with it ended all that went through it, and it comes back holding
    return left


def make_quiet(instance: Instance, *, within: float, say: Callable[[str], None], keep_going: KeepGoing) -> None:
    """Hold the instance at a moment when no request runs for more than PATIENCE_S: then nobody writes to its database.

    Tried again and again for `within` seconds, with nothing held in between. What `keep_going` raises leaves the hold
    to whoever takes back what the caller did. Raises Busy.
    """
    deadline = time.monotonic() + within
    while True:
        begin(instance)
        left = wait_until_quiet(instance, seconds=PATIENCE_S, keep_going=keep_going)
        if not left:
            return
        release(instance)
        if time.monotonic() + AGAIN_S > deadline:
            raise Busy(f"{left} requests took more than {PATIENCE_S:.0f} s each, at each try within {within:.0f} s.")
        say(f"{left} requests run for more than {PATIENCE_S:.0f} s: nobody is held for them. Trying again.")
        until = time.monotonic() + AGAIN_S
        while time.monotonic() < until:
            keep_going()
            time.sleep(POLL_S * 5)


def stop_crons(instance: Instance, *, keep_going: KeepGoing) -> None:
    """Stop the live pool's scheduled actions; those that run come to their end. The reconciler leaves them stopped."""
    pool = instance.live_pool
    if pool is not None and pool.cron_workers:
        Pool.objects.filter(pk=pool.pk).update(crons_stopped=True)
        pools.stop(pool, "cron", keep_going=keep_going)


def start_crons(instance: Instance) -> None:
    """Scheduled actions of the live pool run again. Safe to repeat."""
    pool = instance.live_pool
    if pool is not None and pool.cron_workers:
        Pool.objects.filter(pk=pool.pk).update(crons_stopped=False)
        pools.start(pool, "cron")


def is_anothers(instance: Instance) -> bool:
    """Whether an instance is held by who isn't updating it: an update stops scheduled actions before it holds."""
    return Instance.objects.filter(_ANOTHERS, pk=instance.pk, door=Instance.Door.HELD).exists()


def release_forgotten(instances: QuerySet[Instance]) -> list[str]:
    """Open the doors of those that are held although nobody works on them, or only who did not begin to hold them.

    Returns what was done, a line each.
    """
    found = []
    now = clock.now()
    lately = Q(held_at__gte=now - FORGOTTEN, held_at__lte=now + FORGOTTEN)  # the clock may have been set back
    held = Instance.objects.filter(door=Instance.Door.HELD).exclude(lately)
    for instance in held.filter(_ANOTHERS | Q(pk__in=instances.values("pk"))):
        release(instance)
        found.append(f"released the requests of {instance.name}, which nobody held any more")
    for instance in instances.filter(live_pool__crons_stopped=True).exclude(door=Instance.Door.HELD):
        start_crons(instance)
        found.append(f"started the scheduled actions of {instance.name} again, which nobody needs stopped")
    return found
