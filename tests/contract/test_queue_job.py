"""docs/odoo-image.md, "queue_job": where the OCA's runner lives, which server it asks, and what a stop does to a job.

On a real image the addon itself is needed: `BERTH_QUEUE_JOB` names the folder that holds it (unpacked from the package
`odoo-addon-queue-job`, with its Python requirements importable in the image).
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.commands import run

from .serving import Server
from .stage import Stage

READY = "odoo.addons.queue_job.jobrunner.runner: database connections ready"
ASKED = re.compile(r"127\.0\.0\.1 .*GET /queue_job/runjob\S* HTTP/1\.1\" 200")
LOAD = ("--load", "base,web,queue_job")
ALONE = ("--workers", "2", "--max-cron-threads", "1", "--http-interface", "127.0.0.1")
TAKE_S = 40.0  # an enqueued job that nobody took is begun again after 10 s


@pytest.fixture(scope="module")
def template(stage: Stage, book_database: str, is_stand_in: bool) -> str:
    """A database with queue_job installed; the addon lies in `addons_queue`. To copy from, not to change."""
    source = Path(__file__).parent / "addons_queue" if is_stand_in else Path(os.environ.get("BERTH_QUEUE_JOB", ""))
    if not (source / "queue_job").is_dir():
        pytest.skip("BERTH_QUEUE_JOB does not name the folder of the real addon")
    shutil.copytree(stage.folder / "addons", stage.folder / "addons_queue", dirs_exist_ok=True)
    shutil.copytree(source / "queue_job", stage.folder / "addons_queue" / "queue_job", dirs_exist_ok=True)
    made = stage.create_database("template_queue", book_database)
    ended = stage.odoo("-d", made, "-i", "queue_job", "--without-demo=all", "--stop-after-init", addons="addons_queue")
    assert ended.exit_code == 0, ended.output[-3000:]
    return made


@pytest.fixture
def database(stage: Stage, template: str) -> Iterator[str]:
    name = stage.create_database(f"queue_{secrets.token_hex(4)}", template)
    yield name
    stage.drop_database(name)


def _enqueue(stage: Stage, database: str, seconds: int = 0) -> None:
    script = f"env['queue.job'].with_delay()._test_job(job_duration={seconds})\nenv.cr.commit()\n"
    ended = stage.odoo("-d", database, "--no-http", command=("shell",), addons="addons_queue", stdin=script)
    assert ended.exit_code == 0, ended.output[-3000:]


def _states(stage: Stage, database: str) -> list[str]:
    return [state for (state,) in stage.execute("SELECT state FROM queue_job ORDER BY id", database)]


def _wait_for(stage: Stage, database: str, states: list[str], server: Server) -> None:
    until = time.monotonic() + TAKE_S
    while (found := _states(stage, database)) != states:
        assert time.monotonic() < until, f"{found}\n{server.output()}"
        time.sleep(0.3)


def test_a_job_is_run_by_a_server_that_only_hears_itself(stage: Stage, database: str) -> None:
    with stage.serve("-d", database, *ALONE, *LOAD, addons="addons_queue") as server:
        server.wait_for_line(READY)
        _enqueue(stage, database)
        _wait_for(stage, database, ["done"], server)
        server.wait_for_line("/queue_job/runjob")
        assert ASKED.search(server.output()), server.output()
        with pytest.raises(ConnectionRefusedError):
            server.get("/web/health")


def test_no_job_runs_where_it_is_not_loaded_server_wide(stage: Stage, database: str) -> None:
    _enqueue(stage, database)
    with stage.serve("-d", database, "--workers", "2", "--max-cron-threads", "0", addons="addons_queue") as server:
        server.wait("/websocket/health", port=8072)
        time.sleep(8)  # a runner begins after 5 s
        assert READY not in server.output()
        assert _states(stage, database) == ["pending"]


def test_without_http_its_runner_asks_in_vain(stage: Stage, database: str) -> None:
    _enqueue(stage, database)
    without = ("--workers", "2", "--max-cron-threads", "1", "--no-http")
    with stage.serve("-d", database, *without, *LOAD, addons="addons_queue") as server:
        server.wait_for_line(READY)
        server.wait_for_line("exception in GET")
        assert _states(stage, database) == ["enqueued"]


def test_of_two_servers_on_a_database_one_runs_jobs_until_it_ends(stage: Stage, database: str) -> None:
    arguments = ("-d", database, *ALONE, *LOAD)
    with stage.serve(*arguments, addons="addons_queue") as first:
        first.wait_for_line(READY)
        with stage.serve(*arguments, addons="addons_queue") as second:
            second.wait_for_line("jobrunner.runner: starting")
            time.sleep(2)
            assert READY not in second.output()
            run(["docker", "stop", "--time", "30", first.name], timeout=60)
            second.wait_for_line(READY)


def test_a_server_that_is_stopped_ends_the_job_that_it_runs_and_begins_no_other(stage: Stage, database: str) -> None:
    with stage.serve("-d", database, *ALONE, *LOAD, addons="addons_queue") as server:
        server.wait_for_line(READY)
        _enqueue(stage, database, seconds=8)
        _enqueue(stage, database)
        _wait_for(stage, database, ["started", "pending"], server)
        run(["docker", "stop", "--time", "60", server.name], timeout=90)
        assert _states(stage, database) == ["done", "pending"]


def test_a_job_that_was_killed_is_run_again_by_the_next_server(stage: Stage, database: str) -> None:
    arguments = ("-d", database, *ALONE, *LOAD)
    with stage.serve(*arguments, addons="addons_queue") as server:
        server.wait_for_line(READY)
        _enqueue(stage, database, seconds=12)
        _wait_for(stage, database, ["started"], server)
        run(["docker", "kill", server.name], timeout=60)
    with stage.serve(*arguments, addons="addons_queue") as server:
        server.wait_for_line(READY)
        _wait_for(stage, database, ["done"], server)
