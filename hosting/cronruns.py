"""Runs of scheduled actions, read on in the log of each pool's cron container; and those that are switched off.

An action that is killed at its time limit again and again keeps all others waiting, for as long as the limit is each
time. After the third time in a row it is switched off in its database, and the runs say so.
"""

import logging
from collections.abc import Iterator

from django.db import transaction
from django.db.models import F

from hosting import logfiles, machines, pools
from hosting.engines.postgres import DatabaseError
from hosting.models import CronRun, Instance, Pool
from hosting.odoo import cronlog
from hosting.odoo.conf import Purpose
from hosting.odoo.cronlog import What
from hosting.odoo.loglines import parse_line
from portal import clock

log = logging.getLogger(__name__)

IN_A_ROW = 3
KEPT = 20  # runs of each action
BLOCKS = 64  # of a log that are read in one round

OUTCOMES = {What.DONE: CronRun.Outcome.DONE, What.FAILED: CronRun.Outcome.FAILED, What.KILLED: CronRun.Outcome.TIMEOUT}


def read_all() -> list[CronRun]:
    """A round: all logs. Returns what was switched off."""
    found: list[CronRun] = []
    for pool in Pool.objects.exclude(state=Pool.State.GONE).select_related("instance"):
        try:
            read(pool)
        except (OSError, ValueError) as error:
            log.warning("reading the scheduled actions of %s: %s", pool.name, error)
    with_runs = Instance.objects.filter(pk__in=CronRun.objects.values("instance")).exclude(state=Instance.State.REMOVED)
    for instance in with_runs.select_related("host", "database_server"):
        found += switch_off(instance)
    return found


def read(pool: Pool) -> None:
    """Write down what the log says since it was read last."""
    name = pools.log_name(pool, Purpose.CRON)
    try:
        for _ in range(BLOCKS):
            where = pool.cron_log_read, pool.cron_log_inode
            page = logfiles.follow(pool.instance, name, *where, logfiles.Wanted())
            if (page.end, page.inode) == where:
                return
            _remember(pool, page)
    except logfiles.NoSuchLog:
        return


@transaction.atomic
def _remember(pool: Pool, page: logfiles.LogPage) -> None:
    """The runs of a block, and how far it was read, in one transaction: no line counts twice."""
    for happened in _events(page.entries):
        _note(pool.instance, happened)
    pool.cron_log_read, pool.cron_log_inode = page.end, page.inode
    pool.save(update_fields=["cron_log_read", "cron_log_inode"])


def _events(entries: list[logfiles.LogEntry]) -> Iterator[cronlog.Event]:
    for entry in entries:
        parsed = parse_line(entry.text.partition("\n")[0])
        happened = cronlog.event(parsed) if parsed else None
        if happened is not None:
            yield happened


def _note(instance: Instance, happened: cronlog.Event) -> None:
    running = CronRun.objects.filter(instance=instance, outcome=CronRun.Outcome.RUNNING)
    if happened.what is not What.STARTED:
        ended = running.filter(pid=happened.pid).order_by("-pk").first()
        if ended is not None:
            ended.outcome, ended.finished_at = OUTCOMES[happened.what], happened.at
            ended.save(update_fields=["outcome", "finished_at"])
        return
    # A worker does one thing at a time: what it had begun before, it no longer does.
    running.filter(pid=happened.pid).update(outcome=CronRun.Outcome.STOPPED)
    running.filter(action_id=happened.action_id, name=happened.name).update(outcome=CronRun.Outcome.STOPPED)
    CronRun.objects.create(
        instance=instance, action_id=happened.action_id, name=happened.name, pid=happened.pid, started_at=happened.at
    )
    of_action = CronRun.objects.filter(instance=instance, action_id=happened.action_id, name=happened.name)
    CronRun.objects.filter(pk__in=of_action.order_by("-pk").values("pk")[KEPT:]).delete()


def switch_off(instance: Instance) -> list[CronRun]:
    """Switch off what was killed at its limit too often in a row. Tried again in each round until it worked."""
    found = []
    for run in _hopeless(instance):
        try:
            machines.database(instance).switch_off_action(run.action_id, run.name)
        except DatabaseError as error:  # such as a lock, as it runs again
            log.info("switching off %s of %s, which is tried again: %s", run.name, instance.name, error)
            continue
        off = CronRun.Outcome.SWITCHED_OFF
        now = clock.now()
        found.append(
            CronRun.objects.create(
                instance=instance, action_id=run.action_id, name=run.name, started_at=now, finished_at=now, outcome=off
            )
        )
    return found


def _hopeless(instance: Instance) -> list[CronRun]:
    """The last runs of actions whose last IN_A_ROW runs were all killed at their limit."""
    ended: dict[tuple[int, str], list[CronRun]] = {}
    left_out = (CronRun.Outcome.RUNNING, CronRun.Outcome.STOPPED)
    for run in CronRun.objects.filter(instance=instance).exclude(outcome__in=left_out).order_by("-pk"):
        ended.setdefault((run.action_id, run.name), []).append(run)
    return [
        runs[0]
        for runs in ended.values()
        if len(runs) >= IN_A_ROW and all(run.outcome == CronRun.Outcome.TIMEOUT for run in runs[:IN_A_ROW])
    ]


def latest(instance: Instance | None) -> list[list[CronRun]]:
    """For a page: the runs of each action, newest first; actions by name."""
    found: dict[tuple[str, int], list[CronRun]] = {}
    for run in CronRun.objects.filter(instance=instance).order_by("name", "action_id", F("pk").desc()):
        found.setdefault((run.name, run.action_id), []).append(run)
    return list(found.values())


def switched_off(instance: Instance | None) -> list[CronRun]:
    """Actions that are switched off, and did not run since."""
    return [runs[0] for runs in latest(instance) if runs[0].outcome == CronRun.Outcome.SWITCHED_OFF]
