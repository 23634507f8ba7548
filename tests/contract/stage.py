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

from portal.commands import CommandError, Result, run

from .serving import Ended, Server

POSTGRES = Path("/usr/lib/postgresql/15/bin")
LABEL = "berth.contract"
ADDONS = Path(__file__).parent
ODOO_UID = 101


class Stage:
    """Owns a folder, a PostgreSQL and a network under one random name, and removes them at the end."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.name = f"berth-contract-{secrets.token_hex(3)}"
        self.folder = Path("/var/tmp") / self.name
        self.password = secrets.token_hex(8)
        self.gateway = ""
        self.port = 0

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
            [*as_postgres, f"{POSTGRES}/initdb", f"--pgdata={data}", "--locale=C.UTF-8", *options],
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

    def postgres(self, command: str) -> None:
        """`start`, `stop` or `restart` the server."""
        log, data = self.folder / "pg" / "log", self.folder / "pg" / "data"
        argv = ["runuser", "-u", "postgres", "--", f"{POSTGRES}/pg_ctl", "-w", "-D", str(data), "-l", str(log)]
        run([*argv, *(("-m", "fast") if command != "start" else ()), command], timeout=60, cwd=self.folder)

    def tear_down(self) -> None:
        _remove(f"{LABEL}={os.getpid()}")
        with suppress(CommandError):
            self.postgres("stop")
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

    # -- the image ----------------------------------------------------------------------------------------------------

    def _argv(
        self, *, addons: str = "addons", user: str = "odoo", password: str = "odoo"
    ) -> tuple[list[str], list[str]]:
        mounts = ["-v", f"{self.folder}/{addons}:/mnt/extra-addons:ro", "-v", f"{self.folder}/data:/var/lib/odoo"]
        docker = ["docker", "run", "--init", "--label", f"{LABEL}={os.getpid()}", "--network", self.name, *mounts]
        connection = [
            "--db_host",
            self.gateway,
            "--db_port",
            str(self.port),
            "--db_user",
            user,
            "--db_password",
            password,
        ]
        return docker, connection

    def odoo(
        self,
        *arguments: str,
        command: tuple[str, ...] = (),
        addons: str = "addons",
        user: str = "odoo",
        password: str = "odoo",
        stdin: str | None = None,
        timeout: float = 300,
    ) -> Ended:
        """Run `odoo COMMAND <connection> ARGUMENTS` in a container of its own, to its end."""
        docker, connection = self._argv(addons=addons, user=user, password=password)
        argv = [*docker, "--rm", "-i", "--entrypoint", "odoo", self.image, *command, *connection, *arguments]
        return _ended(run(argv, timeout=timeout, stdin=(stdin or "").encode(), check=False))

    def program(self, *argv: str) -> Ended:
        """Run another program in the image."""
        docker, _ = self._argv()
        return _ended(run([*docker, "--rm", "--entrypoint", argv[0], self.image, *argv[1:]], timeout=60, check=False))

    @contextmanager
    def serve(
        self, *arguments: str, addons: str = "addons", environment: dict[str, str] | None = None
    ) -> Iterator[Server]:
        """A server for the time of a `with`. It is killed at the end if it still runs."""
        docker, connection = self._argv(addons=addons)
        name = f"{self.name}-{secrets.token_hex(3)}"
        variables = [word for key, value in (environment or {}).items() for word in ("-e", f"{key}={value}")]
        argv = [*docker, "-d", "--name", name, *variables, "--entrypoint", "odoo", self.image, *connection, *arguments]
        started = time.monotonic()
        run(argv, timeout=60)
        form = f'{{{{(index .NetworkSettings.Networks "{self.name}").IPAddress}}}}'
        try:
            address = run(["docker", "inspect", "--format", form, name], timeout=30).output.strip()
            yield Server(name, address, _database(arguments), started)
        finally:
            run(["docker", "rm", "-f", "-v", name], timeout=60)


def _database(arguments: tuple[str, ...]) -> str:
    return arguments[arguments.index("-d") + 1] if "-d" in arguments else ""


def _ended(result: Result) -> Ended:
    return Ended(result.exit_code, result.output)


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
            folder = Path("/var/tmp") / name
            pid_file = folder / "pg" / "data" / "postmaster.pid"
            if pid_file.exists():
                data = str(pid_file.parent)
                run(
                    ["runuser", "-u", "postgres", "--", f"{POSTGRES}/pg_ctl", "-D", data, "-m", "immediate", "stop"],
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
