"""What is looked at before a deploy touches anything: whether the machine can take it. One finding each, for a page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from hosting import keep, machine_state, machines, walls
from hosting.engines import probe
from hosting.engines.docker import EngineError
from hosting.engines.firewall import FirewallError
from hosting.engines.haproxy import RouterError
from hosting.engines.postgres import DatabaseError
from hosting.keep import KeepGoing
from hosting.machine_state import Room
from hosting.models import DatabaseServer, Host, Instance
from hosting.odoo.floors import MIB

FAULTS = (EngineError, DatabaseError, RouterError, FirewallError, OSError)
RESERVE = 500 * MIB  # of disk that must be left


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `todo` is empty where all is well; `stops` where a deploy can't go on."""

    name: str
    says: str
    todo: str = ""
    stops: bool = False


@dataclass(frozen=True)
class Needs:
    """What a deploy is going to take: memory of the pool beside what runs, and bytes of disk."""

    host: Host
    server: DatabaseServer
    memory: int
    disk: int
    if_updated: int  # bytes of disk besides, where modules are to be updated
    connections: int  # to PostgreSQL that the pool, its crons and a one-off may open
    instance: Instance | None = None  # of the branch, where there is one
    in_turn: bool = False  # the old pool stops before the new one starts
    first: bool = False  # a project's first database of production: how data lies is said once


def look(needs: Needs, *, keep_going: KeepGoing) -> list[Finding]:
    """All findings, in order. What can't be looked at is a finding too. Pools that are kept to roll back to make room
    for the new one, where that is needed and enough.
    """
    sides: dict[str, Callable[[], Finding]] = {
        "Engine": lambda: _engine(needs.host),
        "Disk": lambda: _disk(needs),
        "Memory": lambda: _memory(needs, keep_going),
        "Database server": lambda: _database_server(needs),
        "Router": _router,
        "Public address": _public_address,
        "Firewall": _firewall,
        "Watched files": _inotify,
    }
    if needs.first:
        sides["Encryption"] = _encryption
    return [_found(name, side) for name, side in sides.items()]


def _found(name: str, side: Callable[[], Finding]) -> Finding:
    try:
        return side()
    except FAULTS as error:
        return Finding(name, str(error), "See that it runs (bin/up starts what is down), then retry.", stops=True)


def fullest(host: Host) -> Room:
    """Of the disks that databases, files and images are written to. Raises EngineError, OSError."""
    folders = [Path(settings.BERTH_HOME), Path(machines.engine(host).info().root)]
    return min((machine_state.room(folder) for folder in folders if folder.exists()), key=lambda room: room.free)


def kept_free(room: Room) -> int:
    """Bytes that are left for what serves: with less, new builds wait."""
    return room.size * int(settings.BERTH_FREE_PERCENT) // 100


def _engine(host: Host) -> Finding:
    info = machines.engine(host).info()
    return Finding("Engine", f"Docker Engine {info.version} answers.")


def _disk(needs: Needs) -> Finding:
    room = fullest(needs.host)
    says = f"{room.free // MIB:,} MB of {room.size // MIB:,} MB are free; this deploy takes about {_mb(needs.disk)}."
    if room.free < needs.disk + RESERVE:
        return Finding("Disk", says, f"Free {_mb(needs.disk + RESERVE - room.free)} at least, then retry.", stops=True)
    short = needs.disk + needs.if_updated + RESERVE - room.free
    if needs.if_updated and short > 0:
        says += f" An update of modules takes {_mb(needs.if_updated)} more for copies of the database, and is refused."
        return Finding("Disk", says, f"Free {_mb(short)} before a deploy that updates modules.")
    if room.free - needs.disk < kept_free(room):
        return Finding("Disk", says, f"Less than {settings.BERTH_FREE_PERCENT} % is going to be free: add disk soon.")
    return Finding("Disk", says)


def _memory(needs: Needs, keep_going: KeepGoing) -> Finding:
    free = machine_state.available_memory()
    says = f"{_mb(free)} are available; the new pool takes about {_mb(needs.memory)} beside the one that serves."
    if free >= needs.memory:
        return Finding("Memory", says)
    if needs.in_turn:
        return Finding("Memory", says, "The branch deploys one after the other, so the old pool stops first.")
    given_up = keep.make_room(needs.host, needs.memory, instance=needs.instance, keep_going=keep_going)
    if given_up:
        says += f" To make room for it, what was kept to roll back to was given up: {', '.join(given_up)}."
    if given_up and machine_state.available_memory() >= needs.memory:
        return Finding("Memory", says)
    todo = "Stop what isn't needed, or let the branch deploy one after the other (its settings); then retry."
    return Finding("Memory", says, todo, stops=True)


def _database_server(needs: Needs) -> Finding:
    load = machines.cluster(needs.server).load()
    name = f"PostgreSQL {load.version} ({needs.server.purpose})"
    says = f"{name} answers; {load.connections} of {load.limit} connections are in use."
    if load.limit - load.connections < needs.connections:
        return Finding("Database server", says, "Raise its max_connections, or let some databases sleep.", stops=True)
    return Finding("Database server", says)


def _router() -> Finding:
    if machines.router().is_up():
        return Finding("Router", "HAProxy runs and takes connections.")
    return Finding("Router", "HAProxy doesn't answer.", "Berth starts it by itself; if not, run bin/up.", stops=True)


def _public_address() -> Finding:
    """A name that nobody has gets the router's own page for that: proof that the answer is the router's."""
    address = machines.router_address()
    where = f"{address}:{settings.BERTH_ROUTER_PORT}"
    if probe.status(address, settings.BERTH_ROUTER_PORT, "/", "nobody.invalid") == 404:
        return Finding("Public address", f"{where} answers.")
    todo = "See which program listens there (ss -ltnp), and run bin/up."
    return Finding("Public address", f"{where} doesn't answer as the router does.", todo, stops=True)


def _firewall() -> Finding:
    """Rules that somebody took away are put back here: without them tenants could reach each other."""
    installation, bridges = settings.BERTH_INSTALLATION, machines.bridges()
    if not walls.missing(installation, bridges):
        return Finding("Firewall", "The tenants' rules are in place.")
    walls.close(installation, bridges)
    left = walls.missing(installation, bridges)
    if not left:
        return Finding("Firewall", "The tenants' rules were not in place; they were put back.")
    return Finding("Firewall", "; ".join(left), "Look at the machine's firewall: Berth's rules don't stay.")


def _inotify() -> Finding:
    short = machine_state.raise_inotify()
    if not short:
        return Finding("Watched files", "The kernel's inotify limits are high enough.")
    says = "; ".join(f"{name} is {have}, which may be too low" for name, (have, _want) in short.items())
    commands = " ".join(f"{name}={want}" for name, (_have, want) in short.items())
    return Finding("Watched files", says, f"Berth may not raise it here. On the machine: sysctl -w {commands}")


def _encryption() -> Finding:
    home = Path(settings.BERTH_HOME)
    if machine_state.encrypted(home):
        return Finding("Encryption", f"{home} lies on an encrypted disk.")
    says = f"{home}, where live data lies, is on a disk that isn't encrypted, as far as this machine tells."
    return Finding("Encryption", says + " Whether it has to be is the operator's to decide; nothing waits for it.")


def _mb(size: int) -> str:
    return f"{max(0, size) // MIB:,} MB"
