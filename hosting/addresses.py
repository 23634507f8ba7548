"""Addresses on the tenants' networks. Berth allots them, so that an address never moves to a neighbour unnoticed."""

from collections.abc import Iterator
from itertools import islice

from django.db import connection

from hosting import machines
from hosting.engines.haproxy import RouterDown
from hosting.models import Instance, Pool, Replica

ADDRESS_LOCK = 0x61646472


def allot(instance: Instance, count: int) -> list[str]:
    """`count` free addresses, to be written to a pool in the caller's transaction.

    An address is free when no pool and no running container has it, and no process of the router, not even one that
    finishes its last requests after a reload, has a route to it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADDRESS_LOCK])
    rows = Pool.objects.exclude(state=Pool.State.GONE).values_list("web_address", "cron_address")
    taken = {address for row in rows for address in row if address}
    taken |= set(Replica.objects.values_list("address", flat=True))
    network = machines.network(production=instance.is_production)
    taken |= _routed() | machines.engine(instance.host).addresses(network)
    free = (address for address in _candidates(instance) if address not in taken)
    return [next(free) for _ in range(count)]


def _routed() -> set[str]:
    """What a router process may still lead to; nothing where no router runs."""
    try:
        return machines.router().serving_addresses()
    except RouterDown:
        return set()


def _candidates(instance: Instance) -> Iterator[str]:
    """From the lower half, without the gateway and its neighbours; the engine picks its own ones from the very end."""
    lower, _upper = instance.host.network(production=instance.is_production).subnets()
    return (str(address) for address in islice(lower.hosts(), 9, None))
