"""Restarts the PostgreSQL of the hosted databases while their visitors wait, so that nobody is signed out by it.

Odoo forgets the session of a request that comes while there is no database. So none comes: requests are held at the
router, those in flight end first, and what was held goes on when PostgreSQL answers. Who is killed on the way leaves a
hold that the rounds release, and a `pg_ctl restart` that goes on without him.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from django import db
from django.db.models import QuerySet

from builds.models import Build
from deploy import postgresql
from deploy.clusters import Cluster, plan
from deploy.environment import Environment
from deploy.packages import postgresql_bin
from deploy.progress import Progress, SetupError
from hosting import hold
from hosting.engines.postgres import DatabaseError, Server
from hosting.models import Instance, Stage
from portal.models import State

QUIET_S = 15.0  # for requests in flight; those that come meanwhile already wait
RESTART_S = 30  # for PostgreSQL; with the rest, less than what the router lets visitors wait
ANSWER_S = 10.0
RENEW_S = 5.0  # well below hold.FORGOTTEN
LEFT = "PostgreSQL was not restarted, and nobody waits any more."


def restart_hosted(home: Path, values: Environment, progress: Progress) -> None:
    """Raises SetupError."""
    cluster = _cluster(home, values)
    _check_idle()
    began = time.monotonic()
    with _held(progress) as instances, _renewed(instances):
        _check_idle()  # again: from here on a deploy that begins finds the doors held
        _wait_until_quiet(instances, began + QUIET_S)
        progress.say(f"quiet after {time.monotonic() - began:.1f} s: restarting {cluster.name} (port {cluster.port})")
        postgresql.restart(postgresql_bin(values), cluster, timeout=RESTART_S)
        _wait_until_it_answers(Server(postgresql.admin_url(cluster, values)))
        progress.say(f"PostgreSQL answers; {len(instances)} databases were held for {time.monotonic() - began:.1f} s")


def _cluster(home: Path, values: Environment) -> Cluster:
    for cluster in plan(home / "pg", values, memory=0):
        if cluster.name == "hosted":
            return cluster
    raise SetupError(
        "The hosted databases are on an existing server (BERTH_HOSTED_URL).",
        left=LEFT,
        todo="restart it by its own means; Berth restarts only clusters that it made.",
    )


def _check_idle() -> None:
    """A deploy holds visitors too, and may be updating the database."""
    build = Build.objects.filter(stage=Stage.PRODUCTION, state=State.RUNNING).select_related("project").first()
    if build is not None:
        raise SetupError(
            f"A deploy of {build.project} to production is going on (build {build}).",
            left=LEFT,
            todo="run the command again when it has ended, or cancel it.",
        )


def awake() -> QuerySet[Instance]:
    """Production's databases that answer requests now."""
    return Instance.objects.filter(stage=Stage.PRODUCTION, door=Instance.Door.OPEN).exclude(live_pool=None)


@contextmanager
def _held(progress: Progress) -> Iterator[list[Instance]]:
    """Hold all, and release each of them whatever happens. Raises SetupError where another began to hold one."""
    with ExitStack() as releases:
        instances = list(awake())
        for instance in instances:
            if not hold.begin(instance):  # an update's hold, say: its end is not ours to decide
                raise SetupError(
                    f"Somebody else works on {instance.hostname} at this moment.",
                    left=LEFT,
                    todo="run the command again when that has ended.",
                )
            releases.callback(hold.release, instance)
        progress.say("requests wait: " + (", ".join(instance.hostname for instance in instances) or "no database runs"))
        yield instances


@contextmanager
def _renewed(instances: Sequence[Instance]) -> Iterator[None]:
    """Meanwhile no round takes the holds for forgotten, however long it takes. It ends with this process."""
    ended = threading.Event()

    def renew() -> None:
        try:
            while not ended.wait(RENEW_S):
                with suppress(db.Error):  # the next one is a moment away
                    hold.renew(instances)
        finally:
            db.connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _wait_until_quiet(instances: Sequence[Instance], deadline: float) -> None:
    """Raises SetupError."""
    for instance in instances:
        seconds = max(0.0, deadline - time.monotonic())
        left = hold.wait_until_quiet(instance, seconds=seconds, keep_going=lambda: None)
        if left:
            raise SetupError(
                f"{left} requests of {instance.hostname} take longer than {QUIET_S:.0f} s.",
                left=LEFT,
                todo="run the command again when they have ended.",
            )


def _wait_until_it_answers(server: Server) -> None:
    """Raises SetupError."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            server.version()
            return
        except DatabaseError as error:
            if time.monotonic() > deadline:
                raise SetupError(
                    f"PostgreSQL doesn't answer after its restart: {error}",
                    left="Visitors no longer wait; they get errors.",
                    todo="run bin/up, which starts it and says what is wrong.",
                ) from error
            time.sleep(0.1)
