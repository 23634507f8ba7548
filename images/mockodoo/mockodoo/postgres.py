"""Connections to PostgreSQL: one small pool for the process, cursors that count their queries for the log."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg2
import psycopg2.extensions

from . import logs
from .options import config

Connection: TypeAlias = psycopg2.extensions.connection

_idle: dict[str, list[Connection]] = {}
_lock = threading.Lock()
_names = iter(range(1, 1 << 62))


class Cursor:
    """A transaction on one database: REPEATABLE READ, rolled back on close unless committed."""

    def __init__(self, dbname: str) -> None:
        self.dbname = dbname
        self.connection = _borrow(dbname)
        self._cursor = self.connection.cursor()
        self.closed = False

    def execute(self, query: str, parameters: Any = None) -> None:
        started = time.monotonic()
        try:
            self._cursor.execute(query, parameters)
        finally:
            logs.count_query(time.monotonic() - started)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchall())

    def fetchone(self) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        return row

    def dictfetchall(self) -> list[dict[str, Any]]:
        names = [column.name for column in self._cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def dictfetchone(self) -> dict[str, Any] | None:
        rows = self.dictfetchall()
        return rows[0] if rows else None

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def mogrify(self, query: str, parameters: Any = None) -> bytes:
        return bytes(self._cursor.mogrify(query, parameters))

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    @contextmanager
    def savepoint(self, flush: bool = True) -> Iterator[None]:
        name = f"sp{next(_names)}"
        self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.execute(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        self.execute(f"RELEASE SAVEPOINT {name}")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._cursor.close()
            _give_back(self.dbname, self.connection)

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None and not self.closed:
            self.commit()
        self.close()


def connect(dbname: str) -> Connection:
    """A new connection, outside of the pool. Raises psycopg2.OperationalError."""
    given = {
        "host": config["db_host"],
        "port": config["db_port"],
        "user": config["db_user"],
        "password": config["db_password"],
        "sslmode": config["db_sslmode"],
    }
    return psycopg2.connect(
        dbname=dbname, application_name="odoo", **{key: value for key, value in given.items() if value}
    )


def _borrow(dbname: str) -> Connection:
    while True:
        with _lock:
            waiting = _idle.get(dbname)
            connection = waiting.pop() if waiting else None
        if connection is None:
            connection = connect(dbname)
            connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ)
            return connection
        try:  # the server may have been restarted since
            connection.reset()
            connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ)
        except psycopg2.Error:
            connection.close()
        else:
            return connection


def _give_back(dbname: str, connection: Connection) -> None:
    try:
        connection.rollback()
    except psycopg2.Error:
        connection.close()
    if not connection.closed:
        with _lock:
            _idle.setdefault(dbname, []).append(connection)


def close_all(dbname: str | None = None) -> None:
    """Close the idle connections, of one database or of all: before forking, and before a database is dropped."""
    with _lock:
        for name in [dbname] if dbname else list(_idle):
            for connection in _idle.pop(name, []):
                connection.close()


@contextmanager
def autocommit(dbname: str = "postgres") -> Iterator[Any]:
    """A plain psycopg2 cursor for commands that no transaction may hold: CREATE DATABASE and the like."""
    connection = connect(dbname)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def table_exists(cr: Cursor, table: str) -> bool:
    cr.execute("SELECT 1 FROM pg_class WHERE relname = %s AND relkind IN ('r', 'v')", (table,))
    return cr.fetchone() is not None
