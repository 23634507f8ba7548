"""What an installation left behind: things without a row, and rows without an end. Written apart from
hosting/reconcile.py, so that a mistake there doesn't hide itself here.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import docker
import psycopg


class Installed(Protocol):
    home: Path

    @property
    def values(self) -> Mapping[str, str]: ...

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]: ...


def orphans(installed: Installed) -> list[str]:
    """A line for each thing that nobody owns while no story is told; nothing when all is well."""
    rows = _Rows(installed)
    return [
        *rows.unfinished(),
        *_mails(installed),
        *_containers(installed, rows),
        *_databases(installed, rows),
        *_folders(installed, rows),
        *_router(installed, rows),
    ]


class _Rows:
    """What the rows say there should be."""

    def __init__(self, installed: Installed) -> None:
        self.installation = installed.values["BERTH_INSTALLATION"]
        self.instances = installed.query("SELECT * FROM hosting_instance WHERE state <> 'removed'")
        self.pools = installed.query("SELECT * FROM hosting_pool WHERE state <> 'gone'")
        self.replicas = installed.query("SELECT * FROM hosting_replica")
        self.stories = installed.query("SELECT * FROM portal_story WHERE state <> 'done'")
        self.builds = installed.query("SELECT * FROM builds_build WHERE state <> 'done'")
        self.slots = installed.query("SELECT * FROM hosting_slot WHERE pool_id IS NOT NULL")
        self.names = {f"i{row['id']}" for row in self.instances}
        asides = installed.query(
            "SELECT b.instance_id, r.id FROM builds_restore r JOIN projects_branch b ON b.id = r.branch_id"
            " WHERE r.kept_until IS NOT NULL"
        )
        self.asides = {(f"i{row['instance_id']}", f"r{row['id']}") for row in asides}  # from before a restore

    def unfinished(self) -> Iterator[str]:
        live = {row["live_pool_id"] for row in self.instances}
        yield from (f"story {row['id']} is {row['state']}" for row in self.stories)
        yield from (f"build {row['id']} is {row['state']}" for row in self.builds)
        yield from (f"instance i{row['id']} is being created" for row in self.instances if row["state"] == "new")
        serving = [row for row in self.pools if row["state"] == "live"]
        kept = [row["instance_id"] for row in self.pools if row["state"] == "kept"]
        others = [row for row in self.pools if row["state"] not in {"live", "kept", "asleep"}]
        yield from (f"pool {row['id']} is {row['state']}" for row in others)
        yield from (f"pool {row['id']} is live, but not its instance's" for row in serving if row["id"] not in live)
        yield from (f"i{instance} keeps {kept.count(instance)} pools" for instance in kept if kept.count(instance) > 1)
        pools = {row["id"] for row in self.pools}
        lost = [row["address"] for row in self.replicas if row["pool_id"] not in pools]
        yield from (f"{address} is kept for a pool that is gone" for address in lost)
        gone = [row for row in self.slots if row["pool_id"] not in pools]
        yield from (f"slot {row['number']} is lent to a pool that is gone" for row in gone)

    def containers(self) -> set[str]:
        stems = {
            row["id"]: f"berth-{self.installation}-i{row['instance_id']}-g{row['generation']}" for row in self.pools
        }
        further = {f"{stems[row['pool_id']]}-web-{row['number']}" for row in self.replicas if row["pool_id"] in stems}
        return {f"{stem}-{role}" for stem in stems.values() for role in ("web", "cron")} | further


def _mails(installed: Installed) -> Iterator[str]:
    asked = "SELECT m.id FROM hosting_mail m JOIN hosting_instance i ON i.id = m.instance_id WHERE i.state = 'removed'"
    yield from (f"mail {row['id']} is of an instance that is gone" for row in installed.query(asked))


def _containers(installed: Installed, rows: _Rows) -> Iterator[str]:
    client = docker.DockerClient(
        installed.values.get("BERTH_DOCKER_URL", "unix:///var/run/docker.sock"), version="1.41"
    )
    try:
        found = client.api.containers(all=True, filters={"label": f"berth.installation={rows.installation}"})
        expected = rows.containers()
        for container in found:
            name = container["Names"][0].lstrip("/") if container["Names"] else container["Id"][:12]
            if name not in expected:
                yield f"container {name} ({container['State']})"
    finally:
        client.close()


def _databases(installed: Installed, rows: _Rows) -> Iterator[str]:
    servers = installed.query("SELECT id, purpose FROM hosting_databaseserver")
    for server in servers:
        prefix = f"b{rows.installation}_i"
        expected = {f"{prefix}{row['id']}" for row in rows.instances if row["database_server_id"] == server["id"]}
        expected |= {f"b{rows.installation}_{name}_{label}" for name, label in rows.asides}
        with psycopg.connect(installed.values[f"BERTH_{server['purpose'].upper()}_URL"]) as connection:
            for kind, table, column in (("database", "pg_database", "datname"), ("role", "pg_roles", "rolname")):
                found = {name for (name,) in connection.execute(f"SELECT {column} FROM {table}")}
                ours = {name for name in found if name.startswith(prefix)}
                yield from (f"{kind} {name} in {server['purpose']}" for name in sorted(ours - expected))


def _folders(installed: Installed, rows: _Rows) -> Iterator[str]:
    generations = {f"i{row['instance_id']}/g{row['generation']}" for row in rows.pools}
    generations |= {f"{name}/{label}" for name, label in rows.asides}
    for path in (installed.home / "instances").iterdir():
        if path.name not in rows.names:
            yield f"folder {path}"
        inside = (f"{path.name}/{folder.name}" for folder in path.iterdir())
        yield from (f"folder instances/{name}" for name in inside if _is_extra(name, generations))
    yield from (f"folder {path}" for path in (installed.home / "builds").iterdir())


def _is_extra(name: str, generations: set[str]) -> bool:
    return name not in generations and name.partition("/")[2] not in {"data", "log"}


def _router(installed: Installed, rows: _Rows) -> Iterator[str]:
    """The running process's maps and slots, and the files from which the next one begins."""
    hosts = {row["hostname"]: f"i{row['id']}" for row in rows.instances}
    for kind, expected in (("hosts", set(hosts)), ("routes", rows.names), ("hold", set())):
        told = _ask(installed.home, f"show map {kind}.map").splitlines()
        running = {line.split()[1] for line in told if len(line.split()) > 2}
        written = {
            line.split()[0] for line in (installed.home / f"haproxy/{kind}.map").read_text().splitlines() if line
        }
        yield from (f"{kind} of the router: {name}" for name in sorted(running - expected))
        yield from (f"{kind}.map: {name}" for name in sorted(written - expected))
        if kind != "hold":
            yield from (f"{kind} of the router lacks {name}" for name in sorted(expected - running))
    lent = {f"s{row['number']}" for row in rows.slots}
    filled = set(
        re.findall(r"^\d+ web_(s\d+) \d+ \S+ (?!127\.0\.0\.1 )", _ask(installed.home, "show servers state"), re.M)
    )
    yield from (f"slot {name} of the router leads somewhere" for name in sorted(filled - lent))
    yield from (f"slot {name} of the router leads nowhere" for name in sorted(lent - filled))


def _ask(home: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(home / "run/router.sock"))
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
