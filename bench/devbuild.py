"""From a push to a tested development database: from nothing and from a template, in turn.

The repository gets an addon with a test that needs sales and contacts. Measured is what the one who pushes waits for:
until the build has ended and its database answers. The template is made once, beside the first build; that is told too.
"""

import os
import secrets
import statistics
import time
from pathlib import Path
from typing import Any

from deploy.bench import Figure
from tests.installation import Installation

ROUNDS = 2
BRANCH = "bench-devbuild"
PATIENCE_S = 3600.0
ADDON = "bench_shop"
FILES = {
    "__init__.py": "from . import models\n",
    "__manifest__.py": '{"name": "Bench", "version": "1.0", "depends": ["sale_management", "contacts"]}\n',
    "models/__init__.py": "from . import bench_note\n",
    "models/bench_note.py": (
        "from odoo import fields, models\n\n\nclass BenchNote(models.Model):\n"
        '    _name = "bench.note"\n    _description = "Note"\n\n    name = fields.Char()\n'
    ),
    "security/ir.model.access.csv": "id,name,model_id:id,group_id:id,perm_read,perm_write,perm_create,perm_unlink\n",
    "tests/__init__.py": "from . import test_note\n",
    "tests/test_note.py": (
        "from odoo.tests import TransactionCase\n\n\nclass TestNote(TransactionCase):\n"
        "    def test_a_note_keeps_its_name(self):\n"
        '        self.assertEqual(self.env["bench.note"].create({"name": "x"}).name, "x")\n'
    ),
}


class NotTested(Exception):
    """A build did not end well or began in another way, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        first = {f"{ADDON}/{name}": content for name, content in FILES.items()}
        installation.wait_for_build(installation.push(first, "Begin the benchmark", BRANCH), PATIENCE_S)
        template = wait_for_template(installation)
        took: dict[str, list[float]] = {"nothing": [], "template": []}
        for _ in range(ROUNDS):
            for way in took:
                took[way].append(build(installation, way))
    without, with_template = (statistics.median(took[way]) for way in ("nothing", "template"))
    return {
        "rounds": ROUNDS,
        "without_s": round(without, 2),
        "with_s": round(with_template, 2),
        "speedup": round(without / with_template, 2),
        "template_s": round(template["seconds"], 2),
        "modules": len(template["installed"]),
    }


def wait_for_template(installation: Installation) -> dict[str, Any]:
    """The one that the branch's builds find. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    asked = (
        "SELECT t.* FROM hosting_template t JOIN hosting_instance i ON i.id = t.instance_id"
        " WHERE i.state = 'ready' AND t.removed_at IS NULL AND t.modules @> '[\"sale_management\", \"contacts\"]'"
    )
    while time.monotonic() < deadline:
        if found := installation.query(asked):
            return found[0]
        time.sleep(1)
    raise TimeoutError("No template was made.")


def build(installation: Installation, way: str) -> float:
    """Push, and wait until the build has ended. Raises NotTested."""
    installation.query("UPDATE projects_branch SET from_template = %s WHERE name = %s", way == "template", BRANCH)
    began = time.monotonic()
    sha = installation.push({f"{ADDON}/static/note.txt": secrets.token_hex(4)}, "Change something", BRANCH)
    found = installation.wait_for_build(sha, PATIENCE_S)
    seconds = time.monotonic() - began
    (row,) = installation.query("SELECT origin FROM builds_build WHERE id = %s", found.id)
    if found.result not in ("success", "warning") or not found.tests.get("total") or row["origin"].get("way") != way:
        raise NotTested(f"{found}: {row['origin']}, tests {found.tests}")
    return seconds
