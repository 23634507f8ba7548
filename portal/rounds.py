"""Rounds: work that is done again and again, one at a time."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.db import connection

LOCK = 0x726F756E64  # any fixed number

P = ParamSpec("P")


def alone(round_: Callable[P, None]) -> Callable[P, None]:
    """No two rounds go on at once, whichever processes tell them: the next one waits for its turn.

    The lock is the connection's, so that it ends with whoever holds it.
    """

    @wraps(round_)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            round_(*args, **kwargs)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    return wrapped


def once(lock: int) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """For a round that takes long, beside the others: where it goes on already, it isn't begun."""

    def wrap(round_: Callable[P, None]) -> Callable[P, None]:
        @wraps(round_)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
                (won,) = cursor.fetchone()
            if not won:
                return
            try:
                round_(*args, **kwargs)
            finally:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])

        return wrapped

    return wrap
