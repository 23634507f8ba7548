"""Recordsets: what addons subclass as `models.Model`.

There is no cache: a field is read from PostgreSQL when it is asked for, and written when it is set. That is slow and
simple; the stand-in's databases are small.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mockodoo.postgres import identifier

from . import fields
from .domains import to_sql
from .exceptions import MissingError
from .fields import Binary
from .recordsets import Recordset
from .relations import X2many

LOG_FIELDS = ("create_uid", "create_date", "write_uid", "write_date")

definitions: dict[str, list[type[Model]]] = {}
"""Classes by the module that defines them, in the order of definition; the registry composes models of them."""


def module_of(python_module: str) -> str:
    """`odoo.addons.sale.models.order` -> `sale`."""
    parts = python_module.split(".")
    return parts[2] if parts[:2] == ["odoo", "addons"] and len(parts) > 2 else ""


class Model(Recordset):
    _name: ClassVar[Any] = None
    _inherit: ClassVar[Any] = None
    _inherits: ClassVar[dict[str, str]] = {}
    _description: ClassVar[str] = ""
    _table: ClassVar[str] = ""
    _order: ClassVar[str] = "id"
    _rec_name: ClassVar[str | None] = None
    _auto: ClassVar[bool] = True
    _abstract: ClassVar[bool] = False
    _transient: ClassVar[bool] = False
    _log_access: ClassVar[bool] = True
    _lenient: ClassVar[bool] = False
    """For core models of which only some columns are played: values of other fields are dropped, not refused."""
    _sql_constraints: ClassVar[list[tuple[str, str, str]]] = []
    _fields: ClassVar[dict[str, fields.Field]] = {}

    id = fields.Id()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        module = module_of(cls.__module__)
        if module:
            definitions.setdefault(module, []).append(cls)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_field(self, field: fields.Field) -> Any:
        self._at_most_one()
        if not self._ids:
            return field.null(self)
        held = (self.env.pending or {}).get((self._name, self.id), {})
        if field.name in held:
            return held[field.name]
        if field.is_column:
            self.env.cr.execute(
                f"SELECT {identifier(field.name)} FROM {identifier(self._table)} WHERE id = %s", (self.id,)
            )
            row = self.env.cr.fetchone()
            if row is None:
                raise MissingError(f"Record does not exist or has been deleted.\n(Record: {self})")
            return field.to_record(row[0], self)
        if field.related:
            return self._follow(field.related)
        if field.compute is not None:
            return self._computed(field)
        return field.read(self) if isinstance(field, X2many) else field.null(self)

    def _follow(self, path: str | tuple[str, ...]) -> Any:
        value: Any = self
        for name in path.split(".") if isinstance(path, str) else path:
            value = getattr(value[:1], name)
        return value

    def _computed(self, field: fields.Field) -> Any:
        """Run the compute method with its assignments held back, and answer what it assigned to `field`."""
        pending: dict[tuple[str, int], dict[str, Any]] = {}
        self._call(field.compute, pending)
        value = pending.get((self._name, self.id), {}).get(field.name, False)
        return field.to_record(field.to_column(value), self) if field.column_type else value

    def _call(self, method: Any, pending: dict[tuple[str, int], dict[str, Any]]) -> None:
        """Call a compute or inverse method, a function or a name, with computed fields read from `pending`."""
        record = self.with_env(self.env())
        record.env.pending = pending
        (method if callable(method) else getattr(type(self), method))(record)

    def _assign(self, field: fields.Field, value: Any) -> None:
        if self.env.pending is not None and field.compute is not None:
            self.env.pending.setdefault((self._name, self.id), {})[field.name] = value
        else:
            self.write({field.name: value})

    @property
    def display_name(self) -> str:
        self._at_most_one()
        name = self._fields.get(self._rec_name or "name")
        return str(getattr(self, name.name) or "") if name and self else (f"{self._name},{self.id}" if self else "")

    def read(self, fields: list[str] | None = None, load: str = "_classic_read") -> list[dict[str, Any]]:
        names = fields or [name for name, field in self._fields.items() if not isinstance(field, Binary)]
        read = [(name, self._fields[name].to_read) for name in names if name != "id"]
        return [{"id": record.id, **{name: of(getattr(record, name)) for name, of in read}} for record in self.exists()]

    def exists(self) -> Any:
        if not self._ids:
            return self
        self.env.cr.execute(f"SELECT id FROM {identifier(self._table)} WHERE id = ANY(%s)", (self.ids,))
        there = {row[0] for row in self.env.cr.fetchall()}
        return self.browse(id_ for id_ in self._ids if id_ in there)

    def search(self, domain: Any = (), offset: int = 0, limit: int | None = None, order: str | None = None) -> Any:
        clause, parameters = self._where(domain)
        table = identifier(self._table)
        query = f"SELECT {table}.id FROM {table} WHERE {clause} ORDER BY {order or self._order}"
        self.env.cr.execute(f"{query} LIMIT %s OFFSET %s", (*parameters, limit, offset))
        return self.browse([row[0] for row in self.env.cr.fetchall()])

    def search_count(self, domain: Any = (), limit: int | None = None) -> int:
        clause, parameters = self._where(domain)
        self.env.cr.execute(f"SELECT count(*) FROM {identifier(self._table)} WHERE {clause}", parameters)
        row = self.env.cr.fetchone()
        return int(row[0]) if row else 0

    def search_read(
        self, domain: Any = (), fields: Any = None, offset: int = 0, limit: int | None = None, order: str | None = None
    ) -> list[dict[str, Any]]:
        found: Model = self.search(domain, offset=offset, limit=limit, order=order)
        return found.read(fields)

    def _where(self, domain: Any) -> tuple[str, list[Any]]:
        terms = list(domain)
        named = {term[0] for term in terms if isinstance(term, list | tuple)}
        if "active" in self._fields and "active" not in named and self.env.context.get("active_test", True):
            terms = (
                [("active", "=", True), *terms]
                if not terms or terms[0] not in ("&", "|", "!")
                else ["&", ("active", "=", True), *terms]
            )
        return to_sql(self, terms)

    # -- writing ------------------------------------------------------------------------------------------------------

    def default_get(self, names: list[str]) -> dict[str, Any]:
        return {name: self._fields[name].fallback(self) for name in names if self._fields[name].default is not None}

    def create(self, values: Any) -> Any:
        several = isinstance(values, list | tuple)
        return self.browse([self._create_one(one) for one in (values if several else [values])])

    def _create_one(self, values: dict[str, Any]) -> int:
        missing = [name for name in self._fields if name not in values]
        values = {**self.default_get(missing), **self._known(values)}
        columns = {
            name: self._fields[name].to_column(value) for name, value in values.items() if self._has_column(name)
        }
        if self._log_access:
            now = fields.Datetime.now()
            columns |= {"create_uid": self.env.uid, "create_date": now, "write_uid": self.env.uid, "write_date": now}
        names = ", ".join(identifier(name) for name in columns)
        slots = ", ".join(["%s"] * len(columns))
        insert = f"({names}) VALUES ({slots})" if columns else "DEFAULT VALUES"
        self.env.cr.execute(f"INSERT INTO {identifier(self._table)} {insert} RETURNING id", list(columns.values()))
        row = self.env.cr.fetchone()
        record = self.browse(row[0] if row else ())
        record._after_writing(values)
        return int(record.id)

    def write(self, values: dict[str, Any]) -> bool:
        values = self._known(values)
        columns = {
            name: self._fields[name].to_column(value) for name, value in values.items() if self._has_column(name)
        }
        if self._log_access:
            columns |= {"write_uid": self.env.uid, "write_date": fields.Datetime.now()}
        if columns and self._ids:
            assignments = ", ".join(f"{identifier(name)} = %s" for name in columns)
            query = f"UPDATE {identifier(self._table)} SET {assignments} WHERE id = ANY(%s)"
            self.env.cr.execute(query, (*columns.values(), self.ids))
        for record in self:
            record._after_writing(values)
        return True

    def unlink(self) -> bool:
        for name in self._marked("_ondelete"):
            getattr(self, name)()
        if self._ids:
            self.env.cr.execute(
                "DELETE FROM ir_model_data WHERE model = %s AND res_id = ANY(%s)", (self._name, self.ids)
            )
            self.env.cr.execute(f"DELETE FROM {identifier(self._table)} WHERE id = ANY(%s)", (self.ids,))
        return True

    def copy(self, default: dict[str, Any] | None = None) -> Any:
        kept = {
            name: getattr(self, name)
            for name, field in self._fields.items()
            if field.is_column and field.copy and name not in ("id", *LOG_FIELDS)
        }
        return self.create({**kept, **(default or {})})

    def _has_column(self, name: str) -> bool:
        return self._fields[name].is_column and name != "id"

    def _known(self, values: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in values if name not in self._fields]
        if unknown and not self._lenient:
            raise ValueError(f"Invalid field {unknown[0]!r} on model {self._name!r}")
        return {name: value for name, value in values.items() if name not in unknown}

    def _after_writing(self, values: dict[str, Any]) -> None:
        """What Odoo does after the columns are in: relations, stored computed fields, checks."""
        for name, value in values.items():
            field = self._fields[name]
            if isinstance(field, X2many):
                field.write(self, value)
            elif field.inverse and not self._has_column(name):
                self._call(field.inverse, {(self._name, self.id): {name: value}})
        self._store_computed(values)
        for name in self._marked("_constrains"):
            if any(path in values for path in getattr(type(self), name)._constrains):
                getattr(self, name)()

    def _store_computed(self, values: dict[str, Any]) -> None:
        for name, field in self._fields.items():
            if field.is_column and name not in values and (field.compute is not None or field.related):
                value = self._follow(field.related) if field.related else self._computed(field)
                query = f"UPDATE {identifier(self._table)} SET {identifier(name)} = %s WHERE id = %s"
                self.env.cr.execute(query, (field.to_column(value), self.id))

    @classmethod
    def _marked(cls, mark: str) -> list[str]:
        return [name for name in dir(cls) if name not in _PROPERTIES and hasattr(getattr(cls, name, None), mark)]

    def name_search(self, name: str = "", args: Any = (), operator: str = "ilike", limit: int = 100) -> list[Any]:
        domain = [*args, *([(self._rec_name or "name", operator, name)] if name else [])]
        return [(record.id, record.display_name) for record in self.search(domain, limit=limit)]

    def fields_get(self, names: list[str] | None = None, attributes: Any = None) -> dict[str, dict[str, Any]]:
        return {
            name: {"type": field.type, "string": field.string or name, "required": field.required}
            for name, field in self._fields.items()
            if not names or name in names
        }


_PROPERTIES = ("env", "ids", "display_name")

BaseModel = Model


class AbstractModel(Model):
    _abstract = True
    _auto = False


class TransientModel(Model):
    _transient = True


__all__ = ["AbstractModel", "BaseModel", "Model", "TransientModel"]
