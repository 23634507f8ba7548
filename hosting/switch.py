"""The switch: which pool gets an instance's requests, and how the one before finishes its last ones."""

import time
from collections.abc import Callable
from contextlib import suppress

from django.db import transaction

from hosting import machines, pools, proof, routing
from hosting.engines.haproxy import RouterDown
from hosting.models import Instance, Pool, Slot
from portal import clock

KeepGoing = Callable[[], None]

POLL_S = 0.25
COME_BACK_S = 3.0  # within which those whose websocket is closed after a switch connect again
BACK_S = 120.0  # how long a pool that ran before may take to answer again


@transaction.atomic
def switch_to(pool: Pool) -> Pool | None:
    """Send the instance's requests to `pool`, which has its slot. Returns the pool that had them, to be drained now.

    What decides is the commit; the router is told right after it, and again by who drains.
    """
    instance = Instance.objects.select_for_update().get(pk=pool.instance_id)
    former = instance.live_pool if instance.live_pool_id != pool.pk else None
    if former is not None:
        former.state, former.left_at = Pool.State.DRAINING, clock.now()
        former.save(update_fields=["state", "left_at"])
    pool.state, pool.crons_stopped, pool.left_at, pool.kept_until = Pool.State.LIVE, False, None, None
    pool.save(update_fields=["state", "crons_stopped", "left_at", "kept_until"])
    instance.live_pool, instance.state = pool, Instance.State.READY
    instance.door, instance.held_at = Instance.Door.OPEN, None
    instance.save(update_fields=["live_pool", "state", "door", "held_at"])
    transaction.on_commit(lambda: routing.apply(instance), robust=True)
    return former


def pause(instance: Instance, *, seconds: float, keep_going: KeepGoing) -> None:
    """Stop the live pool for an update, with a page at its address. It may be brought back. Safe to repeat."""
    pool = _close_for_update(instance)
    if pool is None:
        return
    drain(pool, seconds=seconds, keep_going=keep_going)
    Pool.objects.filter(pk=pool.pk, state=Pool.State.LIVE).update(state=Pool.State.STANDING_BY)
    _stop(pool, keep_going)


@transaction.atomic
def _close_for_update(instance: Instance) -> Pool | None:
    """Put the page before the pool that is live at this moment. A rollback has switched before, or is refused."""
    locked = Instance.objects.select_for_update().get(pk=instance.pk)
    pool: Pool | None = locked.live_pool
    if pool is not None:
        locked.door = Instance.Door.UPDATING
        locked.save(update_fields=["door"])
    return pool


def bring_back(pool: Pool, *, keep_going: KeepGoing) -> None:
    """Start a paused pool again and open its door. Safe to repeat.

    Where the pause was cut short, the engine still stops a container that looks as if it ran: that comes to its end.
    """
    if Pool.objects.filter(pk=pool.pk, state=Pool.State.STANDING_BY).exists():
        _stop(pool, keep_going)
    pools.start_web(pool)
    if pool.cron_workers:
        pools.start(pool, "cron")
    proof.wait_for_ports(pool, timeout=BACK_S, keep_going=keep_going)
    with transaction.atomic():
        Pool.objects.filter(pk=pool.pk).update(state=Pool.State.LIVE)
        Instance.objects.filter(pk=pool.instance_id).update(door=Instance.Door.OPEN)
    routing.apply(pool.instance)


def close_websockets(pool: Pool, *, within: float = 0.0) -> None:
    """Close the pool's websockets `within` seconds, so that their clients come back, to where requests go now."""
    slot = Slot.objects.filter(pool=pool).first()
    if slot is not None:
        with suppress(RouterDown):
            machines.router().close_websockets(slot.number, within=within)


def drain(pool: Pool, *, seconds: float, keep_going: KeepGoing) -> int:
    """Wait until the pool has no request in flight, at most `seconds`. Returns how many were left at the end.

    First the router is told where requests go now: elsewhere. The pool's websockets are closed in the end, so that
    clients come back there.
    """
    routing.apply(pool.instance)
    slot = Slot.objects.filter(pool=pool).first()
    if slot is None:
        return 0
    router = machines.router()
    deadline = time.monotonic() + seconds
    try:
        while (left := router.in_flight(slot.number)[0]) and time.monotonic() < deadline:
            keep_going()
            time.sleep(POLL_S)
        router.close_websockets(slot.number)
    except RouterDown:
        return 0  # with it ended all that went through it
    return left


def retire(pool: Pool, *, keep_going: KeepGoing) -> None:
    """Stop a drained pool, take it out of the router, and remove it. What is still in flight finishes first."""
    pools.come_last(pool)
    _stop(pool, keep_going)
    routing.take_slot_back(pool)
    pools.remove(pool)


def _stop(pool: Pool, keep_going: KeepGoing) -> None:
    for role in pool.roles:
        pools.stop(pool, role, keep_going=keep_going)
