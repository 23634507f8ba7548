"""docs/odoo-image.md, "queue_job": the OCA's runner works beside forked workers, loaded server-wide.

On a real image the addon itself is needed: `BERTH_QUEUE_JOB` names the folder that holds it (unpacked from the package
`odoo-addon-queue-job`, with its Python requirements importable in the image).
"""

import os
import shutil
from pathlib import Path

import pytest

from .stage import Stage

READY = "odoo.addons.queue_job.jobrunner.runner: database connections ready"
LOAD = ("--load", "base,web,queue_job", "--max-cron-threads", "0")


@pytest.fixture
def database(stage: Stage, copy: str, is_stand_in: bool) -> str:
    """A database with queue_job installed; the addon lies in `addons_queue`."""
    source = Path(__file__).parent / "addons_queue" if is_stand_in else Path(os.environ.get("BERTH_QUEUE_JOB", ""))
    if not (source / "queue_job").is_dir():
        pytest.skip("BERTH_QUEUE_JOB does not name the folder of the real addon")
    shutil.copytree(stage.folder / "addons", stage.folder / "addons_queue", dirs_exist_ok=True)
    shutil.copytree(source / "queue_job", stage.folder / "addons_queue" / "queue_job", dirs_exist_ok=True)
    ended = stage.odoo("-d", copy, "-i", "queue_job", "--without-demo=all", "--stop-after-init", addons="addons_queue")
    assert ended.exit_code == 0, ended.output[-3000:]
    return copy


def test_its_runner_connects_beside_forked_workers(stage: Stage, database: str) -> None:
    with stage.serve("-d", database, "--workers", "2", *LOAD, addons="addons_queue") as server:
        server.wait()
        line = server.wait_for_line(READY)
        assert " INFO " in line


def test_it_is_silent_where_it_is_not_loaded_server_wide(stage: Stage, database: str) -> None:
    with stage.serve("-d", database, "--workers", "2", "--max-cron-threads", "0", addons="addons_queue") as server:
        server.wait("/websocket/health", port=8072)
        assert READY not in server.output()
