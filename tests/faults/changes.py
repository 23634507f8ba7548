"""What the tests push to production, and how they end who deploys it."""

import os
import re
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress

from tests.installation import STATIC_FILE, Installation
from tests.rows import BuildRow

HELLO, LIBRARY = "berth_hello/__manifest__.py", "berth_library/__manifest__.py"
VIEWS = "berth_library/views/library_book_views.xml"
PATHS = ("/web/login", f"/{STATIC_FILE}")


def change_static_file(installation: Installation) -> str:
    """A deploy without an update: nothing but the content of a file."""
    return installation.push_static(secrets.token_hex(4))


def raise_version(installation: Installation) -> str:
    """A deploy that updates a module in the database."""
    return installation.push({LIBRARY: raised(installation, LIBRARY)}, "Raise the version of a module")


def break_update(installation: Installation) -> str:
    """A deploy of an update that fails at its second module, when the first has changed the database."""
    files = {HELLO: raised(installation, HELLO), LIBRARY: raised(installation, LIBRARY)}
    return installation.push(files | {VIEWS: "<odoo><record/></odoo>\n"}, "Break the update of a module")


def raised(installation: Installation, manifest: str) -> str:
    """The manifest with the next version."""
    text = installation.read(manifest)
    found = re.search(r'"version": "18\.0\.1\.0\.(\d+)"', text)
    assert found
    return text.replace(found[0], f'"version": "18.0.1.0.{int(found[1]) + 1}"')


CHANGES: dict[str, Callable[[Installation], str]] = {"plain": change_static_file, "update": raise_version}


def kill_teller(installation: Installation, build: BuildRow) -> int:
    """kill -9 the process that tells the build's story. Returns its number, 0 where it had ended by then."""
    pid = installation.teller(build.story)
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pid
