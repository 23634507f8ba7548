"""The reconciler: compares rows with what exists, removes what they say is over, and mends what a row lacks.

A database, role, folder or container goes only where the row of its instance is there and doesn't need it. Where there
is no row at all, the row is what is missing: see hosting/strangers.py.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction

from hosting import certificates, databases, machines, mails, pools, routing, strangers, walls
from hosting.engines.docker import EngineError
from hosting.engines.firewall import FirewallError
from hosting.engines.haproxy import RouterDown, RouterError
from hosting.engines.postgres import DatabaseError
from hosting.models import DatabaseServer, Host, Instance, Pool, Slot
from hosting.odoo.floors import MIB

LAY_DOWN_S = 30  # nothing is in flight in a pool that is asleep
FAULTS = (EngineError, DatabaseError, RouterError, FirewallError, OSError)


def reconcile() -> list[str]:
    """One round. Returns what was found and done, a line each. Safe at any time, next to running stories.

    Rows are read *after* what exists: stories write the row first, so what a row doesn't need then is an orphan.
    """
    parts: list[Callable[[], list[str]]] = [_walls, _router, _pools, _folders, _mails]
    parts += [partial(_containers, host) for host in Host.objects.all()]
    parts += [partial(_databases, server) for server in DatabaseServer.objects.all()]
    found: list[str] = []
    for part in parts:
        try:
            found += part()
        except FAULTS as error:  # what is away now is mended in a later round; the other parts need not wait for it
            found.append(f"{type(error).__name__}: {error}")
    return found


def _containers(host: Host) -> list[str]:
    """Remove containers of instances that have no pool for them; start those of a live or kept pool that don't run."""
    engine = machines.engine(host)
    ours = f"berth-{settings.BERTH_INSTALLATION}-"
    existing = [state for state in engine.list() if state.name.startswith(ours)]  # the builder's have random names
    alive = Pool.objects.exclude(state=Pool.State.GONE).order_by("pk")
    alive = alive.select_related("instance__host").prefetch_related("further")
    by_name = {pool.container(role): (pool, role) for pool in alive for role in pool.roles}
    there = Instance.objects.exclude(state=Instance.State.REMOVED)
    one_offs = {name for instance in there for name in databases.one_off_names(instance)}
    over = [state.name for state in existing if state.name not in by_name and state.name not in one_offs]
    instances = strangers.rows(over, ours)
    found = strangers.tell(f"containers of {host}", [name for name in over if name not in instances], ours)
    for name in instances:
        engine.remove(name)
        found.append(f"removed container {name}, which belongs to nothing")
    running = {state.name: state for state in existing if state.running}
    left = [pool for pool in alive if pool.state != Pool.State.LIVE]
    busy = {pool.instance_id for pool in left if pool.container("cron") in running}  # these crons end first
    for name, (pool, role) in by_name.items():
        may = pool.instance_id not in busy and not pool.crons_stopped if role == "cron" else True
        lies = role in pool.web or bool(pool.cron_workers)  # crons that have their times may run while it sleeps
        if pool.state == Pool.State.ASLEEP and lies and name in running:
            found += _lay_down(pool)
        if not may or pool.state not in _wanted(pool, role) or pool.instance.host_id != host.pk:
            continue
        if name not in running:
            found += _start(pool, role, f"started container {name} of the {pool.state} pool")
            continue
        state = running[name]
        size = state.memory_bytes, state.cpus, state.later
        if size != (pool.memory_mb * MIB, float(pool.cpus), pools.comes_later(pool, role)):
            found += _size_again(pool, role)
    return found


def _wanted(pool: Pool, role: str) -> tuple[Pool.State, ...]:
    """The states of the pool in which its container for `role` shall run, whoever started it."""
    if role == "cron":
        return (Pool.State.LIVE,) if pool.cron_workers else ()
    return (Pool.State.LIVE, Pool.State.KEPT)


def _start(pool: Pool, role: str, done: str) -> list[str]:
    """Start a container of a pool in its state: who stops one writes first that it is in another."""
    try:
        started = pools.start_while(pool, role, *_wanted(pool, role))
    except FAULTS as error:  # such as an image that is gone: the other pools can be started
        return [f"{pool.container(role)} can't be started: {error}"]
    return [done] if started else []


def _size_again(pool: Pool, role: str) -> list[str]:
    """In place: a container that serves is never replaced here, though a newer Berth would make another one of it."""
    name = pool.container(role)
    try:
        with transaction.atomic():
            row = Pool.objects.select_for_update().get(pk=pool.pk)
            engine = machines.engine(pool.instance.host)
            engine.weigh(name, later=pools.comes_later(pool, role))
            engine.resize(name, row.memory_mb * MIB, float(row.cpus))
    except FAULTS as error:
        return [f"{name} can't be resized: {error}"]
    return [f"gave container {name} its size again"]


def _lay_down(pool: Pool) -> list[str]:
    """Stop a pool that is asleep, which stays so meanwhile: who starts one writes first that it is live."""
    with transaction.atomic():
        if not Pool.objects.select_for_update().filter(pk=pool.pk, state=Pool.State.ASLEEP):
            return []
        for role in pool.roles if pool.cron_workers else pool.web:
            machines.engine(pool.instance.host).stop(pool.container(role), LAY_DOWN_S, keep_going=lambda: None)
        routing.take_slot_back(pool)
    return [f"stopped {pool}, which is asleep"]


def _databases(server: DatabaseServer) -> list[str]:
    """Drop databases and roles of removed instances, and copies taken before an update that is live now."""
    cluster = machines.cluster(server)
    ours = strangers.databases_begin()
    existing, roles = cluster.databases(f"{ours}i"), cluster.roles(f"{ours}i")
    instances = {
        name: instance
        for name, instance in strangers.rows(existing | roles, ours).items()
        if instance.database_server_id
        == server.pk  # an address of the other cluster would lead to all of its databases
    }
    live = Pool.objects.filter(state=Pool.State.LIVE, instance__in=set(instances.values())).select_related("instance")
    outdated = {databases.aside(pool.instance, pool.build_label) for pool in live}
    unknown = [name for name in existing | roles if name not in instances]
    found = strangers.tell(f"{server.purpose} databases", unknown, ours)
    for name in sorted(existing & instances.keys()):
        if name in outdated or instances[name].state == Instance.State.REMOVED:
            cluster.drop_database(name)
            found.append(f"dropped database {name}, which belongs to nothing")
    for role in sorted(roles & instances.keys()):
        if instances[role].state == Instance.State.REMOVED or role != instances[role].database:
            cluster.drop_role(role)
            found.append(f"dropped role {role}, which belongs to nothing")
    return found


def _folders() -> list[str]:
    existing = strangers.folders()
    instances = {name: instance for name, instance in strangers.rows(existing).items() if name == instance.name}
    found = strangers.tell("folders", [name for name in existing if name not in instances])
    for name, instance in instances.items():
        if instance.state == Instance.State.REMOVED:
            shutil.rmtree(Path(settings.BERTH_HOME) / "instances" / name, ignore_errors=True)
            found.append(f"removed folder {name}, which belongs to nothing")
    return found


def _pools() -> list[str]:
    """Slots whose pool is gone are taken back."""
    found = []
    for slot in Slot.objects.filter(pool__state=Pool.State.GONE).select_related("pool"):
        assert slot.pool is not None
        routing.take_slot_back(slot.pool)
        found.append(f"took slot {slot} back from {slot.pool}")
    for pool in Pool.objects.filter(state=Pool.State.ASLEEP, slot__isnull=False).select_related("instance__host"):
        found += _lay_down(pool)
    return found


def _mails() -> list[str]:
    gone = mails.forget_removed()
    return [f"deleted {gone} mails, which belong to nothing"] if gone else []


def _walls() -> list[str]:
    """Rules that somebody took away, or that a restart of the machine lost, come back."""
    missing = walls.missing(settings.BERTH_INSTALLATION, machines.bridges())
    if missing:
        walls.close(settings.BERTH_INSTALLATION, machines.bridges())
    return [f"mended the firewall: {line}" for line in missing]


def _router() -> list[str]:
    """Start the router where it died; where it differs from the rows, tell it again."""
    try:
        return routing.mend(machines.router().live_state())
    except RouterDown:
        certificates.write()
        routing.write()
        machines.router().start()
        return ["started the router, which was down"]
