"""A real installation for tests: made by bin/up in a home of its own, used like a customer's, removed at the end.

What it knows of the state comes from the portal's database and from the machine, not from Berth's code: a mistake there
must not hide itself here.
"""

import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from cryptography.fernet import Fernet, MultiFernet
from passlib.hash import pbkdf2_sha512
from psycopg.rows import dict_row

from deploy import environment, supervisor
from deploy.processes import CHECKOUT, PYTHON
from portal.commands import run
from tests.clone import Clone, Content
from tests.load import Client, Load
from tests.orphans import orphans
from tests.rows import BuildRow, read_build
from tests.users import Session, Writer, Writes

HOMES, PREFIX = Path("/var/tmp"), "berth-test-up-"
UP_S, DOWN_S = 2400, 600
BUILD_S = 900.0  # generous: the machine may be shared
POLL_S = 0.1
NO_IMAGE = "odoo.invalid/none:18.0"  # so that the stand-in is used, also where somebody pulls Odoo meanwhile
PASSWORD = "the admin's in a database that was brought along"
STATIC_FILE = "berth_hello/static/src/version.txt"


@dataclass(frozen=True)
class Answer:
    status: int
    commit: str  # of the router's header
    text: str


class Installation:
    """One that runs in `home`. As a context manager, it removes what was cloned of its repositories."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folders: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    # --- made and removed -------------------------------------------------------------------------------------------
    @classmethod
    @contextlib.contextmanager
    def bring_up(cls, **settings: str) -> Iterator["Installation"]:
        """A fresh one with its demo. `settings` are variables for bin/up. Raises CommandError."""
        remove_leftovers()
        made = cls(HOMES / f"{PREFIX}{os.getpid()}-{secrets.token_hex(3)}")
        try:
            with made:
                made.up(**dict(zip(environment.PORTS, free_ports(len(environment.PORTS)), strict=True)), **settings)
                yield made
        finally:
            made.purge()

    def up(self, **settings: str) -> None:
        """bin/up without its first part: what runs tests has the virtual environment already. Raises CommandError."""
        images = {"BERTH_ODOO_IMAGES": f"18.0={os.environ.get('BERTH_ODOO_IMAGE', NO_IMAGE)}"}
        run([str(PYTHON), "-m", "deploy.up"], timeout=UP_S, cwd=CHECKOUT, env=self._surroundings(images | settings))

    def berth(self, *arguments: str, stdin: str = "", timeout: float = UP_S, **settings: str) -> str:
        """What bin/berth prints. Raises CommandError."""
        argv, told = [str(PYTHON), "-m", "deploy.operate", *arguments], self._surroundings(settings)
        return run(argv, timeout=timeout, cwd=CHECKOUT, env=told, stdin=stdin.encode()).output

    def purge(self) -> None:
        if environment.env_file(self.home).exists():
            down = [str(PYTHON), "-m", "deploy.down", "--purge", "--yes"]
            run(down, timeout=DOWN_S, cwd=CHECKOUT, env=self._surroundings({}))
        shutil.rmtree(self.home, ignore_errors=True)

    def _surroundings(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Without the variables of another installation, or of the tests' own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BERTH_", "DJANGO_"))}
        return kept | {"BERTH_HOME": str(self.home)} | dict(settings)

    # --- what it is -------------------------------------------------------------------------------------------------
    @cached_property
    def values(self) -> Mapping[str, str]:
        """Its variables, from the file that bin/up wrote."""
        return environment.load(self.home)

    def demo(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "demo.json").read_text())
        return found

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of the portal's database."""
        with psycopg.connect(self.values["BERTH_DATABASE_URL"], row_factory=dict_row) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def branch(self, *, name: str = "", stage: str = "production") -> dict[str, Any]:
        """The row of a branch of the demo, by its name or its stage. Other projects may have such branches too."""
        asked = "b.name = %s" if name else "b.stage = %s"
        found = self.query(
            "SELECT b.* FROM projects_branch b JOIN projects_project p ON p.id = b.project_id"
            f" WHERE p.slug = %s AND b.deleted_at IS NULL AND {asked} ORDER BY b.id",
            self.demo()["project"],
            name or stage,
        )
        return found[0]

    def orphans(self) -> list[str]:
        """What has no row, or no end, a line each. Only meaningful while no story is told."""
        return orphans(self)

    def settled(self, timeout: float = 180.0) -> list[str]:
        """Wait until nothing is left over, at most `timeout` seconds: the reconciler's rounds take their time.

        Returns what is still left then; nothing when all is well.
        """
        deadline = time.monotonic() + timeout
        while (left := self.orphans()) and time.monotonic() < deadline:
            time.sleep(2)
        return left

    def at_rest(self, timeout: float = 180.0) -> None:
        """Wait until no story is told: what a benchmark did before may go on. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while told := self.query("SELECT kind FROM portal_story WHERE state <> 'done'"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still told after {timeout:.0f} s: {[story['kind'] for story in told]}")
            time.sleep(POLL_S)

    # --- as a customer uses it --------------------------------------------------------------------------------------
    def clone(self) -> Clone:
        """The demo's repository, cloned afresh."""
        folder = Path(tempfile.mkdtemp(prefix="berth-clone-"))
        self._folders.append(folder)
        return Clone(self.demo()["push_url"], folder / "repository.git")

    @cached_property
    def _clone(self) -> Clone:
        return self.clone()

    def push(self, files: Mapping[str, Content], message: str = "Change something", branch: str = "main") -> str:
        """Push a commit to the demo's repository and return its hash."""
        return self._clone.push(files, message, branch)

    def files(self, paths: Iterable[str], branch: str = "main") -> dict[str, str | None]:
        """Files of the demo's repository as they were pushed last; None for what isn't there."""
        self._clone.fetch()
        return {path: self._clone.read(path, branch) for path in paths}

    def read(self, path: str) -> str:
        """A file of what production was pushed last."""
        return str(self.files([path])[path])

    def push_static(self, text: str) -> str:
        """The smallest change of production: another content of the demo's static file."""
        return self.push({STATIC_FILE: f"{text}\n"}, f"Say {text}")

    def builds(self, sha: str) -> list[BuildRow]:
        """Builds of a commit, the newest first."""
        rows = self.query("SELECT id FROM builds_build WHERE commit = %s ORDER BY id DESC", sha)
        return [self.build(row["id"]) for row in rows]

    def build(self, pk: int) -> BuildRow:
        return read_build(self.query, pk)

    def wait_for(
        self, sha: str, happened: Callable[[BuildRow], bool], timeout: float = BUILD_S, poll: float = POLL_S
    ) -> BuildRow:
        """The newest build of a commit, once `happened` is true of it. Raises TimeoutError."""
        deadline, found = time.monotonic() + timeout, None
        while time.monotonic() < deadline:
            found = next(iter(self.builds(sha)), None)
            if found is not None and happened(found):
                return found
            time.sleep(poll)
        raise TimeoutError(f"{sha[:7]} within {timeout:.0f} s: {found or 'no build began'}")

    def wait_for_build(self, sha: str, timeout: float = BUILD_S) -> BuildRow:
        """The newest build of a commit, once it has ended. Raises TimeoutError."""
        return self.wait_for(sha, lambda build: build.state == "done", timeout)

    def hostname(self, build: BuildRow) -> str:
        (row,) = self.query("SELECT hostname FROM hosting_instance WHERE id = %s", build.instance)
        return str(row["hostname"])

    def answer(self, path: str, build: BuildRow | None = None) -> Answer:
        """What the router answers at the address of a build's database; of production, where none is named."""
        parts = urlsplit(self.demo()["production_url"])
        host = parts.netloc if build is None else f"{self.hostname(build)}:{parts.port}"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)) as connection:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            return Answer(response.status, response.getheader("X-Berth-Commit") or "", text)

    def versions(self) -> dict[str, str]:
        """Module -> installed version, in production's database."""
        asked = "SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'"
        return {str(row["name"]): str(row["latest_version"]) for row in self.in_production(asked)}

    def in_production(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of production's own database."""
        (row,) = self._production()
        url, name = self.values["BERTH_HOSTED_URL"], self._database(row["id"])
        with psycopg.connect(url, dbname=name, row_factory=dict_row) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def load(
        self, paths: Sequence[str] = ("/web/login",), *, clients: int = 4, pause: float = 0.1,
        users: Sequence[Client] = (),
    ) -> Load:  # fmt: skip
        """Steady load on the demo's production."""
        return Load(self.demo()["production_url"], paths, clients=clients, pause=pause, users=users)

    def sign_in(self) -> Session:
        """As the administrator of production's database, with the password that Berth made.

        Of a database that was brought along Berth knows none: that gets one of ours.
        """
        (row,) = self._production()
        keys = [Fernet(key.strip()) for key in self.values["BERTH_FERNET_KEYS"].split(",")]
        if row["login_password"]:
            password = MultiFernet(keys).decrypt(row["login_password"].encode()).decode()
        else:
            password = PASSWORD
            hashed = pbkdf2_sha512.hash(password)
            self.in_production("UPDATE res_users SET password = %s WHERE login = 'admin'", hashed)
        return Session.begin(self.demo()["production_url"], self._database(row["id"]), "admin", password)

    def writes(self, writers: Sequence[Writer]) -> Writes:
        """What became of what writers were told is written to production."""
        (row,) = self._production()
        parts = urlsplit(self.values["BERTH_HOSTED_URL"])
        return Writes.of(writers, parts._replace(path=f"/{self._database(row['id'])}").geturl())

    def _production(self) -> list[dict[str, Any]]:
        host = urlsplit(self.demo()["production_url"]).hostname
        return self.query("SELECT * FROM hosting_instance WHERE hostname = %s AND state = 'ready'", host)

    def _database(self, instance: int) -> str:
        return f"b{self.values['BERTH_INSTALLATION']}_i{instance}"

    # --- its processes ----------------------------------------------------------------------------------------------
    def control(self, *arguments: str) -> str:
        """What supervisorctl says."""
        return supervisor.control(self.home, *arguments, check=False).output

    def pid(self, program: str) -> int:
        """Of a program that supervisord runs (`worker`, `web-1`, `agent`); 0 while it doesn't run."""
        return int(self.control("pid", program).split()[-1])

    def processes(self, program: str) -> list[int]:
        """A program's process and all that descend from it."""
        root = self.pid(program)
        return [root, *descendants(root)] if root else []

    def kill(self, program: str, with_signal: signal.Signals = signal.SIGKILL, *, children: bool = True) -> list[int]:
        """Send a signal to a program, and to its descendants unless told not to. Returns who got it."""
        found = self.processes(program) if children else [self.pid(program)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, with_signal)
        return found

    def teller(self, story: int) -> int:
        """The process that tells a story now, 0 where none does: its claim begins with it."""
        (row,) = self.query("SELECT claim FROM portal_story WHERE id = %s", story)
        return int(row["claim"].partition("-")[0] or 0)


def descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, rest = [], [root]
    while rest:
        parent = rest.pop()
        children = [pid for pid, of in parents.items() if of == parent]
        found += children
        rest += children
    return found


def free_ports(number: int) -> list[str]:
    """Ports that nobody listens on, below those that outgoing connections take while bin/up is on its way."""
    found: list[str] = []
    for port in random.sample(range(20_000, 32_000), 500):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(str(port))
        if len(found) == number:
            return found
    raise RuntimeError("No free ports between 20000 and 32000.")


def remove_leftovers() -> None:
    """Installations of test runs that were killed."""
    for home in HOMES.glob(f"{PREFIX}*"):
        owner = home.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            Installation(home).purge()
