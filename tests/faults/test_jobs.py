"""Jobs of queue_job and deploys: one generation runs them at a time, and none while production is updated."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from portal.commands import run
from tests.faults.changes import require_column
from tests.installation import Installation
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

ADDON = Path(__file__).parents[1] / "contract" / "addons_queue" / "queue_job"
SECONDS = 2  # that each job takes
WAIT_S = 120.0
ASKS = "asking Odoo to run job"


@pytest.fixture
def with_jobs(installation: Installation) -> Installation:
    """Production has queue_job, installed as a person does it, and its runner has begun with it."""
    files = (path for path in ADDON.rglob("*") if path.suffix in (".py", ".csv"))
    addon = {f"queue_job/{path.relative_to(ADDON)}": path.read_text() for path in files}
    build = installation.wait_for_build(installation.push(addon, "Add queue_job"))
    web = web_container(installation, build)
    once = ["--workers=0", "--max-cron-threads=0", "--no-http", "--stop-after-init"]
    run(["docker", "exec", web, "odoo", "--config=/etc/odoo/odoo.conf", "--init=queue_job", *once], timeout=120)
    installation.wait_for_build(installation.push_static("with jobs"))
    return installation


def web_container(installation: Installation, build: BuildRow) -> str:
    """Of those that serve a build, one's id."""
    asked = "SELECT p.instance_id, p.generation FROM hosting_pool p JOIN builds_build b ON b.pool_id = p.id"
    (row,) = installation.query(f"{asked} WHERE b.id = %s", build.id)
    wanted = {"installation": installation.values["BERTH_INSTALLATION"], "role": "web"}
    wanted["pool"] = f"i{row['instance_id']}-g{row['generation']}"
    filters = [f"--filter=label=berth.{name}={value}" for name, value in wanted.items()]
    return run(["docker", "ps", "--quiet", *filters], timeout=60).output.split()[0]


def enqueue(installation: Installation, number: int) -> None:
    installation.in_production(
        "INSERT INTO queue_job (uuid, state, duration) "
        "SELECT gen_random_uuid()::text, 'pending', %s FROM generate_series(1, %s)",
        SECONDS,
        number,
    )


def times(installation: Installation) -> list[tuple[datetime, datetime]]:
    """When each job that has ended began and ended, UTC."""
    rows = installation.in_production("SELECT date_started, date_done FROM queue_job WHERE state = 'done'")
    return [(row["date_started"], row["date_done"]) for row in rows]


def wait_for_more(installation: Installation, than: int) -> None:
    until = time.monotonic() + WAIT_S
    while len(times(installation)) <= than:
        assert time.monotonic() < until, installation.in_production("SELECT * FROM queue_job LIMIT 5")
        time.sleep(0.5)


def runners(installation: Installation) -> set[str]:
    """In the logs of which containers a runner asked for jobs, in all generations."""
    logs = installation.home.glob("instances/i*/log/odoo-g*.log")
    return {path.name.rpartition("-")[2] for path in logs if ASKS in path.read_text(errors="replace")}


def test_no_job_runs_while_production_is_updated_and_the_new_pool_goes_on(with_jobs: Installation) -> None:
    pools = with_jobs.query("SELECT state FROM hosting_pool WHERE queue_job")
    assert {pool["state"] for pool in pools} == {"live", "kept"}, "jobs don't keep one from being kept"
    enqueue(with_jobs, 300)
    wait_for_more(with_jobs, than=0)
    build = with_jobs.wait_for_build(require_column(with_jobs))
    assert build.result in ("success", "warning"), build
    wait_for_more(with_jobs, than=len(times(with_jobs)))
    (row,) = with_jobs.query("SELECT rehearsal, switched_at FROM builds_build WHERE id = %s", build.id)
    held = datetime.fromisoformat(row["rehearsal"]["held_at"]).replace(tzinfo=None)
    switched = row["switched_at"].replace(tzinfo=None)
    ran = times(with_jobs)
    assert [job for job in ran if job[0] < switched and job[1] > held] == []
    assert [job for job in ran if job[1] <= held], "jobs ran until then"
    assert [job for job in ran if job[0] >= switched], "and after that"
    assert runners(with_jobs) == {"cron.log"}
    with_jobs.in_production("DELETE FROM queue_job WHERE state = 'pending'")
