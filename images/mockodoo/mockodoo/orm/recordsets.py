"""Recordsets as sets: an ordered tuple of ids of one model, in an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from . import fields
from .environment import Environment
from .relations import Relation


class Recordset:
    _name: ClassVar[Any] = None
    _fields: ClassVar[dict[str, fields.Field]] = {}
    id: Any
    env: Environment
    _ids: tuple[int, ...]

    def __init__(self, env: Environment, ids: Iterable[int]) -> None:
        object.__setattr__(self, "env", env)
        object.__setattr__(self, "_ids", tuple(ids))

    @property
    def ids(self) -> list[int]:
        return list(self._ids)

    def __iter__(self) -> Iterator[Any]:
        return (self.browse(id_) for id_ in self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __bool__(self) -> bool:
        return bool(self._ids)

    def __contains__(self, other: Any) -> bool:
        return other._ids[0] in self._ids if isinstance(other, Recordset) else other in self._fields

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return getattr(self, key)
        return self.browse(self._ids[key])

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recordset) and self._name == other._name and set(self._ids) == set(other._ids)

    def __hash__(self) -> int:
        return hash((self._name, frozenset(self._ids)))

    def __add__(self, other: Recordset) -> Any:
        return self.browse(self._ids + other._ids)

    def __or__(self, other: Recordset) -> Any:
        return self.browse(dict.fromkeys(self._ids + other._ids))

    def __and__(self, other: Recordset) -> Any:
        return self.browse(id_ for id_ in self._ids if id_ in other._ids)

    def __sub__(self, other: Recordset) -> Any:
        return self.browse(id_ for id_ in self._ids if id_ not in other._ids)

    def __repr__(self) -> str:
        return f"{self._name}{self._ids!r}"

    def _at_most_one(self) -> None:
        if len(self._ids) > 1:
            raise ValueError(f"Expected singleton: {self}")

    def ensure_one(self) -> Any:
        if len(self._ids) != 1:
            raise ValueError(f"Expected singleton: {self}")
        return self

    def mapped(self, path: str | Callable[[Any], Any]) -> Any:
        if callable(path):
            return [path(record) for record in self]
        result: Any = self
        for name in path.split("."):
            values = [getattr(record, name) for record in result]
            if not isinstance(result._fields[name], Relation):
                return values
            related = self.env[result._fields[name].comodel_name]
            result = related.browse(dict.fromkeys(id_ for value in values for id_ in value._ids))
        return result

    def filtered(self, test: str | Callable[[Any], Any]) -> Any:
        keep: Callable[[Any], Any] = test if callable(test) else (lambda record: any(record.mapped(test)))
        return self.browse(record.id for record in self if keep(record))

    def filtered_domain(self, domain: list[Any]) -> Any:
        return self.with_context(active_test=False).search([("id", "in", self.ids), *domain])

    def sorted(self, key: Any = None, reverse: bool = False) -> Any:
        by = key if callable(key) else (lambda record: getattr(record, key or "id"))
        return self.browse(record.id for record in sorted(self, key=by, reverse=reverse))

    # -- environment --------------------------------------------------------------------------------------------------

    def browse(self, ids: Any = ()) -> Any:
        return type(self)(self.env, (ids,) if isinstance(ids, int) and ids else (ids or ()))

    def with_env(self, env: Environment) -> Any:
        return type(self)(env, self._ids)

    def sudo(self, flag: bool = True) -> Any:
        return self.with_env(self.env(su=flag))

    def with_user(self, user: Any) -> Any:
        return self.with_env(self.env(user=user if isinstance(user, int) else user.id, su=False))

    def with_company(self, _company: Any) -> Any:
        return self

    def with_context(self, *contexts: dict[str, Any], **values: Any) -> Any:
        return self.with_env(self.env(context={**(contexts[0] if contexts else self.env.context), **values}))
