"""Run addons' unit tests, and log them as Odoo does."""

import importlib
import importlib.util
import logging
import pkgutil
import sys
import time
import types
import unittest
from dataclasses import dataclass
from typing import Any

from . import logs
from .options import config
from .orm.registry import Registry

_logger = logging.getLogger("odoo.tests.result")
_stats = logging.getLogger("odoo.tests.stats")


@dataclass
class Totals:
    """What all tests of this process came to."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    seconds: float = 0.0
    queries: int = 0

    def add(self, other: "Totals") -> None:
        self.tests += other.tests
        self.failures += other.failures
        self.errors += other.errors
        self.seconds += other.seconds
        self.queries += other.queries

    @property
    def successful(self) -> bool:
        return not self.failures and not self.errors


totals = Totals()
statistics: dict[str, Totals] = {}
current_registry: Registry | None = None
"""The registry that the running tests work on."""


class Tags:
    """`--test-tags`: `[-][tag][/module][:class][.method]`, separated by commas."""

    def __init__(self, text: str) -> None:
        self.include: list[tuple[str, str, str, str]] = []
        self.exclude: list[tuple[str, str, str, str]] = []
        for spec in filter(None, (part.strip() for part in text.split(","))):
            target = self.exclude if spec[0] == "-" else self.include
            target.append(self._parse(spec.lstrip("+-")))
        if not self.include:
            self.include.append(("standard", "", "", ""))

    @staticmethod
    def _parse(spec: str) -> tuple[str, str, str, str]:
        rest, _, method = spec.partition(".") if ":" in spec or "." in spec else (spec, "", "")
        rest, _, class_ = rest.partition(":")
        tag, _, module = rest.partition("/")
        return tag or ("standard" if not (module or class_ or method) else ""), module, class_, method

    def wants(self, test: Any, position: str) -> bool:
        if position not in test.test_tags:
            return False
        return any(self._matches(s, test) for s in self.include) and not any(
            self._matches(s, test) for s in self.exclude
        )

    @staticmethod
    def _matches(spec: tuple[str, str, str, str], test: Any) -> bool:
        tag, module, class_, method = spec
        return (
            (not tag or tag == "*" or tag in test.test_tags)
            and (not module or module == test.test_module)
            and (not class_ or class_ == type(test).__name__)
            and (not method or method == test._testMethodName)
        )


class _Result(unittest.TestResult):
    """Logs each test under the logger of its own module: `FAIL: Class.method` and the traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Totals()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.counted.tests += 1
        _logger_of(test).info("Starting %s ... ", _title(test))

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.counted.errors += 1
        self._log("ERROR", test, self.errors[-1][1])

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.counted.failures += 1
        self._log("FAIL", test, self.failures[-1][1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        _logger_of(test).info("skipped %s : %s", _title(test), reason)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            (self.addFailure if failed else self.addError)(test, err)

    def _log(self, kind: str, test: unittest.TestCase, trace: str) -> None:
        _logger_of(test).info("=" * 70)
        _logger_of(test).error("%s: %s\n%s", kind, _title(test), trace)


def _logger_of(test: Any) -> logging.Logger:
    return logging.getLogger(type(test).__module__)


def _title(test: Any) -> str:
    method = getattr(test, "_testMethodName", "")
    if not method:  # unittest's stand-in for a failed setUpClass
        return str(test.id())
    return f"{type(test).__name__}.{method}"


def run(registry: Registry, names: list[str], position: str) -> Totals:
    """Run the tests of modules that are tagged for `position`: `at_install` or `post_install`."""
    global current_registry
    current_registry = registry
    tags = Tags(config["test_tags"] or "")
    total = Totals()
    for name in names:
        cases = [test for module in _test_modules(name) for test in _cases(module) if tags.wants(test, position)]
        if cases:
            counted = _run_suite(unittest.TestSuite(cases))
            statistics.setdefault(name, Totals()).add(counted)
            total.add(counted)
    totals.add(total)
    return total


def run_afterwards(registry: Registry, names: list[str]) -> None:
    """The tests that wait until all modules are there."""
    server = logging.getLogger("odoo.service.server")
    server.info("Starting post tests")
    total = run(registry, names, "post_install")
    server.info("%d post-tests in %.2fs, %s queries", total.tests, total.seconds, total.queries)


def _run_suite(suite: unittest.TestSuite) -> Totals:
    started, queries = time.monotonic(), logs.queries()
    result = _Result()
    suite.run(result)
    result.counted.seconds, result.counted.queries = time.monotonic() - started, logs.queries() - queries
    return result.counted


def _test_modules(name: str) -> list[types.ModuleType]:
    """`tests/test_*.py` of a module, as far as its `tests/__init__.py` imports them."""
    package_name = f"odoo.addons.{name}.tests"
    if importlib.util.find_spec(package_name) is None:
        return []
    package = importlib.import_module(package_name)
    found = (f"{package_name}.{info.name}" for info in pkgutil.iter_modules(package.__path__))
    return [sys.modules[full] for full in found if full in sys.modules and full.rpartition(".")[2].startswith("test_")]


def _cases(module: types.ModuleType) -> list[Any]:
    loader = unittest.TestLoader()
    classes = [
        value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [test for cls in classes if hasattr(cls, "test_tags") for test in loader.loadTestsFromTestCase(cls)]


def report(dbname: str) -> bool:
    """Log the last word on all tests, and say whether none failed."""
    for name, counted in sorted(statistics.items()):
        _stats.info("%s: %d tests %.2fs %d queries", name, counted.tests, counted.seconds, counted.queries)
    level = logging.INFO if totals.successful else logging.ERROR
    if totals.successful and not totals.tests:
        level = logging.WARNING
    _logger.log(
        level,
        "%d failed, %d error(s) of %d tests when loading database %r",
        totals.failures,
        totals.errors,
        totals.tests,
        dbname,
    )
    return totals.successful
