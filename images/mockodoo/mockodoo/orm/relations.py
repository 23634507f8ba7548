"""Fields that point at other records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mockodoo.postgres import identifier

from .fields import Field

if TYPE_CHECKING:
    from .models import Model


class Command:
    """The tuples that write to x2many fields, by name."""

    CREATE, UPDATE, DELETE, UNLINK, LINK, CLEAR, SET = range(7)

    @classmethod
    def create(cls, values: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
        return (cls.CREATE, 0, values)

    @classmethod
    def update(cls, id: int, values: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
        return (cls.UPDATE, id, values)

    @classmethod
    def delete(cls, id: int) -> tuple[int, int, int]:
        return (cls.DELETE, id, 0)

    @classmethod
    def unlink(cls, id: int) -> tuple[int, int, int]:
        return (cls.UNLINK, id, 0)

    @classmethod
    def link(cls, id: int) -> tuple[int, int, int]:
        return (cls.LINK, id, 0)

    @classmethod
    def clear(cls) -> tuple[int, int, int]:
        return (cls.CLEAR, 0, 0)

    @classmethod
    def set(cls, ids: Iterable[int]) -> tuple[int, int, list[int]]:
        return (cls.SET, 0, list(ids))


class Relation(Field):
    """A field whose value is a recordset of `comodel_name`."""

    def __init__(self, comodel_name: str = "", string: str | None = None, **arguments: Any) -> None:
        super().__init__(string, **arguments)
        self.comodel_name = comodel_name

    def null(self, record: Model) -> Any:
        return record.env[self.comodel_name]


class Many2one(Relation):
    type = "many2one"
    column_type = "int4"

    def __init__(self, comodel_name: str = "", string: str | None = None, **arguments: Any) -> None:
        super().__init__(comodel_name, string, **arguments)
        self.ondelete: str = arguments.get("ondelete") or ("restrict" if self.required else "set null")

    def to_column(self, value: Any) -> Any:
        return (value if isinstance(value, int) else value.id) or None if value else None

    def to_record(self, value: Any, record: Model) -> Any:
        return record.env[self.comodel_name].browse(value or ())

    def to_read(self, value: Any) -> Any:
        return (value.id, value.display_name) if value else False


class X2many(Relation):
    """A set of records that has no column of its own; it is written by commands."""

    def to_read(self, value: Any) -> Any:
        return list(value.ids)

    def read(self, record: Model) -> Any:
        raise TypeError(self.type)

    def link(self, record: Model, ids: list[int]) -> None:
        raise TypeError(self.type)

    def unlink(self, record: Model, ids: list[int]) -> None:
        raise TypeError(self.type)

    def create(self, record: Model, values: dict[str, Any]) -> None:
        self.link(record, [record.env[self.comodel_name].create(values).id])

    def write(self, record: Model, commands: Any) -> None:
        """Carry out commands; a recordset or a list of ids is taken as the set to have."""
        if not isinstance(commands, list | tuple):
            commands = [Command.set(commands.ids if commands else [])]
        elif commands and isinstance(commands[0], int):
            commands = [Command.set(commands)]
        for code, id_, value in (tuple(command) + (0, 0)[len(command) - 1 :] for command in commands):
            self._carry_out(record, code, id_, value)

    def _carry_out(self, record: Model, code: int, id_: int, value: Any) -> None:
        comodel = record.env[self.comodel_name]
        if code == Command.CREATE:
            self.create(record, value)
        elif code == Command.UPDATE:
            comodel.browse(id_).write(value)
        elif code == Command.DELETE:
            comodel.browse(id_).unlink()
        elif code == Command.UNLINK:
            self.unlink(record, [id_])
        elif code == Command.LINK:
            self.link(record, [id_])
        else:
            wanted = list(value) if code == Command.SET else []
            self.unlink(record, [id_ for id_ in self.read(record).ids if id_ not in wanted])
            self.link(record, wanted)


class One2many(X2many):
    type = "one2many"

    def __init__(
        self, comodel_name: str = "", inverse_name: str = "", string: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(comodel_name, string, **arguments)
        self.inverse_name = inverse_name

    def read(self, record: Model) -> Any:
        return record.env[self.comodel_name].search([(self.inverse_name, "=", record.id)])

    def create(self, record: Model, values: dict[str, Any]) -> None:
        record.env[self.comodel_name].create({**values, self.inverse_name: record.id})

    def link(self, record: Model, ids: list[int]) -> None:
        record.env[self.comodel_name].browse(ids).write({self.inverse_name: record.id})

    def unlink(self, record: Model, ids: list[int]) -> None:
        lines = record.env[self.comodel_name].browse(ids)
        if lines._fields[self.inverse_name].required:
            lines.unlink()
        else:
            lines.write({self.inverse_name: False})


class Many2many(X2many):
    type = "many2many"

    def __init__(
        self,
        comodel_name: str = "",
        relation: str | None = None,
        column1: str | None = None,
        column2: str | None = None,
        string: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(comodel_name, string, **arguments)
        self._relation, self._column1, self._column2 = relation, column1, column2

    def names(self, model: Any, comodel: Any) -> tuple[str, str, str]:
        """Table and its two columns, by Odoo's rule: both tables' names in order, then `_rel`."""
        first, second = sorted([model._table, comodel._table])
        return (
            self._relation or f"{first}_{second}_rel",
            self._column1 or f"{model._table}_id",
            self._column2 or f"{comodel._table}_id",
        )

    def _sql_names(self, record: Model) -> tuple[str, str, str]:
        names = self.names(type(record), type(record.env[self.comodel_name]))
        table, mine, theirs = (identifier(name) for name in names)
        return table, mine, theirs

    def read(self, record: Model) -> Any:
        table, mine, theirs = self._sql_names(record)
        record.env.cr.execute(f"SELECT {theirs} FROM {table} WHERE {mine} = %s ORDER BY 1", (record.id,))
        return record.env[self.comodel_name].browse([row[0] for row in record.env.cr.fetchall()])

    def link(self, record: Model, ids: list[int]) -> None:
        table, mine, theirs = self._sql_names(record)
        for id_ in ids:
            query = f"INSERT INTO {table} ({mine}, {theirs}) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            record.env.cr.execute(query, (record.id, id_))

    def unlink(self, record: Model, ids: list[int]) -> None:
        table, mine, theirs = self._sql_names(record)
        record.env.cr.execute(f"DELETE FROM {table} WHERE {mine} = %s AND {theirs} = ANY(%s)", (record.id, ids))
