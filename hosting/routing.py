"""What the router shall do, read from the database, and the one place that tells it."""

import logging
from collections.abc import Callable
from typing import ParamSpec

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Prefetch, Q, QuerySet

from hosting import machines
from hosting.engines.haproxy import Marks, Robots, Route, RouterDown, RouterState, Server
from hosting.models import Alias, Instance, Pool, Slot
from hosting.odoo import lives
from portal import clock

Values = ParamSpec("Values")

log = logging.getLogger(__name__)

PAGES = {Instance.Door.UPDATING: "updating", Instance.Door.ASLEEP: "asleep"}  # behind other doors it is stopped


def wanted() -> RouterState:
    """The router's state as the database has it."""
    instances = list(_served())
    return RouterState(
        hosts={host: instance.name for instance in instances for host in hosts(instance)},
        routes={instance.name: route(instance) for instance in instances},
        slots={slot.number: servers(slot.pool) for slot in _slots().exclude(pool=None) if slot.pool},
        held=frozenset(instance.name for instance in instances if instance.door == Instance.Door.HELD),
        marks={host: marks for instance in instances for host, marks in marked(instance).items() if marks},
    )


def _served() -> QuerySet[Instance]:
    return _with_pool().exclude(state=Instance.State.REMOVED)


def _with_pool() -> QuerySet[Instance]:
    aliases = Prefetch("aliases", Alias.objects.select_related("certificate").order_by("hostname"))
    return Instance.objects.select_related("live_pool__slot").prefetch_related(aliases)


def hosts(instance: Instance) -> list[str]:
    """The names at which an instance is reached: its own first."""
    return list(marked(instance))


def marked(instance: Instance) -> dict[str, Marks]:
    """The same, each with what else holds for it. Search engines are to know production by its customer's name, and its
    users that their Odoo is out of support: from the day on, as the reconciler tells the router.
    """
    aliases, noticed = list(instance.aliases.all()), is_noticed(instance)
    secure = bool(settings.BERTH_TLS_PORT and settings.BERTH_TLS_CERTIFICATE)
    own = Marks(https=secure, hidden=bool(aliases), noticed=noticed)
    of_aliases = {alias.hostname: Marks(https=alias.is_secure, noticed=noticed) for alias in aliases}
    return {instance.hostname: own, **of_aliases}


def is_noticed(instance: Instance) -> bool:
    """Whether its users see a page once a week before Odoo's backend opens."""
    return instance.is_production and lives.phase(instance.series, clock.now().date()) != lives.Phase.SUPPORTED


def _slots() -> QuerySet[Slot]:
    return Slot.objects.select_related("pool__instance").prefetch_related("pool__further").order_by("number")


def route(instance: Instance) -> Route:
    """Where requests for an instance go: the slot of its live pool while its door is open, else a page.

    The route of a held one leads where it would if it were open: a release is nothing but a release.
    """
    pool = instance.live_pool
    slot = getattr(pool, "slot", None)
    robots: Robots = "open" if instance.is_production else "closed"
    if instance.locked:
        return Route(instance=instance.name, slot="locked", robots="closed")
    if instance.door in (Instance.Door.OPEN, Instance.Door.HELD) and pool is not None and slot is not None:
        return Route(instance=instance.name, slot=str(slot), commit=pool.commit, robots=robots)
    page = PAGES.get(Instance.Door(instance.door), "stopped")
    return Route(instance=instance.name, slot=page, robots=robots)


def servers(pool: Pool) -> list[Server]:
    """A pool's web containers. Each HTTP worker takes one request at a time, so that none waits in the kernel, where it
    would be lost when the pool stops. One worker of staging and development is two with one request: a PDF asks for
    assets.
    """
    maxconn = pool.workers if pool.instance.is_production else 1
    return [Server(address=address, maxconn=maxconn) for address in pool.web.values()]


def write() -> None:
    """Write configuration and maps from the database, for the router's next start or reload."""
    numbers = range(1, settings.BERTH_SLOTS + 1)
    Slot.objects.bulk_create([Slot(number=number) for number in numbers], ignore_conflicts=True)
    last = Slot.objects.aggregate(last=Max("number"))["last"]
    machines.router(slots=last).write(wanted)  # read under the router's lock: no switch comes between


def apply(instance: Instance) -> None:
    """Make the router do what the database says of an instance, now. Of one that is removed it says nothing.

    The row is locked meanwhile: whoever comes later has read what is newer, so the router ends up with the newest. It
    is read after it was locked: one query that waits for the lock would join it to the pool and slot of before.
    """
    with transaction.atomic():
        Instance.objects.select_for_update().get(pk=instance.pk)
        instance = _with_pool().get(pk=instance.pk)
        if instance.state == Instance.State.REMOVED:
            return
        for host, marks in marked(instance).items():
            _tell(machines.router().set_host, host, instance.name)
            _tell(machines.router().mark_host, host, marks)
        _tell(machines.router().set_route, route(instance))
        held = instance.door == Instance.Door.HELD
        _tell(machines.router().hold if held else machines.router().release, instance.name)


def forget(instance: Instance) -> None:
    """Take a removed instance's addresses off the router."""
    for host in hosts(instance):
        _tell(machines.router().remove_host, host)
    _tell(machines.router().remove_route, instance.name)
    _tell(machines.router().release, instance.name)


def free(hostname: str) -> None:
    """Let an address lead nowhere, unless an instance has it by now. Whoever gets it later tells the router anew."""
    with transaction.atomic():
        if not _served().filter(Q(hostname=hostname) | Q(aliases__hostname=hostname)).exists():
            _tell(machines.router().remove_host, hostname)


def _tell(change: Callable[Values, None], *values: Values.args, **named: Values.kwargs) -> None:
    """Make a change. Where no router runs, it is in the router's files, and holds when it is started."""
    try:
        change(*values, **named)
    except RouterDown as error:
        log.warning("%s", error)


def lend_slot(pool: Pool) -> None:
    """Give the pool a slot and fill it with its servers; no request goes there before the switch. Raises NoSlotLeft."""
    with transaction.atomic():
        slot = Slot.objects.filter(pool=pool).first()
        if slot is None:
            slot = Slot.objects.select_for_update(skip_locked=True).filter(pool=None).order_by("number").first()
        if slot is None:
            raise NoSlotLeft
        slot.pool = pool
        slot.save(update_fields=["pool"])
    _apply_slot(slot.number)


def take_slot_back(pool: Pool) -> None:
    """Empty the pool's slot, so that another may have it. It is lent until the router has heard. Safe to repeat."""
    with transaction.atomic():
        slot = Slot.objects.select_for_update().filter(pool=pool).first()
        if slot is not None:
            _tell(machines.router().fill_slot, slot.number, [])
            slot.pool = None
            slot.save(update_fields=["pool"])


def _apply_slot(number: int) -> None:
    """Fill or empty a slot as its row says, with the row locked (see `apply`)."""
    with transaction.atomic():
        Slot.objects.select_for_update().get(number=number)
        slot = _slots().get(number=number)
        _tell(machines.router().fill_slot, number, servers(slot.pool) if slot.pool else [])


def mend(live: RouterState) -> list[str]:
    """Make the running router agree with the rows. Returns what was mended."""
    want, found = wanted(), []
    for number in sorted(want.slots.keys() | live.slots.keys()):
        if list(live.slots.get(number, [])) != list(want.slots.get(number, [])):
            _apply_slot(number)
            found.append(f"filled slot s{number} again")
    for instance in _served():
        name = instance.name
        door = live.routes.get(name), name in live.held
        names = marked(instance).items()
        lost = [host for host, marks in names if (live.hosts.get(host), live.marks.get(host, Marks())) != (name, marks)]
        if lost or door != (want.routes.get(name), name in want.held):
            apply(instance)
            found.append(f"told the router again where {instance.hostname} is")
    for host in (live.hosts.keys() | live.marks.keys()) - want.hosts.keys():
        machines.router().remove_host(host)
        found.append(f"removed {host} from the router, which belongs to nothing")
    for name in live.routes.keys() - want.routes.keys():
        machines.router().remove_route(name)
        found.append(f"removed the route of {name}, which belongs to nothing")
    for name in live.held - want.routes.keys():
        machines.router().release(name)
        found.append(f"released {name} at the router, which belongs to nothing")
    return found


class NoSlotLeft(Exception):
    """All slots of the router are lent: more pools are awake than it was declared for."""

    def __init__(self) -> None:
        super().__init__("All slots of the router are in use. Raise BERTH_SLOTS and run bin/up, then retry.")
