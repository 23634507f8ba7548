"""Resizing: other memory and cores for an instance's containers, in place; no process restarts."""

from contextlib import suppress
from decimal import Decimal

from django.db import transaction

from hosting import machines, pools
from hosting.engines.docker import EngineError, Limits
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB

NOT_SIZED = (Pool.State.RETIRING, Pool.State.GONE)  # those that never get traffic again


def resize(instance: Instance, *, memory_mb: int, cpus: Decimal) -> None:
    """Give each container of the instance's pools so much memory and so many cores, and write that down.

    Odoo reads its own limits when it starts: the next start of a container finds those that fit the new size. Safe to
    repeat. Raises LimitRefused, with the numbers, where a container uses too much already or the host has too little;
    all are as they were then.
    """
    with transaction.atomic():
        sized = list(instance.pools.select_for_update().exclude(state__in=NOT_SIZED))
        names = [pool.container(role) for pool in sized for role in pool.roles]
        _change(instance, names, Limits(memory_mb * MIB, float(cpus)))
        for pool in sized:
            pool.memory_mb, pool.cpus = memory_mb, cpus
            pool.save(update_fields=["memory_mb", "cpus"])
            pools.write_confs(pool)


def _change(instance: Instance, names: list[str], limits: Limits) -> None:
    """Change those of the containers that exist, or none."""
    engine = machines.engine(instance.host)
    before: list[tuple[str, Limits]] = []
    try:
        for name in names:
            if engine.inspect(name) is not None:
                before.append((name, engine.resize(name, limits.memory_bytes, limits.cpus)))
    except EngineError:
        for name, old in before:
            with suppress(EngineError):  # the reconciler goes on trying
                engine.resize(name, old.memory_bytes, old.cpus)
        raise
