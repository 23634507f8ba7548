"""What the tests push to production, and whether it is what production serves."""

import http.client
import os
import re
import secrets
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.installation import STATIC_FILE, BuildRow, Installation

MANIFEST = "berth_library/__manifest__.py"
PATHS = ("/web/login", f"/{STATIC_FILE}")


def change_static_file(installation: Installation) -> str:
    """A deploy without an update: nothing but the content of a file."""
    return installation.push_static(secrets.token_hex(4))


def raise_version(installation: Installation) -> str:
    """A deploy that updates a module in the database."""
    manifest = installation.read(MANIFEST)
    found = re.search(r'"version": "18\.0\.1\.0\.(\d+)"', manifest)
    assert found
    version = f'"version": "18.0.1.0.{int(found[1]) + 1}"'
    return installation.push({MANIFEST: manifest.replace(found[0], version)}, "Raise the version of a module")


CHANGES: dict[str, Callable[[Installation], str]] = {"plain": change_static_file, "update": raise_version}


@dataclass(frozen=True)
class Served:
    commit: str
    content: str


def served(installation: Installation) -> Served:
    """What production answers with: the commit of the router's header, and the static file."""
    parts = urlsplit(installation.demo()["production_url"])
    with closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)) as connection:
        connection.request("GET", f"/{STATIC_FILE}", headers={"Host": parts.netloc})
        response = connection.getresponse()
        return Served(response.getheader("X-Berth-Commit") or "", response.read().decode().strip())


def kill_teller(installation: Installation, build: BuildRow) -> int:
    """kill -9 the process that tells the build's story. Returns its number, 0 where it had ended by then."""
    pid = installation.teller(build.story)
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pid
