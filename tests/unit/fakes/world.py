"""What the make-believe machines have in common: the state of the world, and every call as an event in it."""

import copy
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hosting.engines.docker import ContainerSpec, ImageInfo
from hosting.engines.haproxy import Marks, Route, Server
from projects.providers import Webhook

ODOO_IMAGE = "sha256:odoo"


class Killed(BaseException):
    """As if the worker had been killed: from here on it does nothing more, not even in its `finally` clauses."""


@dataclass
class Data:
    """A database: its owner and what is in it."""

    owner: str
    modules: dict[str, str] = field(default_factory=dict)  # installed ones with their versions
    parameters: dict[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    jobs: int = 0  # of queue_job, that wait
    parked_jobs: int = 0
    mail_server: tuple[str, int] = ("invalid", 1025)  # after Odoo's neutralisation
    active: dict[str, list[str]] = field(default_factory=dict)  # table -> names of what works by itself
    files: tuple[str, ...] = ()  # of the filestore, that attachments name
    switched_on: dict[str, int] = field(default_factory=dict)  # what speaks to the outside, by kind
    finished: bool = True
    damaged: bool = False  # a page of a table can't be read

    def copy(self, owner: str, *, finished: bool) -> "Data":
        modules, parameters = dict(self.modules), dict(self.parameters)
        active = {table: list(names) for table, names in self.active.items()}
        on = dict(self.switched_on)
        return replace(
            self,
            owner=owner,
            modules=modules,
            parameters=parameters,
            active=active,
            switched_on=on,
            finished=finished,
        )


@dataclass
class Container:
    spec: ContainerSpec
    running: bool = True
    restarts: int = 0


@dataclass
class World:
    """Everything outside the portal. Ahead of each event `watch` is called, and `before`, which may raise."""

    installation: str
    containers: dict[str, Container] = field(default_factory=dict)
    images: dict[str, ImageInfo] = field(default_factory=dict)
    registry: dict[str, str] = field(default_factory=dict)  # names of images, and which ones they are there now
    databases: dict[str, dict[str, Data]] = field(default_factory=lambda: {"hosted": {}, "lab": {}})
    roles: dict[str, set[str]] = field(default_factory=lambda: {"hosted": set(), "lab": set()})
    closed: set[str] = field(default_factory=set)  # of them, those that may not log in
    connections: dict[str, int] = field(default_factory=dict)  # role -> how many it may open
    hosts: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    slots: dict[int, list[Server]] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)  # commit -> module -> version
    repository: str = "acme/shop"  # what GitHub calls it now
    heads: dict[str, str] = field(default_factory=dict)  # branch -> commit
    merges: list[tuple[str, str, str]] = field(default_factory=list)  # branch, the one that got it, message
    statuses: list[tuple[str, str]] = field(default_factory=list)  # commit, state
    webhook: Webhook | None = None
    deploy_keys: list[str] = field(default_factory=list)  # public halves, "" once removed; the first has id 1
    used_bytes: int = 0  # of each container's memory
    disk_free: int = 2**39  # bytes
    watch: Callable[[], None] = lambda: None
    before: Callable[[str], None] = lambda _what: None
    dead: bool = False  # whoever makes the calls was killed
    seen: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.images[ODOO_IMAGE] = ImageInfo(id=ODOO_IMAGE, tags=("odoo:18.0",), labels={}, size=1)

    def happen(self, what: str) -> None:
        """An event is about to happen."""
        if self.dead:
            raise Killed
        self.seen[what] += 1
        self.watch()
        self.before(what)

    def modules_of(self, image_id: str) -> dict[str, str]:
        """The repository's modules in an image, with their versions as Odoo keeps them."""
        commit = self.images[image_id].labels.get("berth.commit", "")
        return {name: f"18.0.{version}" for name, version in self.commits.get(commit, {}).items()}

    def using(self, database: str) -> list[str]:
        """Running containers that are connected to a database."""
        return [
            name
            for name, container in self.containers.items()
            if container.running and container.spec.env.get("PGDATABASE") == database
        ]

    def disturbing(self, database: str) -> list[str]:
        """Running containers that may write to a database now: those whose requests nobody holds, and all but web."""
        name = next((name for name in self.routes if database.endswith(f"_{name}") and name not in self.held), "")
        slot = self.routes[name].slot[1:] if name else ""
        served = {server.address for server in self.slots.get(int(slot) if slot.isdecimal() else 0, [])}
        using = {name: self.containers[name].spec.address for name in self.using(database)}
        return [name for name, address in using.items() if address in served or not re.search(r"-web(-\d)?$", name)]

    def answer(self, host: str) -> str:
        """What a client gets at an address: the commit that serves him, a page's name, or what is wrong."""
        instance = self.hosts.get(host)
        if instance in self.held:
            return "held"
        route = self.routes.get(instance or "")
        if route is None:
            return "nowhere"
        if not route.slot.startswith("s") or not route.slot[1:].isdecimal():
            return route.slot
        for server in self.slots.get(int(route.slot[1:]), []):
            for container in self.containers.values():
                if container.running and container.spec.address == server.address:
                    known = self.databases["hosted"] | self.databases["lab"]
                    return route.commit if container.spec.env["PGDATABASE"] in known else "without its database"
            return f"{route.slot} leads to {server.address}, where nobody is"
        return f"{route.slot} is empty"

    def summary(self) -> dict[str, Any]:
        """What there is, to be compared: without databases that nobody may enter, which are only there to be copied."""
        return copy.deepcopy(self._summary())

    def _summary(self) -> dict[str, Any]:
        copied_from = {name.partition("_")[2] for name in self.closed}
        return {
            "containers": {name: (c.spec.image_id, c.running) for name, c in sorted(self.containers.items())},
            "databases": {
                purpose: {
                    name: (d.owner, d.modules, d.rows, d.finished)
                    for name, d in sorted(found.items())
                    if name not in self.closed
                }
                for purpose, found in self.databases.items()
            },
            "roles": {purpose: names - self.closed for purpose, names in self.roles.items()},
            "hosts": {host: name for host, name in self.hosts.items() if name not in copied_from},
            "held": self.held,
            "routes": {name: r.value for name, r in sorted(self.routes.items()) if name not in copied_from},
            "slots": {number: servers for number, servers in sorted(self.slots.items()) if servers},
        }
