"""Staging copies of a production of about 1 GB with files of 0.5 GB: of a proven restore and of production as it is,
beside Odoo's own way (bench/crowds/odoo_copy.py) in the same run.

What is measured is the step of the staging build that makes the copy, from beginning to end: database, filestore,
neutralised, with its own secrets. Odoo's way lacks the last. The ways take turns; the median of each counts.
"""

import os
import statistics
from pathlib import Path

from bench import made
from bench.crowds import odoo_copy
from deploy.bench import Figure
from tests import backups, staging
from tests.installation import Installation

ROUNDS = 3
BRANCH = "bench-copy"
STEP = "prepare_staging"
WAYS = {"restore": 24, "live": 0}  # with how old a copy may be, in hours
PATIENCE_S = 3600.0


class NotCopied(Exception):
    """A build did not end well or made its copy in another way, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        made.fill(installation)
        branch = staging.staged(installation, BRANCH)
        proven = backups.end(installation, backups.ask(installation), timeout=PATIENCE_S)
        if proven["proof"] != "proven" or not staging.kept(installation):
            raise NotCopied(f"no proven restore stays: {proven['wrong']}")
        took: dict[str, list[float]] = {"restore": [], "live": [], "odoo": []}
        for _ in range(ROUNDS):
            for way, hours in WAYS.items():
                staging.allow_age(installation, branch, hours)
                took[way].append(copy(installation, way))
            took["odoo"].append(odoo_copy.seconds(installation))
        return figures(took) | made.sizes(installation)


def copy(installation: Installation, way: str) -> float:
    """Push to the staging branch, and wait for the build's end. Raises NotCopied."""
    build = installation.wait_for_build(staging.push(installation, BRANCH), PATIENCE_S)
    found = staging.origin(installation, build)
    if build.result not in ("success", "warning") or found.get("way") != way:
        raise NotCopied(f"{build}: {found}")
    return staging.step_seconds(installation, build, STEP)


def figures(took: dict[str, list[float]]) -> dict[str, Figure]:
    proven, live, odoo = (statistics.median(took[way]) for way in ("restore", "live", "odoo"))
    return {
        "rounds": ROUNDS,
        "proven_s": round(proven, 2),
        "live_s": round(live, 2),
        "odoo_s": round(odoo, 2),
        "speedup_proven": round(odoo / proven, 2),
        "speedup_live": round(odoo / live, 2),
        "longest_proven_s": round(max(took["restore"]), 2),
    }
