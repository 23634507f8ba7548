"""Updates of modules of three kinds, while users who are signed in read and write: a version alone, a column that may
be empty, and a required column with a migration that fills it. What was predicted stands beside what it took.

*Failed*: see tests/load.py. *Lost*: an acknowledged write that the database doesn't have in the end: tests/users.py.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.bench import Figure
from tests.installation import Installation
from tests.load import Client, Figures
from tests.users import Reader, Writer, Writes

READERS, WRITERS, PAUSE_S = 3, 3, 0.2
AROUND = 30  # requests before each update, and after the last
KINDS = ("none", "harmless", "hold")  # as the rehearsal calls them
ADDON = Path("berth_library")
MANIFEST, MODEL = str(ADDON / "__manifest__.py"), str(ADDON / "models/library_book.py")
AFTER = "    active = fields.Boolean(default=True)\n"
FIELDS = {
    "none": "",
    "harmless": "    note_{number} = fields.Char()\n",
    "hold": '    code_{number} = fields.Char(required=True, default="new")\n',
}
MIGRATION = """\
def migrate(cr, version):
    cr.execute("UPDATE library_book SET code_{number} = 'book-' || id")
"""


class NotUpdated(Exception):
    """An update did not end well, so the figures would mean nothing."""


@dataclass(frozen=True)
class Update:
    """One update as its build tells of it. Times are in seconds."""

    kind: str
    predicted: float
    held: float
    parts: dict[str, Any]


def main() -> dict[str, Figure]:
    installation = Installation(Path(os.environ["BERTH_HOME"]))
    with installation:
        updates, counted, writes = measure(installation)
    told: dict[str, Figure] = {
        "requests": counted.requests,
        "failed": counted.failed,
        "longest_wait_ms": counted.longest_gap_ms,
        "acknowledged": writes.acknowledged,
        "writes_lost": writes.lost,
        "writes_doubled": writes.doubled,
    }
    for update in updates:
        told |= {
            f"{update.kind}_predicted_s": update.predicted,
            f"{update.kind}_held_s": update.held,
            f"{update.kind}_update_s": update.parts["actual_update_seconds"],
            f"{update.kind}_copy_s": update.parts["actual_copy_seconds"],
        }
    return told


def measure(installation: Installation) -> tuple[list[Update], Figures, Writes]:
    """Raises NotUpdated."""
    session = installation.sign_in()
    writers = [Writer(session) for _ in range(WRITERS)]
    users: list[Client] = [*(Reader(session) for _ in range(READERS)), *writers]
    updates = []
    with installation.load((), clients=0, users=users, pause=PAUSE_S) as load:
        for kind in KINDS:
            load.wait_for(AROUND)
            updates.append(update(installation, kind))
        load.wait_for(AROUND)
    return updates, load.figures(), installation.writes(writers)


def update(installation: Installation, kind: str) -> Update:
    """Push a commit whose update is of this kind, and wait for its end. Raises NotUpdated."""
    manifest, number = raised(installation.read(MANIFEST))
    model = installation.read(MODEL).replace(AFTER, AFTER + FIELDS[kind].format(number=number))
    files = {MANIFEST: manifest, MODEL: model}
    if kind == "hold":
        files[str(ADDON / f"migrations/18.0.1.0.{number}/post-fill.py")] = MIGRATION.format(number=number)
    sha = installation.push(files, f"An update of the kind {kind}")
    build = installation.wait_for_build(sha)
    (row,) = installation.query("SELECT rehearsal FROM builds_build WHERE id = %s", build.id)
    rehearsal = row["rehearsal"]
    if build.result not in ("success", "warning") or rehearsal.get("kind") != kind:
        raise NotUpdated(f"{build}: {rehearsal}")
    return Update(kind, rehearsal["predicted_seconds"], rehearsal["held_seconds"], rehearsal)


def raised(manifest: str) -> tuple[str, int]:
    """The manifest with the next version, and that version's last number."""
    found = re.search(r'"version": "18\.0\.1\.0\.(\d+)"', manifest)
    assert found
    number = int(found[1]) + 1
    return manifest.replace(found[0], f'"version": "18.0.1.0.{number}"'), number
