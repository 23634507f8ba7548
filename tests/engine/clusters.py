"""A private PostgreSQL for tests: its own folder, socket and free port, gone afterwards."""

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from portal.commands import run

ROOT = Path("/var/tmp")
PREFIX = "berth-test-pg-"
SETTINGS = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB -c log_min_messages=fatal"


@dataclass(frozen=True)
class Cluster:
    folder: Path
    port: int
    password: str
    host: str = "127.0.0.1"
    user: str = "berth_admin"

    @property
    def dsn(self) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/postgres"


@contextmanager
def cluster(*, listen: str = "127.0.0.1") -> Iterator[Cluster]:
    """Start a cluster that listens on these comma-separated addresses, with scram everywhere as in production."""
    _remove_leftovers()
    folder = ROOT / f"{PREFIX}{os.getpid()}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    (folder / "password").write_text(secrets.token_hex(16))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
    made = Cluster(folder=folder, port=_free_port(), password=(folder / "password").read_text())
    try:
        _postgres("initdb", "-D", f"{folder}/data", "-U", made.user, "-A", "scram-sha-256", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync", "--pwfile", f"{folder}/password")  # fmt: skip
        options = f"{SETTINGS} -c port={made.port} -c listen_addresses={listen} -c unix_socket_directories={folder}"
        _postgres("pg_ctl", "start", "-w", "-s", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options)
        yield made
    finally:
        _remove(folder)


def restart(made: Cluster) -> None:
    _postgres(
        "pg_ctl", "restart", "-w", "-s", "-m", "immediate", "-D", f"{made.folder}/data", "-l", f"{made.folder}/log"
    )


def _postgres(program: str, *arguments: str, check: bool = True) -> None:
    newest = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: float(path.name))
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    run([*prefix, str(newest / "bin" / program), *arguments], timeout=60, cwd=Path("/"), check=check)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _remove_leftovers() -> None:
    """Clusters of test runs whose process is gone."""
    for folder in ROOT.glob(f"{PREFIX}*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdigit() and not Path(f"/proc/{process}").exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        _postgres("pg_ctl", "stop", "-m", "immediate", "-D", f"{folder}/data", check=False)
        shutil.rmtree(folder)
