"""Restoring production (about 1 GB with files of 0.5 GB: bench/made.py), from the click to the first answer of what was
restored, while visitors ask for the login page all the time.

`*_s` of a step is what the story's steps took; `longest_gap_ms` is how long visitors had no answer, at worst.
"""

import os
from pathlib import Path

from bench import made
from deploy.bench import Figure
from tests import backups, restores
from tests.installation import Installation
from tests.load import Load

PATIENCE_S = 3600.0
STEPS = """
    SELECT name, extract(epoch FROM finished_at - started_at)::float AS seconds FROM portal_step
    WHERE story_id = %s ORDER BY position
"""


class NotRestored(Exception):
    """It did not end well, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        made.fill(installation)
        backup = backups.end(installation, backups.ask(installation), timeout=PATIENCE_S)
        if backup["proof"] != "proven":
            raise NotRestored(backup["wrong"])
        made.change(installation)  # so that it matters
        with Load(installation.demo()["production_url"]) as load:
            row = restores.ended(installation, "builds_restore", restores.restore(installation, backup["id"]))
        if row["result"] != "success":
            raise NotRestored(restores.told(installation, row))
        counted = load.figures()
        steps = {f"{step['name']}_s": float(step["seconds"]) for step in installation.query(STEPS, row["story_id"])}
        return {
            "rto_s": (row["answered_at"] - row["created_at"]).total_seconds(),
            **steps,
            "requests": counted.requests,
            "failed": counted.failed,
            "longest_gap_ms": counted.longest_gap_ms,
        } | made.sizes(installation)
