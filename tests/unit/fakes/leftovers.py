"""What is there without a row, or in rows without being there. Only meaningful while no story is told."""

from collections.abc import Iterator

from hosting import routing
from hosting.models import Instance, Pool, Slot
from tests.unit.fakes.stage import Scenery


def leftovers(scenery: Scenery) -> Iterator[str]:
    live = [i.live_pool for i in Instance.objects.exclude(live_pool=None).order_by("pk") if i.live_pool]
    yield from _router(scenery, live)
    yield from _containers(scenery, live)
    yield from _instances(scenery, len(live))


def _router(scenery: Scenery, live: list[Pool]) -> Iterator[str]:
    world, wanted = scenery.world, routing.wanted()
    if (world.hosts, world.routes) != (wanted.hosts, wanted.routes):
        yield f"the router has {world.hosts} {world.routes}, not {wanted}"
    if world.held:
        yield f"the router holds {world.held}"
    filled = {number: servers for number, servers in world.slots.items() if servers}
    if filled != wanted.slots:
        yield f"slots {filled}, not {wanted.slots}"
    lent = {slot.pool for slot in Slot.objects.exclude(pool=None)}
    if lent != {*live, *_kept()}:
        yield f"slots are lent to {lent}, live are {live}, kept {_kept()}"


def _kept() -> list[Pool]:
    """At most one an instance."""
    kept = list(Pool.objects.filter(state=Pool.State.KEPT))
    assert len({pool.instance_id for pool in kept}) == len(kept), kept
    return kept


def _containers(scenery: Scenery, live: list[Pool]) -> Iterator[str]:
    for pool in Pool.objects.exclude(state__in=(Pool.State.GONE, Pool.State.KEPT)):
        if pool.state != Pool.State.LIVE or pool not in live:
            yield f"{pool} is {pool.state}"
    roles = [(pool, role) for pool in live for role in pool.roles if role != "cron" or pool.cron_workers]
    roles += [(pool, role) for pool in _kept() for role in pool.web]
    there = scenery.world.containers
    running = {name for name, container in there.items() if container.running}
    ended = {pool.container("cron") for pool in _kept()}
    if running != {pool.container(role) for pool, role in roles} or set(there) - ended != running:
        yield f"containers {sorted(there)}, running {sorted(running)}, live pools {live}"


def _instances(scenery: Scenery, live: int) -> Iterator[str]:
    world, folder = scenery.world, scenery.home / "instances"
    alive = Instance.objects.exclude(state=Instance.State.REMOVED)
    yield from (f"{instance} is still being created" for instance in alive if instance.state == Instance.State.NEW)
    held = {name for databases in world.databases.values() for name in databases}
    kept = {instance.database for instance in alive}
    if held != kept or world.roles["hosted"] | world.roles["lab"] != kept:
        yield f"databases {held}, roles {world.roles}, instances {kept}"
    if (folders := {path.name for path in folder.glob("*")}) != {instance.name for instance in alive}:
        yield f"folders {folders}"
    if len(generations := list(folder.glob("*/g*"))) != live + len(_kept()):
        yield f"folders of generations {generations}"
    yield from (
        f"folder {path}"
        for path in [*folder.glob("*/copy"), *folder.glob("*/files"), *(scenery.home / "builds").glob("*")]
    )
