"""What can be switched off in a database by an UPDATE or a DELETE, where its table and columns are there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

COLUMNS = (
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
    " AND a.attnum > 0 AND NOT a.attisdropped AND c.relname = ANY(%s)"
)
"""Of real tables alone: a view by that name is the tenant's own affair."""


@dataclass(frozen=True)
class Switch:
    """Rows of `table` for which `on` holds are switched on; `off` is what to SET then, "" where they are deleted.

    Both are SQL of ours, with the table as `t` in `on`; they may name `needs` and nothing else. `what` says to people
    what is switched off; several may have the same.
    """

    what: str
    table: str
    on: str
    off: str
    needs: tuple[str, ...] = ()

    def is_in(self, columns: Mapping[str, set[str]]) -> bool:
        return set(self.needs) <= columns.get(self.table, set()) and self.table in columns

    def count(self) -> sql.Composed:
        return sql.SQL("SELECT count(*) FROM {} t WHERE ").format(self._name) + _ours(self.on)

    def flip(self) -> sql.Composed:
        if not self.off:
            return sql.SQL("DELETE FROM {} t WHERE ").format(self._name) + _ours(self.on)
        return sql.SQL("UPDATE {} t SET ").format(self._name) + _ours(self.off) + sql.SQL(" WHERE ") + _ours(self.on)

    @property
    def _name(self) -> sql.Identifier:
        return sql.Identifier("public", self.table)


def _ours(text: str) -> sql.Composed:
    return sql.Composed([sql.SQL(text)])  # never what anybody typed


def emptied(what: str, table: str, *columns: str) -> tuple[Switch, ...]:
    """A switch for each of these columns: what stands in it goes."""
    return tuple(
        Switch(what, table, f"coalesce(t.{column}::text, '') <> ''", f"{column} = NULL", (column,))
        for column in columns
    )


def by_table(rows: Iterable[Sequence[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found
