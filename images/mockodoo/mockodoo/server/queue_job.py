"""The OCA's queue_job: its runner, a worker wherever that module is loaded server-wide beside forked workers.

It runs no job, but asks for one after the other at its own server's address, with HTTP or not; of several on a database
one does. What the jobs are, and the page that is asked for, belongs to the module.
"""

import http.client
import logging
import threading
import time
from typing import Any

import psycopg2
import psycopg2.extensions

from mockodoo import postgres, release
from mockodoo.options import config

from .workers import Worker

_logger = logging.getLogger("odoo.addons.queue_job.jobrunner.runner")
START_DELAY = 1.0 if release.FAST else 5.0
RECOVERY_DELAY = 1.0 if release.FAST else 5.0
STEP = 0.5
LOCK = 2293787760715711918  # the addon's own

INSTALLED = "SELECT 1 FROM ir_module_module WHERE name = 'queue_job' AND state = 'installed'"
REQUEUE = """
UPDATE queue_job SET state = 'pending' WHERE id IN (
    SELECT id FROM queue_job WHERE state IN ('enqueued', 'started')
    AND date_enqueued < (now() AT TIME ZONE 'UTC') - interval '10 s' FOR NO KEY UPDATE SKIP LOCKED)
"""
ENQUEUE = """
UPDATE queue_job SET state = 'enqueued', date_enqueued = now() AT TIME ZONE 'UTC' WHERE id = (
    SELECT min(id) FROM queue_job WHERE state = 'pending'
    AND NOT EXISTS (SELECT 1 FROM queue_job WHERE state IN ('enqueued', 'started'))) RETURNING uuid
"""


def runs_here() -> bool:
    return "queue_job" in config.modules("server_wide_modules") and bool(config["workers"])


class MasterElectionLost(Exception):
    """Another runner has the database."""


class JobRunner(Worker):
    """One job at a time, which is the addon's own default."""

    kind = "WorkerJobRunner"

    def work(self) -> None:
        self._sleep(START_DELAY)
        _logger.info("starting")
        while self.alive:
            try:
                self._serve()
            except MasterElectionLost:
                self._sleep(RECOVERY_DELAY)
            except psycopg2.Error:
                _logger.exception("exception: sleeping %ds and retrying", RECOVERY_DELAY)
                self._sleep(RECOVERY_DELAY)
        _logger.info("stopped")

    def _end(self, number: int, frame: Any) -> None:
        super()._end(number, frame)
        _logger.info("graceful stop requested")

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            time.sleep(0.1)

    def _serve(self) -> None:
        connections = {dbname: postgres.connect(dbname) for dbname in config.modules("db_name")}
        try:
            with_jobs = {name: each for name, each in connections.items() if _take(each)}
            _logger.info("database connections ready")
            while self.alive:
                for dbname, connection in with_jobs.items():
                    _dispatch(dbname, connection)
                self._sleep(STEP)
        finally:
            for connection in connections.values():
                connection.close()


def _take(connection: postgres.Connection) -> bool:
    """Whether the database has jobs, which are ours from here on. Raises MasterElectionLost."""
    connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    with connection.cursor() as cursor:
        cursor.execute(INSTALLED)
        if cursor.fetchone() is None:
            return False
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        if cursor.fetchone() != (True,):
            raise MasterElectionLost
        return True


def _dispatch(dbname: str, connection: postgres.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REQUEUE)
        cursor.execute(ENQUEUE)
        for (uuid,) in cursor.fetchall():
            _logger.info("asking Odoo to run job %s on db %s", uuid, dbname)
            threading.Thread(target=_ask, args=(f"/queue_job/runjob?db={dbname}&job_uuid={uuid}",), daemon=True).start()


def _ask(path: str) -> None:
    """Nobody waits for the job's end: its state says all."""
    host = config["http_interface"] or "localhost"
    connection = http.client.HTTPConnection(host, config["http_port"], timeout=1)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except TimeoutError:
        return
    except OSError:
        _logger.exception("exception in GET http://%s:%s%s", host, config["http_port"], path)
    finally:
        connection.close()
