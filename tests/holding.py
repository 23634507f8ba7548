"""Holding a story at a place of its telling, so that something can be done to it exactly there.

It is held from outside, by a trigger in the portal's database that waits for a lock of ours: the product has no line
for it. Which step it is held at stands in a table, so that it can be held at one after the other.
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
    CREATE OR REPLACE FUNCTION hold_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM hold_at WHERE step = NEW.name) THEN PERFORM pg_advisory_xact_lock(4711); END IF;
    RETURN NEW; END $$
"""
TRIGGER = """
    CREATE OR REPLACE TRIGGER hold_here BEFORE UPDATE ON portal_step FOR EACH ROW
    WHEN ({change}) EXECUTE FUNCTION hold_here()
"""
TABLE = "CREATE TABLE IF NOT EXISTS hold_at (step text)"


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
            into_it()

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

    def at(self, step: str) -> None:
        """From now on stories are held at that step."""
        self._step = step
        self._connection.execute("WITH before AS (DELETE FROM hold_at) INSERT INTO hold_at VALUES (%s)", [step])

    def go_on(self, step: str) -> None:
        """The story goes on, to be held at that step next."""
        self.at(step)
        self.let_go()
        self._connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])

    def forget(self) -> None:
        """End the statement that waits, if it still does: whoever sent it is dead, and it must not take effect."""
        for pid in self._waiting():
            self._connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    def drop(self) -> None:
        self.forget()
        self._connection.execute("DROP TRIGGER IF EXISTS hold_here ON portal_step")


def into_it() -> None:
    """Wait until a step that has just begun is somewhere in its middle."""
    time.sleep(random.uniform(0, INSIDE_S))


@contextmanager
def hold(installation: Installation, step: str, moment: Moment) -> Iterator[Held]:
    """Hold the next story that comes to this moment of a step, until the block ends."""
    with psycopg.connect(installation.values["BERTH_DATABASE_URL"], autocommit=True) as connection:
        held = Held(connection, step, moment)
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if moment != Moment.MIDDLE:
            for statement in (TABLE, FUNCTION, TRIGGER.format(change=CHANGES[moment])):
                connection.execute(statement)
            held.at(step)
        try:
            yield held
        finally:
            held.drop()
