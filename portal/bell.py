"""The bell of a queue: PostgreSQL tells a worker that waits of a ring's row when that is committed (LISTEN, NOTIFY).

django-q2's broker would have the worker ask again and again; people wait for a rollback or a wake-up. A ring that is
not heard is lost to nobody: the row is looked for anyway, a little later.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models.signals import post_save
from django_q.models import OrmQ


def connect() -> None:
    """From now on each ring that this process saves is told."""
    post_save.connect(_tell, sender=OrmQ, dispatch_uid="portal.bell")


def _tell(instance: OrmQ, **_values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [_channel(instance.key)])


def listen(queues: Iterable[str]) -> None:
    """Hear from now on what is rung, until the connection is closed. Raises DatabaseError."""
    with connection.cursor() as cursor:
        for queue in queues:
            cursor.execute(f"LISTEN {connection.ops.quote_name(_channel(queue))}")


def wait(seconds: float) -> bool:
    """Wait for a ring, at most so long; whether there was one since `listen`. Raises DatabaseError."""
    with connection.wrap_database_errors:
        return any(connection.connection.notifies(timeout=seconds, stop_after=1))


def _channel(queue: str) -> str:
    return f"rings of {queue}"
