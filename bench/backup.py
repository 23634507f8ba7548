"""Backups of the made customer (bench/made.py), beside Odoo's own way and the floor, all in one run.

*Backup*: from the throwaway's making to the snapshot in the vault, as the steps of its story say; the proof is told
apart. The first goes to an empty vault, the second after 1 % of the rows, the newest, were changed. *Odoo's own way* is
what `odoo db dump` does: a plain dump, a copy of the files, all of it deflated into a zip. *Floor*: `pg_dump -Fc` and
`tar`.
*Restore*: files and rows out of the vault into a database, beside `pg_restore` of a plain file that lies there.
"""

import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import made
from deploy.bench import Figure
from portal.commands import CommandError, run
from tests.backups import ask, end
from tests.installation import Installation

PATIENCE_S = 3600.0
COPY = "bench_plain"  # the database into which a plain file is restored
TAKEN, RESTORED = ("pg_dump", "restic backup"), ("restic restore", "pg_restore")
STEPS = """
    SELECT s.name, extract(epoch FROM s.finished_at - s.started_at)::float AS seconds
    FROM portal_step s JOIN hosting_backup b USING (story_id) WHERE b.id = %s
"""
COMMANDS = """
    SELECT c.argv, extract(epoch FROM c.finished_at - c.started_at)::float AS seconds FROM portal_command c
    JOIN portal_step s ON s.id = c.step_id JOIN hosting_backup b ON b.story_id = s.story_id WHERE b.id = %s
"""


class NotProven(Exception):
    """A backup did not end well, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        made.fill(installation)
        begin_new_vault(installation)
        first = backup(installation)
        changed = made.change(installation)
        second = backup(installation)
        folder = installation.home / "bench" / "backup"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            theirs, floor, plain = odoos_way(installation, folder), the_floor(installation, folder), 0.0
            plain = restore_plain(installation, folder / "floor.dump")
        finally:
            shutil.rmtree(folder)
        return made.sizes(installation) | {"changed_rows": changed} | figures(first, second, theirs, floor, plain)


def figures(
    first: dict[str, Any], second: dict[str, Any], theirs: float, floor: float, plain: float
) -> dict[str, Figure]:
    restored = second["restore"]
    return {
        "first_s": first["take"],
        "second_s": second["take"],
        "odoo_s": theirs,
        "floor_s": floor,
        "backup_ratio": first["take"] / theirs,
        "second_ratio": second["take"] / theirs,
        "floor_ratio": first["take"] / floor,
        "first_new_mb": first["new_bytes"] // made.MIB,
        "second_new_mb": second["new_bytes"] // made.MIB,
        "second_new_bytes_pct": 100 * second["new_bytes"] / second["size_bytes"],
        "restore_s": restored,
        "pg_restore_s": plain,
        "restore_ratio": restored / plain,
        "proof_s": second["restore_seconds"],
        **{f"second_{name.replace(' ', '_')}_s": seconds for name, seconds in second["parts"].items()},
    }


def begin_new_vault(installation: Installation) -> None:
    """So that the first backup is one, also where there were some before."""
    try:
        installation.berth("vault", installation.demo()["project"], "--new")
    except CommandError as error:
        if "has no vault" not in error.output:
            raise


def backup(installation: Installation) -> dict[str, Any]:
    """One as a click takes it, with the seconds of its parts. Raises NotProven."""
    row = end(installation, ask(installation), timeout=PATIENCE_S)
    if row["proof"] != "proven":
        raise NotProven(row["wrong"])
    steps = {each["name"]: each["seconds"] for each in installation.query(STEPS, row["id"])}
    parts: dict[str, float] = {}
    for each in installation.query(COMMANDS, row["id"]):
        name = " ".join(each["argv"][: 2 if each["argv"][0] == "restic" else 1])
        parts[name] = parts.get(name, 0.0) + each["seconds"]
    return row | {
        "take": steps["dump"] + steps["store"],
        "restore": sum(parts[name] for name in RESTORED),
        "parts": {name: parts[name] for name in (*TAKEN, *RESTORED)},
    }


# --- beside it --------------------------------------------------------------------------------------------------------
def odoos_way(installation: Installation, folder: Path) -> float:
    """The steps of `odoo.service.db.dump_db`, by the same programs."""
    out, files = folder / "odoo", made.filestore(installation)
    with seconds() as took:
        shutil.copytree(files, out / "filestore")
        (out / "manifest.json").write_text(json.dumps({"odoo_dump": "1", "db_name": files.name}))
        dump(installation, "--no-owner", f"--file={out / 'dump.sql'}")
        with zipfile.ZipFile(folder / "odoo.zip", "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for file in sorted(path for path in out.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(out))
    shutil.rmtree(out)
    return took[0]


def the_floor(installation: Installation, folder: Path) -> float:
    """As little as a whole backup can be: no encryption, no names, no second time."""
    files = made.filestore(installation)
    with seconds() as took:
        dump(installation, "--format=custom", "--no-owner", "--no-acl", f"--file={folder / 'floor.dump'}")
        argv = ["tar", "--create", f"--file={folder / 'floor.tar'}", f"--directory={files}", "."]
        run(argv, timeout=PATIENCE_S)
    return took[0]


def restore_plain(installation: Installation, file: Path) -> float:
    """Into `lab`, where proofs are restored too."""
    url = installation.values["BERTH_LAB_URL"]
    target = urlsplit(url)._replace(path=f"/{COPY}").geturl()
    sql(url, f"DROP DATABASE IF EXISTS {COPY}")
    sql(url, f"CREATE DATABASE {COPY} TEMPLATE template0")
    try:
        with seconds() as took:
            argv = ["pg_restore", "--no-owner", "--no-acl", "--no-comments", "--exit-on-error"]
            run([*argv, f"--dbname={target}", str(file)], timeout=PATIENCE_S)
    finally:
        sql(url, f"DROP DATABASE {COPY}")
    return took[0]


def sql(url: str, statement: str) -> None:
    run(["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--command={statement}", url], timeout=60)


def dump(installation: Installation, *options: str) -> None:
    url = urlsplit(installation.values["BERTH_HOSTED_URL"])._replace(path=f"/{made.database(installation)}")
    run(["pg_dump", *options, url.geturl()], timeout=PATIENCE_S)


@contextmanager
def seconds() -> Iterator[list[float]]:
    """What it yields holds the seconds that it took, afterwards."""
    took: list[float] = []
    began = time.monotonic()
    yield took
    took.append(time.monotonic() - began)
