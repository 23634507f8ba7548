"""Scheduled actions: wait for `NOTIFY cron_trigger` or the clock, then run what is due."""

import datetime
import logging
import select
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extensions

from mockodoo import loading, logs, postgres, release
from mockodoo.options import config
from mockodoo.orm.registry import environment
from mockodoo.web import databases

_logger = logging.getLogger("odoo.addons.base.models.ir_cron")
SLEEP = 2.0 if release.FAST else 60.0
"""Seconds between two looks at the clock."""
STEP = 1.0
INTERVALS = {"minutes": 1, "hours": 60, "days": 1440, "work_days": 1440, "weeks": 10080, "months": 43200}

DUE = """
SELECT id, cron_name, interval_number, interval_type, ir_actions_server_id FROM ir_cron
WHERE active AND nextcall <= (now() AT TIME ZONE 'UTC') ORDER BY priority, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""


def work(number: int, alive: Callable[[], bool], beat: Callable[[], None] = lambda: None) -> None:
    """Serve all our databases while `alive` says so. `number` spreads workers over time, `beat` tells of life."""
    while alive():
        try:
            connection = postgres.connect("postgres")
        except psycopg2.OperationalError:
            time.sleep(STEP)
            continue
        try:
            _listen(connection, number, alive, beat)
        except psycopg2.Error:
            _logger.warning("Lost the connection to the database postgres", exc_info=True)
        finally:
            connection.close()


def _listen(connection: postgres.Connection, number: int, alive: Callable[[], bool], beat: Callable[[], None]) -> None:
    connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    with connection.cursor() as cursor:
        cursor.execute("LISTEN cron_trigger")
    while alive():
        beat()
        _wait(connection, SLEEP + number, alive)
        for dbname in config.modules("db_name") or databases.list_databases(force=True):
            if alive():
                process(dbname)


def _wait(connection: postgres.Connection, seconds: float, alive: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while alive() and time.monotonic() < until:
        if select.select([connection], [], [], STEP)[0]:
            connection.poll()
            if connection.notifies:
                connection.notifies.clear()
                return


def process(dbname: str) -> None:
    """Run a database's due actions, each in a transaction of its own."""
    logs.set_database(dbname)
    try:
        with postgres.Cursor(dbname) as cr:
            if not postgres.table_exists(cr, "ir_cron"):
                return
            cr.execute("SELECT 1 FROM ir_module_module WHERE state LIKE 'to %'")
            if cr.fetchone():
                _logger.warning("Skipping database %s because of modules to install/upgrade/remove.", dbname)
                return
        while _run_one(dbname):
            pass
    except psycopg2.Error:
        _logger.warning("Scheduled actions of %s could not be looked at", dbname, exc_info=True)


def _run_one(dbname: str) -> bool:
    registry = loading.current(dbname)
    with postgres.Cursor(dbname) as cr:
        cr.execute(DUE)
        row = cr.fetchone()
        if row is None:
            return False
        identity, name, number, kind, action = row
        started = time.monotonic()
        _logger.info(*_says("starting", name, identity))
        failed = False
        try:
            with cr.savepoint():
                environment(cr, registry)["ir.cron"].browse(identity)._run()
        except Exception:
            failed = True
            _logger.exception(*_says("failed", name, identity, action))
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
        later = now + datetime.timedelta(minutes=INTERVALS[kind] * max(1, number))
        cr.execute("UPDATE ir_cron SET lastcall = %s, nextcall = %s WHERE id = %s", (now, later, identity))
        if release.CRONS_COUNT_FAILURES:
            cr.execute(
                "UPDATE ir_cron SET failure_count = CASE WHEN %s THEN failure_count + 1 ELSE 0 END, "
                "first_failure_date = CASE WHEN %s THEN COALESCE(first_failure_date, %s) ELSE NULL END WHERE id = %s",
                (failed, failed, now, identity),
            )
        if not failed:
            _logger.info(*_says("done", name, identity, time.monotonic() - started))
    return True


def _says(what: str, name: str, identity: int, more: float = 0) -> tuple[Any, ...]:
    """A line about an action, in the words of the series: format and values."""
    if release.CRONS_NAME_IDS:
        form = {"starting": "starting", "failed": "server action #%d failed", "done": "done in %.3fs"}[what]
        return (f"Job %r (%s) {form}", name, identity, *([] if what == "starting" else [more]))
    if what == "failed":
        return "Call from cron %s for server action #%d failed in Job #%s", name, more, identity
    return {"starting": "Starting job `%s`.", "done": "Job `%s` done."}[what], name
