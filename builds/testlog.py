"""Reads the results of unit tests off Odoo's log."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hosting.odoo.loglines import entries

MAX_FAILING = 500

_TOTAL = re.compile(r"(?P<failed>\d+) failed, (?P<errors>\d+) error\(s\) of (?P<total>\d+) tests")
_FAILING = re.compile(r"(?P<kind>FAIL|ERROR): (?P<name>.+)")
_MODULE = re.compile(r"odoo\.addons\.(\w+)")


class Outcome(StrEnum):
    SUCCESS = "success"
    WARNING = "warning"
    """No test was found."""
    FAILURE = "failure"


@dataclass(frozen=True)
class FailingTest:
    module: str
    name: str
    """`TestClass.test_method`, as Odoo names it."""
    is_error: bool
    """Whether the test raised something other than a failed assertion."""
    details: str
    """The traceback."""


@dataclass(frozen=True)
class TestResults:
    __test__ = False  # pytest would take it for a test

    total: int = 0
    failed: int = 0
    errors: int = 0
    failing: tuple[FailingTest, ...] = ()
    complete: bool = False
    """Whether Odoo summed the results up: not so when it ended before."""

    @property
    def outcome(self) -> Outcome:
        if not self.complete or self.failed or self.errors or self.failing:
            return Outcome.FAILURE
        return Outcome.SUCCESS if self.total else Outcome.WARNING

    @property
    def summary(self) -> str:
        if not self.complete:
            return "The tests did not run to their end."
        if not self.total:
            return "No tests were found."
        passed = self.total - self.failed - self.errors
        return f"{passed} of {self.total} tests passed."


def read_tests(lines: Iterable[str]) -> TestResults:
    """The results of a run with `--test-enable`. Where it summed up several times, the last counts."""
    total = failed = errors = 0
    complete = False
    failing: list[FailingTest] = []
    for entry in entries(lines):
        if entry.logger == "odoo.tests.result" and (match := _TOTAL.match(entry.message)):
            total, failed, errors = int(match["total"]), int(match["failed"]), int(match["errors"])
            complete = True
        elif entry.level == "ERROR" and (match := _FAILING.fullmatch(entry.message)) and len(failing) < MAX_FAILING:
            module = _MODULE.match(entry.logger)
            failing.append(
                FailingTest(
                    module=module[1] if module else "",
                    name=match["name"][:300],
                    is_error=match["kind"] == "ERROR",
                    details=entry.details,
                )
            )
    return TestResults(total=total, failed=failed, errors=errors, failing=tuple(failing), complete=complete)
