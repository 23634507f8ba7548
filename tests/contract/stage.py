"""What the contract tests stand on: a PostgreSQL of their own, a Docker network, and an Odoo image between them."""

import http.client
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from portal.commands import CommandError, Result, run

POSTGRES = Path("/usr/lib/postgresql/15/bin")
LABEL = "berth.contract"
ADDONS = Path(__file__).parent
ODOO_UID = 101
LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (\d+) ([A-Z]+) (\S+) ([\w.]+): (.*)$")


@dataclass(frozen=True)
class LogLine:
    level: str
    database: str
    logger: str
    message: str
    raw: str


@dataclass(frozen=True)
class Ended:
    """A command that ran in the image and ended."""

    exit_code: int
    output: str

    @property
    def lines(self) -> list[LogLine]:
        return log_lines(self.output)

    def messages(self, level: str) -> list[str]:
        return [line.message for line in self.lines if line.level == level]


def log_lines(output: str) -> list[LogLine]:
    found = (LINE.match(line) for line in output.splitlines())
    return [LogLine(m[3], m[4], m[5], m[6], m[0]) for m in found if m]


@dataclass
class Server:
    """A container that serves."""

    name: str
    address: str
    database: str
    started: float = field(default_factory=time.monotonic)

    def get(
        self,
        path: str,
        *,
        port: int = 8069,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30,
    ) -> "Answer":
        """One request: GET, or POST with a body. `Host` is sent unless it is given as an empty string."""
        connection = http.client.HTTPConnection(self.address, port, timeout=timeout)
        sent = {"Host": "localhost", **(headers or {})}
        try:
            connection.putrequest("POST" if body is not None else "GET", path, skip_host=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.version, response.getheaders(), response.read())
        finally:
            connection.close()

    def follow(self, path: str, headers: dict[str, str] | None = None) -> tuple["Answer", str]:
        """Go where redirects lead. Returns the last answer and its path."""
        for _ in range(6):
            answer = self.get(path, headers=headers)
            if answer.status not in (301, 302, 303):
                break
            path = answer.header("Location").removeprefix("http://localhost")
        return answer, path

    def call(self, path: str, **parameters: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "call", "params": parameters}).encode()
        answer = self.get(path, headers={"Content-Type": "application/json"}, body=body, timeout=120)
        assert answer.status == 200
        content: dict[str, Any] = json.loads(answer.body)
        return content

    def wait(self, path: str = "/web/health", *, port: int = 8069, seconds: float = 60) -> float:
        """Wait for a 200. Returns the seconds since the container was started."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                if self.get(path, port=port).status == 200:
                    return time.monotonic() - self.started
            time.sleep(0.1)
        raise AssertionError(f"{path} on {port} gave no 200 within {seconds} s:\n{self.output()[-3000:]}")

    def output(self) -> str:
        return run(["docker", "logs", self.name], timeout=30).output

    def wait_for_line(self, text: str, seconds: float = 60) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [line for line in self.output().splitlines() if text in line]
            if found:
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"no line with {text!r} within {seconds} s:\n{self.output()[-3000:]}")

    def signal(self, name: str) -> None:
        run(["docker", "kill", "--signal", name, self.name], timeout=30)

    def exit_code(self, seconds: float = 60) -> int:
        return int(run(["docker", "wait", self.name], timeout=seconds).output)

    def connect(self, port: int = 8069) -> socket.socket:
        return socket.create_connection((self.address, port), timeout=10)


@dataclass(frozen=True)
class Answer:
    status: int
    version: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def session(self) -> str:
        found = re.search(r"session_id=([^;]+)", self.header("Set-Cookie"))
        return found[1] if found else ""


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
