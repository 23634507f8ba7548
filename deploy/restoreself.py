"""bin/berth restore-self ADDRESS: everything back on an empty machine, from a place and the recovery key alone.

First what bin/up does not make: `.env` and the portal's rows, as the newest state of the installation has them. Then
bin/up goes its usual way; what it starts brings each production back, told as stories (builds/recovery.py): vault,
database with files, deploy. Run again after an interruption, it goes on.
"""

import argparse
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.utils.module_loading import import_string

from deploy import engine, environment, homes, migration, packages, postgresql
from deploy.environment import Environment
from deploy.management import open_installation
from deploy.progress import Progress, SetupError
from hosting import states
from hosting.engines import remote
from hosting.engines.postgres import dumps
from hosting.engines.restic import Repository, ResticError

KEY = "BERTH_RECOVERY_KEY"
MARKER = "restoring"  # a folder in the home, while the rows are not whole
LOAD_S, FETCH_S = 3600.0, 6 * 3600.0
LEFT = "Nothing was changed here."


def restore(arguments: Sequence[str], progress: Progress) -> None:
    """Raises SetupError."""
    asked = parser().parse_args(list(arguments))
    with progress.step("packages"):
        packages.ensure(packages.TO_RUN, progress)
    home = homes.prepare(homes.given(), progress)
    folder = home / MARKER
    with homes.alone(home):
        _refuse_another(home, folder)
        with progress.step("the newest state of the installation"):
            manifest = fetch(asked.address, asked.key_file, home, folder)
            progress.say(f"of {manifest['taken_at']}")
        with progress.step("settings"):
            values = settle(home, folder, progress)
        with progress.step("PostgreSQL"):
            postgresql.ensure(home, values, progress)
        with progress.step("rows of the portal"):
            postgresql.empty_portal(home, values)
            dumps.load(values["BERTH_DATABASE_URL"], folder / "portal.dump", timeout=LOAD_S)
            open_installation(home)
            migration.migrate(progress)
            for project in import_string("deploy.restoredrows.mend")(manifest["place"], asked.address):
                progress.say(f"{project} is brought back as soon as bin/up has ended")
        shutil.rmtree(folder)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bin/berth restore-self",
        description=f"The recovery key is read from {KEY}, an S3 account from AWS_... in the environment.",
    )
    made.add_argument("address", help="the place's, and the installation's six digits after a slash")
    made.add_argument("--key-file", type=Path, help="a private SSH key that the place knows")
    return made


def _refuse_another(home: Path, folder: Path) -> None:
    if environment.env_file(home).exists() and not folder.exists():
        raise SetupError(
            f"There is an installation in {home} already.",
            left=LEFT,
            todo="name an empty BERTH_HOME, or remove that one: bin/down --purge.",
        )


def fetch(address: str, key_file: Path | None, home: Path, folder: Path) -> dict[str, Any]:
    """Put the newest state into `folder`; what its manifest says. Raises SetupError."""
    base, _slash, installation = address.rstrip("/").rpartition("/")
    key = os.environ.get(KEY, "")
    if not key or not re.fullmatch(r"[0-9a-f]{6}", installation):
        wrong = "The address does not end with the six digits of an installation" if key else f"{KEY} is not set"
        raise SetupError(f"{wrong}.", left=LEFT, todo=f"{KEY}=... bin/berth restore-self ADDRESS/123abc")
    account = "\n".join(f"{name}={value}" for name, value in os.environ.items() if name.startswith("AWS_"))
    account = key_file.read_text() if key_file else account
    opened = remote.opened(
        base, f"{installation}/self", account=account, password=key, known_hosts=home / "run" / "known_hosts"
    )
    try:
        with opened as there:
            return _fetch(there, folder)
    except ResticError as error:
        todo = "look at the address, the account and the key."
        raise SetupError(f"{address}: {error}", left=LEFT, todo=todo) from error


def _fetch(there: Repository, folder: Path) -> dict[str, Any]:
    found = states.in_order(there.snapshots())
    if not found:
        raise ResticError("There is no state of an installation in it.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    there.restore(found[-1].key, folder, timeout=FETCH_S, keep_going=lambda: None)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def settle(home: Path, folder: Path, progress: Progress) -> Environment:
    """The settings of before, but for those that the environment gives anew (ports, say). Raises SetupError."""
    saved = environment.read(folder / "env")
    url = os.environ.get("BERTH_DOCKER_URL") or saved.get("BERTH_DOCKER_URL") or engine.DEFAULT_URL
    engine.ensure(url, progress)
    if not environment.env_file(home).exists():
        environment.write(environment.env_file(home), saved)
    return environment.prepare(home, os.environ, engine.taken_subnets(url))
