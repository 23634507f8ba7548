"""A cluster, as its administrator sees it.

It works on catalogs and never reads a tenant's tables, because whoever owns a database can plant a view or an operator
there that runs with the reader's rights. Every call opens its own connection: calls are rare, and a restarted cluster
can't leave a broken one behind.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from hosting.engines.postgres.errors import DatabaseInUse, DatabaseMissing, InvalidName, ServerTooOld, translated

Connection = psycopg.Connection[TupleRow]

FIXED_IN = {15: 20, 16: 16, 17: 12, 18: 7}
"""Major version -> the minor release that fixes CVE-2026-18408 and CVE-2026-116314."""

EXTENSIONS = ("pg_trgm", "unaccent")
"""The trusted extensions that Odoo uses; hosted databases get these and no others."""

_ROLE = sql.SQL("LOGIN NOCREATEDB NOCREATEROLE")
_HAND_OVER = 4712  # an advisory lock of the maintenance database
_UNFINISHED = 0  # the connection limit of a database that `create_database` has not finished: no tenant was ever in it
_INVALID = -2  # that of one whose DROP was interrupted; PostgreSQL lets it be dropped, and nothing else
_DROP_S = 600.0  # it waits for a checkpoint


@dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Load:
    """Connections of clients, and how many there may be (those kept for administrators apart)."""

    version: Version
    connections: int
    limit: int


def gate(version: Version) -> None:
    """Raise ServerTooOld for a release that lets one tenant reach another (see FIXED_IN)."""
    wanted = FIXED_IN.get(version.major)
    if version.major > max(FIXED_IN) or (wanted is not None and version.minor >= wanted):
        return
    fixed = ", ".join(f"{major}.{minor}" for major, minor in FIXED_IN.items())
    raise ServerTooOld(
        f"PostgreSQL {version} lacks the fixes for CVE-2026-18408 and CVE-2026-116314, so nothing was started. "
        f"Update it to at least one of {fixed}."
    )


def identifier(name: str) -> sql.Identifier:
    """`name` quoted, if it is one that Berth makes. Raises InvalidName."""
    if not re.fullmatch(r"[a-z0-9_]{1,63}", name):
        raise InvalidName(f"{name[:80]!r} is no name for a role or database of Berth (a-z, 0-9 and _, at most 63).")
    return sql.Identifier(name)


@dataclass(frozen=True)
class Server:
    """A cluster, reached as its administrator by `dsn` (a libpq URL that names the maintenance database)."""

    dsn: str = field(repr=False)
    connect_timeout: int = 5
    timeout: float = 60.0
    """Seconds that one statement may take; copying has a limit of its own."""

    def version(self) -> Version:
        with self._connect() as connection:
            major, minor = divmod(connection.info.server_version, 10_000)
        return Version(major, minor)

    def load(self) -> Load:
        """How busy the cluster is."""
        query = (
            "SELECT count(*) FILTER (WHERE backend_type = 'client backend'), current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int FROM pg_stat_activity"
        )
        with self._connect() as connection:
            major, minor = divmod(connection.info.server_version, 10_000)
            row = connection.execute(query).fetchone()
        assert row is not None
        return Load(Version(major, minor), connections=row[0], limit=row[1])

    def close_to_public(self) -> None:
        """Take away what every role may do in the maintenance databases: connect, and make temporary tables."""
        with self._connect() as connection:
            connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")

    def create_role(self, name: str, password: str, connection_limit: int) -> None:
        """Make a role that may log in and nothing else, or give the existing one this password and limit."""
        role = identifier(name)
        with self._connect() as connection:
            # Hashed here, so that the password is in no statement that the server may log.
            secret = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
            verb = "ALTER" if _exists(connection, "pg_roles", "rolname", name) else "CREATE"
            connection.execute(
                sql.SQL("{} ROLE {} {} CONNECTION LIMIT {} PASSWORD {}").format(
                    sql.SQL(verb), role, _ROLE, sql.Literal(connection_limit), sql.Literal(secret)
                )
            )
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {}").format(role))

    def close_role(self, name: str) -> None:
        """Nobody logs in as this role any more, until `create_role` is called again."""
        with self._connect() as connection:
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(identifier(name)))

    def set_limit(self, role: str, connection_limit: int) -> None:
        with self._connect() as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(identifier(role), sql.Literal(connection_limit))
            )

    def create_database(self, name: str, owner: str, template: str = "template0") -> None:
        """Make an empty database that only `owner` may enter, with Odoo's extensions. Safe to repeat after a crash.

        Collation C and UTF-8 as Odoo's own `db create` chooses them; C.UTF-8 for letters, so that ILIKE folds umlauts.
        """
        database = identifier(name)
        locale = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'" if template == "template0" else ""
        with self._connect() as connection:
            if not _exists(connection, "pg_database", "datname", name):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} {} CONNECTION LIMIT {}").format(
                        database, identifier(owner), identifier(template), sql.SQL(locale), sql.Literal(_UNFINISHED)
                    )
                )
            _close_to_others(connection, name, owner)
            if self._connection_limit(connection, name) != _UNFINISHED:
                return
            with self._connect(name) as inside:
                for extension in EXTENSIONS:
                    inside.execute(
                        sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(identifier(extension))
                    )
                # As Odoo does: an index may only use an immutable function, and the dictionary never changes here.
                inside.execute("ALTER FUNCTION public.unaccent(text) IMMUTABLE")
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(database))

    def copy_database(self, source: str, target: str, owner: str, *, timeout: float = 3600.0) -> None:
        """Copy `source` with everything in it to a new database `target` that belongs to `owner`.

        File by file, which takes a third of the time that PostgreSQL's own way (through its log) does at 1.2 GB, and as
        long at 70 MB. Ends the connections of `source`: hold or stop what uses it. A half-made `target` of an earlier
        try is dropped.
        Raises DatabaseInUse when connections keep coming, DatabaseMissing, TookTooLong after `timeout` seconds.
        """
        with self._connect(timeout=timeout) as connection:
            former = self._owner(connection, source)
            if _exists(connection, "pg_database", "datname", target):
                if self._connection_limit(connection, target) not in (_UNFINISHED, _INVALID):
                    raise DatabaseInUse(f"The database {target} exists already and was left as it is. Drop it first.")
                self.drop_database(target)
            statement = sql.SQL(
                "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY CONNECTION LIMIT {}"
            ).format(identifier(target), identifier(owner), identifier(source), sql.Literal(_UNFINISHED))
            _alone(connection, source, statement)
            if former != owner:
                # It changes what the whole cluster shares, and PostgreSQL refuses two who change that at once.
                connection.execute("SELECT pg_advisory_lock(%s)", [_HAND_OVER])  # until this connection ends
                with self._connect(target, timeout=timeout) as inside:
                    _hand_over(inside, former=former, owner=owner)
            _close_to_others(connection, target, owner)
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(identifier(target)))

    def exchange_database(self, name: str, *, by: str, keep: str) -> None:
        """In one moment `name`, if there is one, is called `keep`, and `by` is called `name`: who dies leaves no moment
        without it. Ends their connections. Where there is no `by` nothing is done: that is how it ends.
        """
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        both = [rename.format(identifier(by), identifier(name))]
        with self._connect() as connection:
            if not _exists(connection, "pg_database", "datname", by):
                return
            if _exists(connection, "pg_database", "datname", name):
                both.insert(0, rename.format(identifier(name), identifier(keep)))
            _terminate(connection, by)
            _alone(connection, name, sql.SQL("; ").join(both))  # sent as one: PostgreSQL makes one transaction of it

    def hand_over_database(self, name: str, owner: str) -> None:
        """Give a database with all that is in it to another role. What its former owner set for it is set no more.

        Safe to repeat. Raises DatabaseMissing.
        """
        with self._connect() as connection:
            former = self._owner(connection, name)
            self.forget_settings(name, former)
            if former != owner:
                with self._connect(name) as inside:
                    _hand_over(inside, former=former, owner=owner)
            _close_to_others(connection, name, owner)

    def forget_settings(self, name: str, role: str) -> None:
        """What the role set for itself and its database: each may, and it would last."""
        database, owner = identifier(name), identifier(role)
        with self._connect() as connection:
            _make_plain(connection, name)
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(database))
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
            connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(owner))
            connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(owner, database))

    def drop_database(self, name: str) -> None:
        """Ending its connections. Safe to repeat, also when an earlier call was interrupted."""
        with self._connect(timeout=_DROP_S) as connection:
            there = _exists(connection, "pg_database", "datname", name)
            if there and self._connection_limit(connection, name) != _INVALID:
                _make_plain(connection, name)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier(name)))

    def drop_role(self, name: str) -> None:
        """Remove a role that owns no database any more. Raises DatabaseInUse while it does."""
        role = identifier(name)
        with self._connect() as connection:
            if _exists(connection, "pg_roles", "rolname", name):
                connection.execute(sql.SQL("DROP OWNED BY {}").format(role))  # its CONNECT on postgres
                connection.execute(sql.SQL("DROP ROLE {}").format(role))

    def is_finished(self, name: str) -> bool:
        """Whether a database is there, and not only what an interrupted call left of one."""
        with self._connect() as connection:
            there = _exists(connection, "pg_database", "datname", name)
            return there and self._connection_limit(connection, name) not in (_UNFINISHED, _INVALID)

    def databases(self, prefix: str) -> set[str]:
        return self._names("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", prefix)

    def roles(self, prefix: str) -> set[str]:
        return self._names("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", prefix)

    def size(self, database: str) -> int:
        """Bytes on disk."""
        with self._connect() as connection:
            return int(_value(connection, "SELECT pg_database_size(%s::name)", [database]))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Database -> bytes on disk."""
        query = "SELECT datname, pg_database_size(oid) FROM pg_database WHERE starts_with(datname, %s)"
        with self._connect() as connection:
            return dict(connection.execute(query, [prefix]).fetchall())

    def clients(self, database: str) -> dict[str, int]:
        """Client address -> its open connections to a database: shows which containers really use it."""
        query = (
            "SELECT host(client_addr), count(*) FROM pg_stat_activity"
            " WHERE datname = %s AND client_addr IS NOT NULL GROUP BY 1"
        )
        with self._connect() as connection:
            return dict(connection.execute(query, [database]).fetchall())

    def _names(self, query: str, prefix: str) -> set[str]:
        with self._connect() as connection:
            return {name for (name,) in connection.execute(query.encode(), [prefix])}

    def _connection_limit(self, connection: Connection, name: str) -> int:
        return int(_value(connection, "SELECT datconnlimit FROM pg_database WHERE datname = %s", [name]))

    def _owner(self, connection: Connection, name: str) -> str:
        query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
        return str(_value(connection, query, [name], missing=f"There is no database {name} to copy. Nothing was made."))

    @contextmanager
    def _connect(self, database: str | None = None, *, timeout: float | None = None) -> Iterator[Connection]:
        milliseconds = int((timeout or self.timeout) * 1000)
        options = f"-c search_path=pg_catalog -c lock_timeout=20000 -c statement_timeout={milliseconds}"
        with translated():
            target = make_conninfo(self.dsn, dbname=database, options=options, connect_timeout=self.connect_timeout)
            with psycopg.connect(target, autocommit=True) as connection:
                yield connection


def _exists(connection: Connection, catalog: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalog), sql.Identifier(column))
    return connection.execute(query, [name]).fetchone() is not None


def _value(
    connection: Connection, query: str, values: Sequence[object], missing: str = "There is no such database."
) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise DatabaseMissing(missing)
    return row[0]


def _make_plain(connection: Connection, database: str) -> None:
    """Whoever owns a database may keep others out of it, and from dropping it."""
    connection.execute(
        sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true IS_TEMPLATE false").format(identifier(database))
    )


def _terminate(connection: Connection, database: str) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        [database],
    )


def _alone(connection: Connection, database: str, statement: sql.Composed, attempts: int = 5) -> None:
    """Run a statement that needs `database` without connections.

    It waits up to 5 s for ended ones to go and keeps new ones out meanwhile; only those of the instant between our
    two statements can spoil a try. Raises DatabaseInUse when all tries were spoilt.
    """
    for attempt in range(attempts):
        _terminate(connection, database)
        try:
            connection.execute(statement)
            return
        except errors.ObjectInUse:
            if attempt == attempts - 1:
                raise
            time.sleep(0.1)


def _close_to_others(connection: Connection, database: str, owner: str) -> None:
    names = {"database": identifier(database), "owner": identifier(owner)}
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {database} TO {owner}").format(**names))


def _hand_over(inside: Connection, *, former: str, owner: str) -> None:
    """Give all that `former` has inside this database to `owner`.

    PostgreSQL's two statements for it also reach what the whole cluster shares, so they would take `former`'s other
    databases away (and its right to enter them). One transaction puts those back before anybody can see it.
    """
    owned = "SELECT datname FROM pg_database WHERE datdba = %s::regrole AND datname <> current_database()"
    names = {"former": identifier(former), "owner": identifier(owner)}
    with inside.transaction():
        kept = [name for (name,) in inside.execute(owned, [former])]
        inside.execute(sql.SQL("REASSIGN OWNED BY {former} TO {owner}").format(**names))
        inside.execute(sql.SQL("DROP OWNED BY {former}").format(**names))
        for name in kept:
            inside.execute(sql.SQL("ALTER DATABASE {} OWNER TO {former}").format(identifier(name), **names))
            _close_to_others(inside, name, former)
        inside.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres TO {former}").format(**names))
