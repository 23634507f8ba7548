"""Holding a story at a place of its telling, so that something can be done to it exactly there.

It is held from outside, by a trigger in the portal's database that waits for a lock of ours: the product has no line
for it.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import psycopg

from tests.installation import Installation

LOCK = 4711
PATIENCE_S = 600.0
INSIDE_S = 0.7  # at most that far into a step
FUNCTION = """
    CREATE OR REPLACE FUNCTION hold_here() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$
"""
TRIGGER = """
    CREATE OR REPLACE TRIGGER hold_here BEFORE UPDATE ON portal_step FOR EACH ROW
    WHEN (NEW.name = '{step}' AND {change}) EXECUTE FUNCTION hold_here()
"""


class Moment(StrEnum):
    BEGINS = "begins"  # the step before is done, and nothing says that this one has begun
    MIDDLE = "middle"  # somewhere in it, at random
    ENDS = "ends"  # all of it is done, and nothing says so
    UNDONE = "undone"  # all of it is taken back, as a later one or itself failed, and nothing says so


CHANGES = {
    Moment.BEGINS: "OLD.state <> NEW.state AND NEW.state = 'running'",
    Moment.ENDS: "OLD.state <> NEW.state AND NEW.state = 'done'",
    Moment.UNDONE: "NEW.undone AND NOT OLD.undone",
}


class Held:
    def __init__(self, connection: psycopg.Connection, step: str, moment: Moment) -> None:
        self._connection, self._step, self._moment = connection, step, moment

    def wait(self) -> None:
        """Return when the story is there. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_there():
            if time.monotonic() > deadline:
                raise TimeoutError(f"No story came to {self._step} within {PATIENCE_S:.0f} s")
            time.sleep(0.01)
        if self._moment == Moment.MIDDLE:
            time.sleep(random.uniform(0, INSIDE_S))

    def _is_there(self) -> bool:
        if self._moment == Moment.MIDDLE:
            asked = "SELECT 1 FROM portal_step WHERE name = %s AND state = 'running'"
            return self._connection.execute(asked, [self._step]).fetchone() is not None
        return bool(self._waiting())

    def _waiting(self) -> list[int]:
        asked = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        return [pid for (pid,) in self._connection.execute(asked, [LOCK])]

    def let_go(self) -> None:
        """The story goes on from there, as if it had never been held."""
        self._connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    def drop(self) -> None:
        """End the statement that waits, if it still does: whoever sent it is dead, and it must not take effect."""
        for pid in self._waiting():
            self._connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        self._connection.execute("DROP TRIGGER IF EXISTS hold_here ON portal_step")


@contextmanager
def hold(installation: Installation, step: str, moment: Moment) -> Iterator[Held]:
    """Hold the next story that comes to this moment of a step, until the block ends."""
    with psycopg.connect(installation.values["BERTH_DATABASE_URL"], autocommit=True) as connection:
        held = Held(connection, step, moment)
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if moment != Moment.MIDDLE:
            connection.execute(FUNCTION)
            connection.execute(TRIGGER.format(step=step, change=CHANGES[moment]))
        try:
            yield held
        finally:
            held.drop()
