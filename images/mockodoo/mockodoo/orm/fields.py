"""Fields: descriptors that read and write one column (or one relation) of a record."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import Model

DATE_FORMAT = "%Y-%m-%d"
DATETIME_FORMAT = "%Y-%m-%d %H:%M:%S"


class Field:
    """One field of a model. Arguments that the stand-in has no use for (`help`, `tracking`) are kept as they are."""

    type = ""
    column_type: str | None = None

    def __init__(self, string: str | None = None, **arguments: Any) -> None:
        self.name = ""
        self.model_name = ""
        self.string = string
        self.arguments = arguments
        self.required = bool(arguments.get("required"))
        self.default = arguments.get("default")
        self.compute: str | Callable[..., None] | None = arguments.get("compute")
        self.inverse = arguments.get("inverse")
        self.related: str | None = arguments.get("related")
        self.readonly = bool(arguments.get("readonly", self.compute is not None))
        self.store = bool(arguments.get("store", self.compute is None and self.related is None))
        self.copy = bool(arguments.get("copy", self.compute is None))

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = name

    @property
    def is_column(self) -> bool:
        return self.store and self.column_type is not None

    def __get__(self, record: Model | None, owner: Any = None) -> Any:
        if record is None:
            return self
        return record._read_field(self)

    def __set__(self, record: Model, value: Any) -> None:
        record._assign(self, value)

    def null(self, record: Model) -> Any:
        """What the field says of no record at all."""
        return False

    def to_column(self, value: Any) -> Any:
        """A value for PostgreSQL; a falsy one is NULL unless the type says otherwise."""
        return None if value is False or value is None else value

    def to_record(self, value: Any, record: Model) -> Any:
        """The value in Python of what PostgreSQL holds."""
        return False if value is None else value

    def to_read(self, value: Any) -> Any:
        """What `read()` answers, and so what goes out by RPC."""
        return value

    def fallback(self, record: Model) -> Any:
        """The default of a new record. `default` may be a value or a function of the model."""
        return self.default(record) if callable(self.default) else self.default


class Char(Field):
    type = "char"
    column_type = "varchar"

    def to_column(self, value: Any) -> Any:
        return None if value is False or value is None else str(value)


class Text(Char):
    type = "text"
    column_type = "text"


class Html(Text):
    type = "html"


class Selection(Char):
    type = "selection"

    def __init__(self, selection: Any = None, string: str | None = None, **arguments: Any) -> None:
        super().__init__(string, **arguments)
        self.selection = selection or []


class Reference(Selection):
    type = "reference"


class Integer(Field):
    type = "integer"
    column_type = "int4"

    def null(self, record: Model) -> Any:
        return 0

    def to_column(self, value: Any) -> Any:
        return int(value or 0)

    def to_record(self, value: Any, record: Model) -> Any:
        return value or 0


class Float(Field):
    type = "float"
    column_type = "float8"

    def __init__(self, string: str | None = None, digits: Any = None, **arguments: Any) -> None:
        super().__init__(string, digits=digits, **arguments)

    def null(self, record: Model) -> Any:
        return 0.0

    def to_column(self, value: Any) -> Any:
        return float(value or 0.0)

    def to_record(self, value: Any, record: Model) -> Any:
        return float(value or 0.0)


class Monetary(Float):
    type = "monetary"
    column_type = "numeric"


class Boolean(Field):
    type = "boolean"
    column_type = "bool"

    def to_column(self, value: Any) -> Any:
        return bool(value)

    def to_record(self, value: Any, record: Model) -> Any:
        return bool(value)


class Date(Field):
    type = "date"
    column_type = "date"

    @staticmethod
    def today(*_record: Any) -> dt.date:
        return dt.datetime.now(dt.UTC).date()

    context_today = today

    @staticmethod
    def to_date(value: Any) -> dt.date | None:
        if isinstance(value, dt.datetime):
            return value.date()
        return dt.datetime.strptime(value[:10], DATE_FORMAT).date() if isinstance(value, str) else value or None

    @staticmethod
    def to_string(value: dt.date) -> str:
        return value.strftime(DATE_FORMAT)

    def to_column(self, value: Any) -> Any:
        return self.to_date(value)

    def to_read(self, value: Any) -> Any:
        return value and self.to_string(value)


class Datetime(Field):
    type = "datetime"
    column_type = "timestamp"

    @staticmethod
    def now(*_record: Any) -> dt.datetime:
        return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)

    @staticmethod
    def to_datetime(value: Any) -> dt.datetime | None:
        return dt.datetime.strptime(value[:19], DATETIME_FORMAT) if isinstance(value, str) else value or None

    @staticmethod
    def to_string(value: dt.datetime) -> str:
        return value.strftime(DATETIME_FORMAT)

    def to_column(self, value: Any) -> Any:
        return self.to_datetime(value)

    def to_read(self, value: Any) -> Any:
        return value and self.to_string(value)


class Binary(Field):
    type = "binary"
    column_type = "bytea"

    def to_column(self, value: Any) -> Any:
        return (value.encode() if isinstance(value, str) else value) or None

    def to_record(self, value: Any, record: Model) -> Any:
        return bytes(value) if value is not None else False

    def to_read(self, value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value


class Image(Binary):
    pass


class Json(Field):
    type = "json"
    column_type = "jsonb"

    def to_column(self, value: Any) -> Any:
        return json.dumps(value) if value else None


class Id(Field):
    """The primary key; `record.id` of an empty set is False."""

    type = "integer"
    column_type = "serial"

    def __get__(self, record: Model | None, owner: Any = None) -> Any:
        if record is None:
            return self
        record._at_most_one()
        return record._ids[0] if record._ids else False

    def __set__(self, record: Model, value: Any) -> None:
        raise TypeError("field 'id' cannot be assigned")
