"""One hosted database, as its own role sees it: the only way in which Berth reads what a tenant wrote.

A view or an operator that the tenant planted runs with the tenant's rights here, and finds nothing that it could not
reach by itself. Every call opens its own connection, so that a planted `set_config` can't outlive it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from hosting.engines.postgres import shape as shapes
from hosting.engines.postgres.errors import TableMissing, translated
from hosting.engines.postgres.shape import Column, Constraint, Shape
from hosting.engines.postgres.switches import COLUMNS, Switch, by_table

Connection = psycopg.Connection[TupleRow]

WORKING = {"ir_cron": "cron_name", "ir_mail_server": "name", "fetchmail_server": "name"}
"""Tables of what works by itself, each with the column of its name."""

PARKED_JOB = "Kept from running by Berth; its state was "
"""What stands in a parked job, followed by its state. OCA's queue_job has errors there, of cancelled ones none."""


@dataclass(frozen=True)
class ModuleState:
    """A row of `ir_module_module`. `version` is the installed one with the series in front, "" where none is."""

    name: str
    state: str
    version: str


@dataclass(frozen=True)
class Moment:
    """A moment of a database that stays visible: `snapshot` is what others name to see the same."""

    snapshot: str
    connection: Connection = field(repr=False)

    def count_rows(self, keep_going: Callable[[], None] = lambda: None) -> dict[str, int]:
        """How many rows each table has, by `schema.table`; those of extensions apart, which no dump holds."""
        tables = (
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'"
            " AND NOT starts_with(n.nspname, 'pg_') AND NOT EXISTS (SELECT FROM pg_depend d"
            " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2"
        )
        counted = {}
        for schema, table in self.connection.execute(tables).fetchall():
            keep_going()
            row = self.connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
            (counted[f"{schema}.{table}"],) = row.fetchone() or (0,)
        return counted

    def attached_files(self) -> set[str]:
        """The files of the filestore that attachments name, like `ab/ab01...`; at most ten million."""
        query = (
            "SELECT DISTINCT left(store_fname::text, 300) FROM public.ir_attachment"
            " WHERE store_fname IS NOT NULL AND store_fname <> '' LIMIT 10000000"
        )
        return {str(name) for (name,) in self.connection.execute(query)}


@dataclass(frozen=True)
class InstanceDatabase:
    """One hosted database, reached as its own role. What it answers was written by the tenant: every size is capped."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    timeout: float = 10.0

    def module_states(self) -> list[ModuleState]:
        """All known modules by name, at most 20,000; empty where Odoo has never been."""
        query = (
            "SELECT left(name::text, 200), left(state::text, 50), left(coalesce(latest_version::text, ''), 50)"
            " FROM public.ir_module_module ORDER BY 1 LIMIT 20000"
        )
        return [ModuleState(*row) for row in self._read(query, [])]

    def modules_left_over(self) -> list[ModuleState]:
        """Modules left `to install`, `to upgrade` or `to remove`: their work was not done (docs/odoo-image.md)."""
        return [module for module in self.module_states() if module.state.startswith("to ")]

    def parameter(self, key: str) -> str | None:
        """A system parameter, of which at most 10,000 characters are read."""
        rows = self._read(
            "SELECT left(value::text, 10000) FROM public.ir_config_parameter WHERE key = %s LIMIT 1", [key]
        )
        return None if not rows or rows[0][0] is None else str(rows[0][0])

    def set_parameter(self, key: str, value: str) -> None:
        """Set a system parameter. A running Odoo may go on with the old value until it restarts: it caches them."""
        with self._connect() as connection, connection.transaction():
            updated = connection.execute(
                "UPDATE public.ir_config_parameter SET value = %s, write_date = now() AT TIME ZONE 'UTC'"
                " WHERE key = %s",
                [value, key],
            )
            if updated.rowcount == 0:
                connection.execute(
                    "INSERT INTO public.ir_config_parameter (key, value, create_uid, write_uid, create_date,"
                    " write_date) VALUES (%s, %s, 1, 1, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')",
                    [key, value],
                )

    def set_password(self, login: str, password_hash: str) -> bool:
        """Give a user of Odoo a new password, by its hash as Odoo stores it. False where there is no such user."""
        with self._connect() as connection:
            updated = connection.execute(
                "UPDATE public.res_users SET password = %s WHERE login = %s", [password_hash, login]
            )
            return updated.rowcount > 0

    def switch_off_action(self, action_id: int, name: str) -> None:
        """Switch off a scheduled action, by its id in `ir_cron`, or by its name where that is 0.

        Odoo locks the row of one that runs: waits a second for that, then raises TookTooLong.
        """
        with self._connect() as connection, connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            connection.execute(
                "UPDATE public.ir_cron SET active = false WHERE id = %(id)s OR (%(id)s = 0 AND cron_name = %(name)s)",
                {"id": action_id, "name": name},
            )

    def lead_mails_to(self, host: str, port: int) -> None:
        """Put a server that takes mails in place of the one by which Odoo's neutralisation lets all of them fail.

        Not none: who runs a dump of this database elsewhere would send by the server of his own configuration.
        """
        with self._connect() as connection:
            connection.execute(
                "UPDATE public.ir_mail_server SET name = 'neutralization - mails are caught', smtp_host = %s,"
                " smtp_port = %s WHERE smtp_host = 'invalid'",
                [host, port],
            )

    def active(self, table: str) -> list[tuple[int, str]]:
        """Records of one of WORKING that are switched on: id and name; at most 10,000. None where there is no such
        table.
        """
        name = sql.Identifier(WORKING[table])
        query = sql.SQL("SELECT id, left({}::text, 200) FROM {} WHERE active ORDER BY 1 LIMIT 10000").format(
            name, sql.Identifier("public", table)
        )
        try:
            with self._connect() as connection:
                return [(int(pk), str(called or "")) for pk, called in connection.execute(query)]
        except TableMissing:
            return []

    def switch_off(self, table: str) -> None:
        """All records of one of WORKING."""
        assert table in WORKING
        with suppress(TableMissing), self._connect() as connection:
            connection.execute(sql.SQL("UPDATE {} SET active = false").format(sql.Identifier("public", table)))

    def switch_on(self, table: str, record_id: int) -> bool:
        """One record of one of WORKING; whether it is there."""
        assert table in WORKING
        statement = sql.SQL("UPDATE {} SET active = true WHERE id = %s").format(sql.Identifier("public", table))
        with self._connect() as connection:
            return connection.execute(statement, [record_id]).rowcount > 0

    def cancel_jobs(self) -> int:
        """Cancel the jobs of OCA's queue_job that did not end; how many they were. 0 where a database knows none."""
        if not self._jobs_have("state"):
            return 0
        with self._connect() as connection:
            return connection.execute(
                "UPDATE public.queue_job SET state = 'cancelled' WHERE state NOT IN ('done', 'failed', 'cancelled')"
            ).rowcount

    def park_jobs(self) -> int:
        """Keep queue_job's jobs that did not end from being run, until `resume_jobs`; how many are kept so by now."""
        if not self._jobs_have("state", "exc_info"):
            return 0
        with self._connect() as connection, connection.transaction():
            connection.execute(
                "UPDATE public.queue_job SET exc_info = %s || state, state = 'cancelled'"
                " WHERE state NOT IN ('done', 'failed', 'cancelled')",
                [PARKED_JOB],
            )
            kept = "SELECT count(*) FROM public.queue_job WHERE state = 'cancelled' AND starts_with(exc_info, %s)"
            return int(connection.execute(kept, [PARKED_JOB]).fetchall()[0][0])

    def resume_jobs(self) -> None:
        """Let them be run. One that ran when it was parked begins anew. Safe to repeat."""
        if not self._jobs_have("state", "exc_info"):
            return
        with self._connect() as connection:
            connection.execute(
                "UPDATE public.queue_job SET exc_info = NULL,"
                " state = CASE WHEN exc_info = %(mark)s || %(chained)s THEN %(chained)s ELSE 'pending' END"
                " WHERE state = 'cancelled' AND starts_with(exc_info, %(mark)s)",
                {"mark": PARKED_JOB, "chained": "wait_dependencies"},
            )

    def _jobs_have(self, *columns: str) -> bool:
        asked = "SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = (%s, %s)"
        return {*columns} <= {name for (name,) in self._read(asked, ["public", "queue_job"])}

    def drop_parameter(self, key: str) -> None:
        with self._connect() as connection:
            connection.execute("DELETE FROM public.ir_config_parameter WHERE key = %s", [key])

    def switched_on(self, switches: Sequence[Switch], *, timeout: float) -> dict[str, int]:
        """How many rows are switched on, by what they are; without what has none. Each may take `timeout` seconds."""
        with self._connect() as connection:
            return _counted(connection, switches, timeout)

    def switch_all_off(self, switches: Sequence[Switch], *, timeout: float) -> dict[str, int]:
        """Switch all of it off, or nothing. Returns what is on all the same, as a trigger may want it."""
        with self._connect() as connection, connection.transaction():
            for switch in _known(connection, switches, timeout):
                connection.execute(switch.flip())
            return _counted(connection, switches, timeout)

    @contextmanager
    def frozen(self, *, timeout: float) -> Iterator[Moment]:
        """One moment, in which all rows stay as they are while others go on writing. Each statement in it may take
        `timeout` seconds. Tables can't change their form meanwhile: keep it short, or be ended by who needs them to.
        """
        with self._connect() as connection:
            connection.execute(f"SET statement_timeout = {int(timeout * 1000)}".encode())
            connection.execute("SET idle_in_transaction_session_timeout = 0")
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            yield Moment(str(row[0]), connection)

    def shape(self) -> Shape:
        """What code finds here; to be compared with what it was. What a series doesn't have is left out."""
        columns = self._read(shapes.COLUMNS, [])
        return Shape(
            tables=frozenset(table for table, *_ in columns),
            columns={f"{table}.{name}": Column(*rest) for table, name, *rest in columns},
            constraints={
                name: Constraint(table, kind, tuple(sorted(of)), definition)
                for name, table, kind, of, definition in self._read(shapes.CONSTRAINTS, [])
            },
            fields=dict(self._read(shapes.FIELDS, [])),
            definitions={
                f"{kind} {key}": digest
                for kind, query in shapes.DEFINITIONS.items()
                for key, digest in self._read(query, [])
            },
        )

    def _read(self, query: str, values: Sequence[object]) -> list[TupleRow]:
        try:
            with self._connect() as connection:
                return connection.execute(query.encode(), values).fetchall()
        except TableMissing:
            return []

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        # As startup options these win over what the tenant set for its role or database.
        options = (
            f"-c search_path=pg_catalog -c statement_timeout={int(self.timeout * 1000)} -c client_min_messages=error"
        )
        with translated():
            connection = psycopg.connect(
                host=self.host, port=self.port, dbname=self.name, user=self.user, password=self.password,
                connect_timeout=5, options=options, autocommit=True, application_name="berth",
            )  # fmt: skip
            with connection:
                yield connection


def _known(connection: Connection, switches: Sequence[Switch], timeout: float) -> list[Switch]:
    """Those whose table and columns this database has."""
    connection.execute(f"SET statement_timeout = {int(timeout * 1000)}".encode())
    found = connection.execute(COLUMNS.encode(), [[switch.table for switch in switches]])
    columns = by_table(found.fetchall())
    return [switch for switch in switches if switch.is_in(columns)]


def _counted(connection: Connection, switches: Sequence[Switch], timeout: float) -> dict[str, int]:
    found: dict[str, int] = {}
    for switch in _known(connection, switches, timeout):
        (rows,) = connection.execute(switch.count()).fetchone() or (0,)
        if rows:
            found[switch.what] = found.get(switch.what, 0) + int(rows)
    return found
