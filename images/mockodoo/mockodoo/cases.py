"""What addons import as `odoo.tests`."""

import unittest
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from . import testing
from .orm.models import module_of
from .orm.registry import environment

Case = TypeVar("Case", bound=type)


def tagged(*tags: str) -> Callable[[Case], Case]:
    """Add tags to a test class; `-tag` takes one away."""

    def mark(cls: Case) -> Case:
        away = {tag[1:] for tag in tags if tag.startswith("-")}
        cls.test_tags = (cls.test_tags | {tag for tag in tags if tag[0] != "-"}) - away  # type: ignore[attr-defined]
        return cls

    return mark


class BaseCase(unittest.TestCase):
    test_tags: ClassVar[set[str]] = {"standard", "at_install"}
    test_module: ClassVar[str] = ""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.test_module = module_of(cls.__module__)
        cls.test_tags = set(cls.test_tags) | {cls.test_module}

    def ref(self, xml_id: str) -> int:
        return int(self.env.ref(xml_id).id)  # type: ignore[attr-defined]

    def assertRecordValues(self, records: Any, expected: list[dict[str, Any]]) -> None:
        found = [
            {name: _plain(record[name]) for name in values} for record, values in zip(records, expected, strict=True)
        ]
        self.assertEqual(found, expected)


def _plain(value: Any) -> Any:
    return value.id if hasattr(value, "_ids") and len(value) < 2 else value


class TransactionCase(BaseCase):
    """One transaction for the class, a savepoint for each test; all of it is rolled back."""

    env: ClassVar[Any]
    cr: ClassVar[Any]
    registry: ClassVar[Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        registry = testing.current_registry
        assert registry is not None
        cls.registry = registry
        cls.cr = registry.cursor()
        cls.addClassCleanup(cls.cr.close)
        cls.env = environment(cls.cr, registry)

    def setUp(self) -> None:
        super().setUp()
        self.cr.execute("SAVEPOINT test")
        self.addCleanup(self.cr.execute, "ROLLBACK TO SAVEPOINT test")


SingleTransactionCase = SavepointCase = TransactionCase


class HttpCase(TransactionCase):
    """Needs a running server and a browser: the stand-in has neither while it runs tests, and skips these."""

    def setUp(self) -> None:
        super().setUp()
        self.skipTest("the stand-in for Odoo runs no HttpCase")


class Form:
    """A record being filled in. Without the client there are no onchanges: values are kept until `save`."""

    def __init__(self, record: Any, view: Any = None) -> None:
        self.__dict__.update(_record=record, _values={})

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __getattr__(self, name: str) -> Any:
        return self._values[name] if name in self._values else getattr(self._record, name)

    def save(self) -> Any:
        if self._record:
            self._record.write(self._values)
        else:
            self.__dict__["_record"] = self._record.create(self._values)
        self._values.clear()
        return self._record

    def __enter__(self) -> "Form":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.save()
