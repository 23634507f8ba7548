"""docs/odoo-image.md, "Scheduled actions": what the log says of them, read as Berth reads it."""

import time

from hosting.odoo.cronlog import Event, What, event
from hosting.odoo.loglines import entries

from .serving import Server
from .stage import Stage

OURS = "cron_name = 'Contract: read a book'"


def events(server: Server) -> list[Event]:
    return [found for found in map(event, entries(server.output().splitlines())) if found]


def due(stage: Stage, database: str, code: str) -> None:
    """Only ours is due, and does `code`."""
    stage.execute(f"UPDATE ir_cron SET active = ({OURS}), nextcall = now() - interval '1 hour'", database)
    action = f"SELECT ir_actions_server_id FROM ir_cron WHERE {OURS}"
    stage.execute(f"UPDATE ir_act_server SET code = '{code}' WHERE id = ({action})", database)


def until(stage: Stage, server: Server, what: What, seconds: float = 90) -> list[Event]:
    """Wake the workers until the log says so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stage.execute(f"NOTIFY cron_trigger, '{server.database}'")
        if any(found.what is what for found in events(server)):
            return events(server)
        time.sleep(1)
    raise AssertionError(f"nothing {what} within {seconds} s:\n{server.output()[-3000:]}")


def test_an_action_that_ends_is_named_twice(stage: Stage, copy: str) -> None:
    due(stage, copy, "model.count_read()")
    with stage.serve("-d", copy, "--no-http", "--workers", "1", "--max-cron-threads", "1") as server:
        first, second = until(stage, server, What.DONE)[:2]
    assert (first.what, second.what) == (What.STARTED, What.DONE)
    assert first.name == second.name == "Contract: read a book"
    assert (first.pid, first.action_id) == (second.pid, second.action_id)
    assert first.at <= second.at


def test_an_action_that_fails_says_so(stage: Stage, copy: str) -> None:
    due(stage, copy, "model.there_is_no_such_method()")
    with stage.serve("-d", copy, "--no-http", "--workers", "1", "--max-cron-threads", "1") as server:
        first, second = until(stage, server, What.FAILED)[:2]
    assert (first.what, second.what) == (What.STARTED, What.FAILED)
    assert first.pid == second.pid


def test_an_action_at_its_limit_is_killed_with_its_worker_which_is_named(stage: Stage, copy: str) -> None:
    due(stage, copy, "model.read_for_ever()")
    limit = ("--limit-time-real-cron", "12")
    with stage.serve("-d", copy, "--no-http", "--workers", "1", "--max-cron-threads", "1", *limit) as server:
        began = next(found for found in until(stage, server, What.STARTED) if found.what is What.STARTED)
        killed = [found for found in until(stage, server, What.KILLED) if found.what is What.KILLED]
    assert began.pid in {found.pid for found in killed}
