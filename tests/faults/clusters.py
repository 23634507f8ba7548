"""Doing things to one of an installation's PostgreSQL clusters, as an operator does them."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy import postgresql
from deploy.clusters import plan
from deploy.packages import postgresql_bin
from deploy.progress import Progress
from tests.installation import Installation


def pg_ctl(installation: Installation, name: str, *arguments: str) -> None:
    (cluster,) = (each for each in plan(installation.home / "pg", installation.values, memory=0) if each.name == name)
    postgresql.pg_ctl(postgresql_bin(installation.values), cluster, *arguments)


def restart(installation: Installation, name: str, how: str) -> None:
    """`how` as pg_ctl names it: `fast` ends all connections, `immediate` is a crash."""
    log = installation.home / "pg" / name / "start.log"
    pg_ctl(installation, name, "restart", "-m", how, "-l", str(log))


def start(installation: Installation) -> None:
    """Those that don't run, as bin/up does it."""
    postgresql.ensure(installation.home, installation.values, Progress())


@contextmanager
def stopped(installation: Installation, name: str) -> Iterator[None]:
    pg_ctl(installation, name, "stop", "-m", "fast")
    try:
        yield
    finally:
        start(installation)
