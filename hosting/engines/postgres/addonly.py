"""A table to which the role that uses it can only add: no change, no removal, and no way to allow them to itself.

So it belongs to the administrator, together with the schema: who owns a schema may drop whatever is in it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from hosting.engines.postgres.errors import translated
from hosting.engines.postgres.server import identifier

Connection = psycopg.Connection[tuple[Any, ...]]

OPTIONS = "-c search_path=pg_catalog -c lock_timeout=3000 -c statement_timeout=60000"

_TAKE = (
    "ALTER SCHEMA public OWNER TO CURRENT_USER",
    "GRANT ALL ON SCHEMA public TO {role}",
    "ALTER TABLE public.{table} OWNER TO CURRENT_USER",  # its sequence too
    "ALTER FUNCTION public.{guard}() OWNER TO CURRENT_USER",
    "REVOKE ALL ON public.{table} FROM {role}",
    "GRANT SELECT, INSERT ON public.{table} TO {role}",
    "GRANT SELECT ON SEQUENCE public.{sequence} TO {role}",  # for a dump
)
_GIVE = ("ALTER TABLE public.{table} OWNER TO {role}", "ALTER FUNCTION public.{guard}() OWNER TO {role}")
_RENOUNCE = ("REVOKE UPDATE, DELETE, TRUNCATE ON public.{table} FROM CURRENT_USER",)


def take(dsn: str, table: str, role: str) -> None:
    """As the administrator, in the table's database. Safe to repeat: then it waits for nobody. Raises DatabaseError."""
    with _connected(dsn) as connection:
        if not _is_taken(connection, table):
            _run(connection, _TAKE, table, role)


def give_back(dsn: str, table: str, role: str) -> None:
    """For migrations, which `role` runs: until `take`. Safe to repeat. Raises DatabaseError."""
    with _connected(dsn) as connection:
        if _is_taken(connection, table):
            _run(connection, _GIVE, table, role)


def renounce(dsn: str, table: str) -> None:
    """Where there is no administrator, as the role itself: it could allow it to itself again. Raises DatabaseError."""
    with _connected(dsn) as connection:
        _run(connection, _RENOUNCE, table, "")


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    """All that is done within is done, or nothing."""
    with translated(), psycopg.connect(dsn, options=OPTIONS, connect_timeout=5) as connection:
        yield connection


def _is_taken(connection: Connection, table: str) -> bool:
    query = "SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = %s AND tableowner = current_user"
    return connection.execute(query, [table]).fetchone() is not None


def _run(connection: Connection, statements: Sequence[LiteralString], table: str, role: str) -> None:
    names = {
        "table": identifier(table),
        "guard": identifier(f"{table}_guard"),
        "sequence": identifier(f"{table}_id_seq"),
        "role": identifier(role) if role else sql.SQL("CURRENT_USER"),
    }
    for statement in statements:
        connection.execute(sql.SQL(statement).format(**names))
