"""docs/odoo-image.md, "Scheduled actions": who listens, and runs what is due."""

import time

from .stage import Stage

LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND usename = 'odoo' AND state = 'idle'"


def _until(stage: Stage, database: str, query: str, seconds: float, least: int = 1) -> bool:
    """Whether a query's value (a number or truth) comes to at least so much in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (stage.value(database, query) or 0) >= least:
            return True
        time.sleep(0.3)
    return False


def test_a_worker_without_http_listens_on_the_database_postgres(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, "--no-http", "--workers", "1", "--max-cron-threads", "1") as server:
        assert _until(stage, "postgres", LISTENING, 30), server.output()
        server.wait_for_line("WorkerCron")
        assert "WorkerHTTP" not in server.output()
        assert "HTTP service" not in server.output()


def test_a_notification_runs_what_is_due_once_though_two_listen(stage: Stage, copy: str) -> None:
    ours = "cron_name LIKE 'Contract%'"
    stage.execute(f"UPDATE ir_cron SET active = ({ours}), nextcall = now() - interval '1 hour'", copy)
    arguments = ("-d", copy, "--no-http", "--workers", "1", "--max-cron-threads", "1")
    with stage.serve(*arguments) as one, stage.serve(*arguments) as other:
        for server in (one, other):
            server.wait_for_line("Worker WorkerCron")
        assert _until(stage, "postgres", LISTENING, 30, 2), one.output() + other.output()
        time.sleep(2)  # an idle connection may be one that has not said LISTEN yet
        stage.execute(f"NOTIFY cron_trigger, '{copy}'")
        dates = "SELECT lastcall IS NOT NULL AND nextcall > now() AT TIME ZONE 'UTC' FROM ir_cron WHERE " + ours
        assert _until(stage, copy, dates, 30), one.output() + other.output()
        time.sleep(1)
        assert stage.value(copy, "SELECT value FROM ir_config_parameter WHERE key = 'contract.read'") == "1"


def test_a_server_without_cron_workers_runs_none(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, "--workers", "1", "--max-cron-threads", "0") as server:
        server.wait()
        assert "WorkerCron" not in server.output()
