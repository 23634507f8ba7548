"""PostgreSQL clusters in memory: as their administrator sees them, and as a hosted database's own role does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hosting.engines.postgres import (
    DatabaseError,
    DatabaseInUse,
    DatabaseMissing,
    Load,
    ModuleState,
    Shape,
    Switch,
    Version,
)
from tests.unit.fakes.world import Data, World


class FakeCluster:
    def __init__(self, world: World, purpose: str) -> None:
        self.world, self.purpose = world, purpose

    @property
    def held(self) -> dict[str, Data]:
        return self.world.databases[self.purpose]

    def create_role(self, name: str, password: str, connection_limit: int) -> None:
        self.world.happen("create role")
        self.world.roles[self.purpose].add(name)
        self.world.closed.discard(name)
        self.world.connections[name] = connection_limit

    def set_limit(self, role: str, connection_limit: int) -> None:
        self.world.happen("set limit")
        self.world.connections[role] = connection_limit

    def close_role(self, name: str) -> None:
        self.world.happen("close role")
        self.world.closed.add(name)

    def create_database(self, name: str, owner: str) -> None:
        self.world.happen("create database")
        self.held.setdefault(name, Data(owner, finished=False))
        self.world.happen("finish database")
        self.held[name].finished = True

    def copy_database(self, source: str, target: str, owner: str) -> None:
        """It is there from the first moment, but unfinished until the end."""
        self.world.happen("copy database")
        if source not in self.held:
            raise DatabaseMissing(f"There is no database {source}.")
        if self.world.disturbing(source):
            raise DatabaseInUse(f"{self.world.disturbing(source)} use {source}.")
        if target in self.held and self.held[target].finished:
            raise DatabaseInUse(f"The database {target} exists already.")
        self.held[target] = self.held[source].copy(owner, finished=False)
        self.world.happen("finish copy")
        self.held[target].finished = True

    def exchange_database(self, name: str, *, by: str, keep: str) -> None:
        if by not in self.held:
            return
        self.world.happen("exchange databases")
        if by not in self.held:
            raise DatabaseMissing(f"There is no database {by}.")
        if name in self.held and keep in self.held:
            raise DatabaseInUse(f"The database {keep} exists already.")
        if name in self.held:
            self.held[keep] = self.held.pop(name)
        self.held[name] = self.held.pop(by)

    def hand_over_database(self, name: str, owner: str) -> None:
        self.world.happen("hand over database")
        if name not in self.held:
            raise DatabaseMissing(f"There is no database {name}.")
        self.held[name].owner = owner

    def forget_settings(self, name: str, role: str) -> None:
        self.world.happen("forget settings")

    def drop_database(self, name: str) -> None:
        self.world.happen("drop database")
        self.held.pop(name, None)

    def drop_role(self, name: str) -> None:
        self.world.happen("drop role")
        if any(data.owner == name for data in self.held.values()):
            raise DatabaseInUse(f"{name} owns a database.")
        self.world.roles[self.purpose].discard(name)
        self.world.closed.discard(name)

    def is_finished(self, name: str) -> bool:
        self.world.happen("ask for database")
        return name in self.held and self.held[name].finished

    def sizes(self, prefix: str) -> dict[str, int]:
        return {name: self.size(name) for name in self.databases(prefix)}

    def databases(self, prefix: str) -> set[str]:
        self.world.happen("list databases")
        return {name for name in self.held if name.startswith(prefix)}

    def roles(self, prefix: str) -> set[str]:
        return {name for name in self.world.roles[self.purpose] if name.startswith(prefix)}

    def size(self, database: str) -> int:
        self.world.happen("ask for size")
        if database not in self.held:
            raise DatabaseMissing(f"database {database} does not exist")
        return 1

    def version(self) -> Version:
        return Version(16, 16)

    def load(self) -> Load:
        self.world.happen("ask for load")
        return Load(Version(16, 16), connections=10, limit=400)

    def clients(self, database: str) -> dict[str, int]:
        self.world.happen("list clients")
        containers = (self.world.containers[name] for name in self.world.using(database))
        return {container.spec.address: 1 for container in containers if container.spec.address}


class FakeDatabase:
    """A hosted database as its own role sees it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    @property
    def data(self) -> Data:
        found = next((held[self.name] for held in self.world.databases.values() if self.name in held), None)
        if found is None or not found.finished:
            raise DatabaseMissing(f"{self.name} can't be entered.")
        return found

    def module_states(self) -> list[ModuleState]:
        self.world.happen("read modules")
        return [ModuleState(name, "installed", version) for name, version in sorted(self.data.modules.items())]

    def modules_left_over(self) -> list[ModuleState]:
        self.world.happen("read modules")
        return []

    @contextmanager
    def frozen(self, *, timeout: float) -> Iterator["FakeMoment"]:
        self.world.happen("freeze")
        yield FakeMoment(self.data)

    def shape(self) -> Shape:
        self.world.happen("read shape")
        return Shape(tables=frozenset(self.data.modules))

    def parameter(self, key: str) -> str | None:
        return self.data.parameters.get(key)

    def set_parameter(self, key: str, value: str) -> None:
        self.world.happen("set parameter")
        self.data.parameters[key] = value

    def lead_mails_to(self, host: str, port: int) -> None:
        self.world.happen("lead mails")
        self.data.mail_server = (host, port)

    def active(self, table: str) -> list[tuple[int, str]]:
        self.world.happen("read active")
        return [(number, name) for number, name in enumerate(self.data.active.get(table, ()), 1)]

    def switch_off(self, table: str) -> None:
        self.world.happen("switch off")
        self.data.active.pop(table, None)

    def switch_on(self, table: str, record_id: int) -> bool:
        self.world.happen("switch on")
        self.data.active[table] = [*self.data.active.get(table, ()), str(record_id)]
        return True

    def drop_parameter(self, key: str) -> None:
        self.world.happen("drop parameter")
        self.data.parameters.pop(key, None)

    def switched_on(self, switches: Sequence[Switch], *, timeout: float) -> dict[str, int]:
        self.world.happen("count switches")
        return dict(self.data.switched_on)

    def switch_all_off(self, switches: Sequence[Switch], *, timeout: float) -> dict[str, int]:
        self.world.happen("switch all off")
        self.data.switched_on = {}
        return {}

    def cancel_jobs(self) -> int:
        self.world.happen("cancel jobs")
        waiting, self.data.jobs = self.data.jobs, 0
        return waiting

    def park_jobs(self) -> int:
        self.world.happen("park jobs")
        self.data.jobs, self.data.parked_jobs = 0, self.data.jobs + self.data.parked_jobs
        return self.data.parked_jobs

    def resume_jobs(self) -> None:
        self.world.happen("resume jobs")
        self.data.jobs, self.data.parked_jobs = self.data.jobs + self.data.parked_jobs, 0

    def set_password(self, login: str, password_hash: str) -> bool:
        self.world.happen("set password")
        return True


class FakeMoment:
    """A moment of a database, whose content nobody changes meanwhile."""

    snapshot = "00000003-0000001B-1"

    def __init__(self, data: Data) -> None:
        self.rows, self.files, self.damaged = len(data.rows), set(data.files), data.damaged

    def count_rows(self, keep_going: Callable[[], None] = lambda: None) -> dict[str, int]:
        keep_going()
        if self.damaged:
            raise DatabaseError("invalid page in block 7 of relation base/16384/2619")
        return {"public.rows": self.rows}

    def attached_files(self) -> set[str]:
        return self.files
