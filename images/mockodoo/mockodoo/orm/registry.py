"""The models of one database, composed from the classes of its installed modules."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from mockodoo.postgres import Cursor

from . import fields
from .environment import Environment
from .models import LOG_FIELDS, Model, definitions
from .relations import Many2one


class Registry:
    """Models by name; `loaded` holds the modules in the order of loading, `sequence` the signal it was built at."""

    registries: ClassVar[dict[str, Registry]] = {}
    _lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, db_name: str) -> None:
        self.db_name = db_name
        self.models: dict[str, type[Model]] = {}
        self.loaded: list[str] = []
        self.sequence = 0
        self.ready = False
        self._parts: dict[str, tuple[list[type[Model]], list[str]]] = {}

    @classmethod
    def get(cls, db_name: str) -> Registry:
        """The registry that `loading` made in this process. Raises KeyError."""
        return cls.registries[db_name]

    def __getitem__(self, name: str) -> type[Model]:
        return self.models[name]

    def __contains__(self, name: str) -> bool:
        return name in self.models

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def cursor(self) -> Cursor:
        return Cursor(self.db_name)

    def add(self, module: str) -> list[str]:
        """Take in the classes of a module that was just imported. Returns the names of the models it touches."""
        touched: dict[str, None] = {}
        for definition in definitions.get(module, ()):
            inherited = definition._inherit or ()
            parents = [inherited] if isinstance(inherited, str) else list(inherited)
            name = definition.__dict__.get("_name") or (parents[0] if parents else None)
            if name is None:
                continue
            classes, mixins = self._parts.setdefault(name, ([], []))
            if name in parents and not classes:
                raise TypeError(f"Model {name!r} does not exist in registry.")
            classes.append(definition)
            mixins += [parent for parent in parents if parent != name and parent not in mixins]
            touched[name] = None
        for name in self._with_heirs(touched):
            self.models[name] = self._compose(name)
        return list(touched)

    def _with_heirs(self, names: Iterable[str]) -> list[str]:
        """`names` and the models that inherit from them, parents first."""
        found = list(names)
        for name in found:
            found += [heir for heir, (_, mixins) in self._parts.items() if name in mixins and heir not in found]
        return found

    def _bases(self, name: str) -> list[type[Model]]:
        if name not in self._parts:
            raise TypeError(f"Model {name!r} does not exist in registry.")
        classes, mixins = self._parts[name]
        return [*reversed(classes), *(base for mixin in mixins for base in self._bases(mixin))]

    def _compose(self, name: str) -> type[Model]:
        classes, _ = self._parts[name]
        bases = tuple(dict.fromkeys(self._bases(name)))
        first = classes[0]
        attributes: dict[str, Any] = {
            "_name": name,
            "_table": next(
                (cls.__dict__["_table"] for cls in bases if cls.__dict__.get("_table")), name.replace(".", "_")
            ),
            "_auto": first._auto,
            "_abstract": first._abstract,
            "_sql_constraints": [item for cls in reversed(bases) for item in cls.__dict__.get("_sql_constraints", ())],
            "__module__": "odoo.registry",
        }
        model = type(name, bases, attributes)
        self._collect_fields(model)
        return model

    def _collect_fields(self, model: type[Model]) -> None:
        collected: dict[str, fields.Field] = {"id": Model.id}
        if model._log_access and not model._abstract:
            for name in LOG_FIELDS:
                field = Many2one("res.users") if name.endswith("_uid") else fields.Datetime()
                collected[name] = _attach(model, name, field)
        for cls in reversed(model.__mro__):
            for name, value in list(vars(cls).items()):
                if isinstance(value, fields.Field) and name != "id" and cls is not model:
                    collected[name] = _override(model, name, collected.get(name), value)
        model._fields = collected


def _attach(model: type[Model], name: str, field: fields.Field) -> fields.Field:
    setattr(model, name, field)
    field.__set_name__(model, name)
    field.model_name = str(model._name)
    return field


def _override(model: type[Model], name: str, before: fields.Field | None, field: fields.Field) -> fields.Field:
    """A field declared again (`name = fields.Char(required=True)`) keeps what it does not say from the one before."""
    if before is None or type(before) is not type(field) or before is field:
        field.model_name = field.model_name or str(model._name)
        return field
    merged = object.__new__(type(field))
    said = {
        key: value for key, value in vars(field).items() if key in field.arguments or value not in (None, False, "", [])
    }
    merged.__dict__.update({**vars(before), **said, "arguments": {**before.arguments, **field.arguments}})
    return _attach(model, name, merged)


def environment(cr: Cursor, registry: Registry, uid: int = 1) -> Environment:
    return Environment(cr, uid, {}, registry=registry)
