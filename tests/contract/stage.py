"""What the contract tests stand on: a PostgreSQL of their own, a Docker network, and an Odoo image between them."""

import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deploy.packages import postgresql_bin
from portal.commands import CommandError, run

from .serving import Ended, Server

LABEL = "berth.contract"
ADDONS = Path(__file__).parent
PLACES = (Path("/var/tmp"), Path("/dev/shm"))
ODOO_UID = 101


class Stage:
    """Owns a folder, a PostgreSQL and a network under one random name, and removes them at the end."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.name = f"berth-contract-{secrets.token_hex(3)}"
        self.folder = _roomiest() / self.name
        self.password = secrets.token_hex(8)
        self.gateway = ""
        self.port = 0
        self._idling: set[str] = set()

    # -- setting up ---------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        remove_leftovers()
        for name in ("pg", "data", "addons", "addons_next"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "pg", "postgres", "postgres")
        os.chown(self.folder / "data", ODOO_UID, ODOO_UID)
        for name in ("addons", "addons_next"):
            shutil.copytree(ADDONS / name, self.folder / name, dirs_exist_ok=True)
        _write_syntax_error(self.folder / "addons")
        label = f"{LABEL}={os.getpid()}"
        run(["docker", "network", "create", "--label", label, self.name], timeout=60)
        form = "{{(index .IPAM.Config 0).Gateway}} {{(index .IPAM.Config 0).Subnet}}"
        inspected = run(["docker", "network", "inspect", "--format", form, self.name], timeout=60).output
        self.gateway, subnet = inspected.split()
        self._start_postgres(subnet)

    def _start_postgres(self, subnet: str) -> None:
        self.port = _free_port()
        data, word = self.folder / "pg" / "data", self.folder / "pg" / "password"
        word.write_text(self.password)
        shutil.chown(word, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]
        options = ["--auth=scram-sha-256", "--username=berth_admin", f"--pwfile={word}", "--no-sync", "--encoding=UTF8"]
        run(
            [*as_postgres, f"{postgresql_bin(os.environ)}/initdb", f"--pgdata={data}", "--locale=C.UTF-8", *options],
            timeout=120,
            cwd=self.folder,
        )
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {subnet} scram-sha-256\n")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1,{self.gateway}'\nport = {self.port}\nfsync = off\n")
            settings.write(f"unix_socket_directories = '{self.folder}/pg'\nmax_connections = 200\n")
        self.postgres("start")
        self.execute("CREATE ROLE odoo LOGIN PASSWORD 'odoo' NOCREATEDB")
        self.execute("CREATE ROLE maker LOGIN PASSWORD 'odoo' CREATEDB IN ROLE odoo")

    def postgres(self, command: str, mode: str = "fast") -> None:
        """`start` or `stop` the server; `immediate` stops it without writing anything more."""
        log, data = self.folder / "pg" / "log", self.folder / "pg" / "data"
        argv = [
            "runuser",
            "-u",
            "postgres",
            "--",
            f"{postgresql_bin(os.environ)}/pg_ctl",
            "-w",
            "-D",
            str(data),
            "-l",
            str(log),
        ]
        run([*argv, *(("-m", mode) if command == "stop" else ()), command], timeout=60, cwd=self.folder)

    def tear_down(self) -> None:
        _remove(f"{LABEL}={os.getpid()}")
        with suppress(CommandError):
            self.postgres("stop", mode="immediate")
        shutil.rmtree(self.folder)

    # -- databases ----------------------------------------------------------------------------------------------------

    def dsn(self, database: str = "postgres", user: str = "berth_admin", password: str = "") -> str:
        word = password or self.password
        return f"host=127.0.0.1 port={self.port} user={user} password={word} dbname={database}"

    def execute(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def value(self, database: str, query: str) -> Any:
        rows = self.execute(query, database)
        return rows[0][0] if rows else None

    def create_database(self, name: str, template: str = "template0") -> str:
        """An empty database, or a copy of `template` with its filestore, owned by the role `odoo`."""
        statement = sql.SQL("CREATE DATABASE {} OWNER odoo TEMPLATE {}")
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        store = self.folder / "data" / "filestore"
        if (store / template).exists():
            run(["cp", "-a", str(store / template), str(store / name)], timeout=60)
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        shutil.rmtree(self.folder / "data" / "filestore" / name, ignore_errors=True)

    # -- the image ----------------------------------------------------------------------------------------------------

    def _container(self, addons: str) -> list[str]:
        """`docker run`, as far as it is the same for all containers of the stage."""
        mounts = ["-v", f"{self.folder}/{addons}:/mnt/extra-addons:ro", "-v", f"{self.folder}/data:/var/lib/odoo"]
        return ["docker", "run", "-d", "--init", "--label", f"{LABEL}={os.getpid()}", "--network", self.name, *mounts]

    def _connection(self, user: str = "odoo", password: str = "odoo") -> list[str]:
        return ["--db_host", self.gateway, "--db_port", str(self.port), "--db_user", user, "--db_password", password]

    def _idle(self, addons: str) -> str:
        """A container in which commands are run: that is quicker than one for each."""
        name = f"{self.name}-{addons}"
        if addons not in self._idling:
            self._idling.add(addons)
            run([*self._container(addons), "--name", name, "--entrypoint", "sleep", self.image, "infinity"], timeout=60)
        return name

    def odoo(
        self,
        *arguments: str,
        command: tuple[str, ...] = (),
        addons: str = "addons",
        user: str = "odoo",
        password: str = "odoo",
        stdin: str = "",
    ) -> Ended:
        """Run `odoo COMMAND <connection> ARGUMENTS` to its end."""
        connection = self._connection(user, password)
        argv = ["docker", "exec", "-i", self._idle(addons), "odoo", *command, *connection, *arguments]
        result = run(argv, timeout=300, stdin=stdin.encode(), check=False)
        return Ended(result.exit_code, result.output)

    def program(self, *argv: str) -> Ended:
        """Run another program in the image."""
        result = run(["docker", "exec", self._idle("addons"), *argv], timeout=60, check=False)
        return Ended(result.exit_code, result.output)

    @contextmanager
    def serve(self, *arguments: str, addons: str = "addons", connection: bool = True) -> Iterator[Server]:
        """A server for the time of a `with`, in a container of its own. It is killed at the end if it still runs.

        Without `connection` the arguments say where PostgreSQL is.
        """
        name = f"{self.name}-{secrets.token_hex(3)}"
        argv = [*self._container(addons), "--name", name, "-e", "MOCKODOO_FAST=1", "--entrypoint", "odoo", self.image]
        started = time.monotonic()
        run([*argv, *(self._connection() if connection else ()), *arguments], timeout=60)
        form = f'{{{{(index .NetworkSettings.Networks "{self.name}").IPAddress}}}}'
        try:
            address = run(["docker", "inspect", "--format", form, name], timeout=30).output.strip()
            yield Server(name, address, _database(arguments), started)
        finally:
            run(["docker", "rm", "-f", "-v", name], timeout=60)


def _database(arguments: tuple[str, ...]) -> str:
    return arguments[arguments.index("-d") + 1] if "-d" in arguments else ""


def _roomiest() -> Path:
    """Where the stage lies: in memory if there is plenty, since databases are made and dropped all the time."""
    disk, memory = PLACES
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else disk


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _write_syntax_error(addons: Path) -> None:
    """A module that no Python tool may come upon in the repository."""
    module = addons / "contract_syntax_error"
    module.mkdir()
    (module / "__manifest__.py").write_text("{'name': 'Syntax error', 'depends': ['base'], 'license': 'LGPL-3'}")
    (module / "__init__.py").write_text("def broken(:\n")


def remove_leftovers() -> None:
    """Remove what runs that were killed have left: their process is gone, their containers and folders are not."""
    listed = run(
        ["docker", "network", "ls", "--filter", f"label={LABEL}", "--format", '{{.Name}} {{.Label "berth.contract"}}'],
        timeout=60,
    )
    for line in listed.output.splitlines():
        name, owner = line.split()
        if not Path("/proc", owner).exists():
            _remove(f"{LABEL}={owner}")
            folder = next((place / name for place in PLACES if (place / name).exists()), PLACES[0] / name)
            pid_file = folder / "pg" / "data" / "postmaster.pid"
            if pid_file.exists():
                data = str(pid_file.parent)
                run(
                    [
                        "runuser",
                        "-u",
                        "postgres",
                        "--",
                        f"{postgresql_bin(os.environ)}/pg_ctl",
                        "-D",
                        data,
                        "-m",
                        "immediate",
                        "stop",
                    ],
                    timeout=60,
                    check=False,
                    cwd=folder,
                )
            shutil.rmtree(folder, ignore_errors=True)


def _remove(label: str) -> None:
    """Remove all containers and networks with a label."""
    containers = run(["docker", "ps", "-aq", "--filter", f"label={label}"], timeout=60).output.split()
    if containers:
        run(["docker", "rm", "-f", "-v", *containers], timeout=120)
    networks = run(["docker", "network", "ls", "-q", "--filter", f"label={label}"], timeout=60).output.split()
    if networks:
        run(["docker", "network", "rm", *networks], timeout=60)
