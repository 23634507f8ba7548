"""The pool that served before: what becomes of it after a switch. It is kept running for a while, to roll back to."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.db.models import Q, QuerySet

from hosting import machine_state, machines, pools, routing, switch
from hosting.engines.docker import ContainerMissing
from hosting.engines.haproxy import RouterDown
from hosting.models import Host, Instance, Pool, Slot
from hosting.odoo.conf import REAL_SECONDS
from hosting.odoo.floors import MIB
from portal import clock

log = logging.getLogger(__name__)

Say = Callable[[str], None]
KeepGoing = Callable[[], None]

LEFT = (Pool.State.DRAINING, Pool.State.KEPT)  # served before, runs still, and may serve again
OVER = (Pool.State.LIVE, Pool.State.GONE)


class _ServesAgain(Exception):
    """The pool is no longer ours to put away: a rollback made it live, or somebody else retires it."""


def former(instance: Instance) -> Pool | None:
    """The pool that served before the live one and still runs: what a rollback goes to."""
    return _left(instance).first()


def _left(instance: Instance) -> QuerySet[Pool]:
    return instance.pools.filter(state__in=LEFT).select_related("instance__host").order_by("-left_at", "-generation")


def settle(instance: Instance, *, seconds: float, minutes: int, say: Say, keep_going: KeepGoing) -> None:
    """After a switch: scheduled actions move to the live pool, the one that was left ends its requests within
    `seconds` if they are that quick, and is kept for `minutes`; older ones go. Safe to repeat, and next to another one.
    """
    routing.apply(instance)  # again: who decided may have died before the router heard of it
    for pool in _left(instance):
        switch.close_websockets(pool, within=switch.COME_BACK_S)
    for pool in [*_left(instance)[1:], *instance.pools.filter(state=Pool.State.RETIRING)]:
        let_go(pool, say=say, keep_going=keep_going)
    try:
        move_crons(instance, keep_going=keep_going)
        for pool in _left(instance).filter(state=Pool.State.DRAINING):
            _put_by(pool, seconds=seconds, minutes=minutes, say=say, keep_going=keep_going)
    except _ServesAgain:
        say("Another switch came between.")


def move_crons(instance: Instance, *, keep_going: KeepGoing) -> None:
    """Scheduled actions of the pools that were left end, then the live pool's begin: one generation's at a time."""
    for pool in _left(instance):
        pools.stop(pool, "cron", keep_going=_while_left(pool, keep_going))
    for pool in instance.pools.filter(state=Pool.State.LIVE, cron_workers__gt=0):
        pools.start_while(pool, "cron", Pool.State.LIVE)


def _while_left(pool: Pool, keep_going: KeepGoing) -> KeepGoing:
    def check() -> None:
        keep_going()
        if not Pool.objects.filter(pk=pool.pk, state__in=LEFT).exists():
            raise _ServesAgain

    return check


def _put_by(pool: Pool, *, seconds: float, minutes: int, say: Say, keep_going: KeepGoing) -> None:
    running = switch.drain(pool, seconds=seconds, keep_going=_while_left(pool, keep_going))
    reason = _why_not(pool, minutes)
    if reason:
        Pool.objects.filter(pk=pool.pk).update(not_kept=reason)
        say(f"{pool.name} is not kept: {reason}")
        return let_go(pool, say=say, keep_going=keep_going)
    until = clock.now() + timedelta(minutes=minutes)
    draining = Pool.objects.filter(pk=pool.pk, state=Pool.State.DRAINING)
    if draining.update(state=Pool.State.KEPT, kept_until=until):
        say(f"{pool.name} is kept until {until:%H:%M} UTC, to roll back to. Requests that still run on it: {running}.")
    return None


def _why_not(pool: Pool, minutes: int) -> str:
    """Why a pool can't be kept, "" when it can."""
    pool.refresh_from_db(fields=["outdated"])
    if not minutes:
        return "the branch's settings say so."
    if not _runs(pool):
        return "it had to stop for this deploy."
    if pool.outdated:
        return "its code can't run on the database as it is now."
    free = machine_state.available_memory() // MIB
    if free < pool.web_memory_mb:
        return f"the machine has {free} MB of memory free, and another pool may need {pool.web_memory_mb} MB."
    return ""


def _runs(pool: Pool) -> bool:
    """Whether a web container of it does; the reconciler starts another one that died."""
    states = [machines.engine(pool.instance.host).inspect(pool.container(role)) for role in pool.web]
    return any(state is not None and state.running for state in states)


def let_go(pool: Pool, *, say: Say, keep_going: KeepGoing, at_once: bool = False) -> None:
    """Retire a pool, unless it serves again. One with requests that still run is `due` later: they end by themselves
    within `limit_time_real`. `at_once` waits for them here.
    """
    if not Pool.objects.filter(pk=pool.pk).exclude(state__in=OVER).update(state=Pool.State.RETIRING):
        return
    pools.stop(pool, "cron", keep_going=keep_going)  # who waits for its requests may begin another generation's
    overdue = pool.left_at is None or clock.now() - pool.left_at > timedelta(seconds=REAL_SECONDS)
    running = _running(pool)
    if running and not overdue and not at_once:
        say(f"{running} requests still run on {pool.name}; it goes when they have ended.")
        return
    switch.close_websockets(pool)
    switch.retire(pool, keep_going=keep_going)
    say(f"{pool.name} is gone.")


def _running(pool: Pool) -> int:
    slot = Slot.objects.filter(pool=pool).first()
    try:
        return machines.router().in_flight(slot.number)[0] if slot else 0
    except RouterDown:
        return 0  # with it ended all that went through it


def let_all_go(instance: Instance, *, say: Say, keep_going: KeepGoing) -> None:
    """Retire all that isn't live, now: the database is to be worked on, and nobody else may use it."""
    aside = instance.pools.filter(state__in=(*LEFT, Pool.State.RETIRING)).select_related("instance__host")
    while (pool := aside.first()) is not None:  # looked up anew: a rollback may switch meanwhile, and leave another one
        let_go(pool, say=say, keep_going=keep_going, at_once=True)
    instance.refresh_from_db()  # a rollback may have switched just before; from here on there is nothing to go back to


def make_room(host: Host, wanted: int, *, instance: Instance | None, keep_going: KeepGoing) -> list[str]:
    """Give up kept pools of a machine until `wanted` bytes of memory are available; the names of those that went.

    That of `instance` goes first, as a deploy ends its time anyway, then the oldest. None goes where all would not do.
    """
    kept = Pool.objects.filter(state=Pool.State.KEPT, instance__host=host).select_related("instance__host")
    chosen = sorted(kept.order_by("left_at"), key=lambda pool: instance is None or pool.instance_id != instance.pk)
    if machine_state.available_memory() + sum(map(_used, chosen)) < wanted:
        return []
    given_up: list[str] = []
    for pool in chosen:
        if machine_state.available_memory() >= wanted:
            break
        if Pool.objects.filter(pk=pool.pk, state=Pool.State.KEPT).update(not_kept="a deploy needed its memory."):
            let_go(pool, say=log.info, keep_going=keep_going)
            given_up.append(pool.name)
    return given_up


def _used(pool: Pool) -> int:
    """Bytes of memory that are free when the pool is gone."""
    used = 0
    for role in pool.web:
        with suppress(ContainerMissing):
            used += machines.engine(pool.instance.host).usage(pool.container(role)).memory_bytes
    return used


def due() -> QuerySet[Pool]:
    """Kept pools whose time is up, and those that wait for their last requests to end."""
    over = Q(state=Pool.State.KEPT, kept_until__lte=clock.now())
    return Pool.objects.filter(over | Q(state=Pool.State.RETIRING)).select_related("instance__host")
