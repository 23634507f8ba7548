"""docs/odoo-image.md, "Log lines": the form of log lines, and what is said of addons' tests."""

import re

import pytest

from .serving import Ended, Server
from .stage import Stage

LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ INFO %s %s: %s"


@pytest.fixture(scope="module")
def failing(stage: Stage, book_database: str) -> Ended:
    name = stage.create_database("failing_tests", book_database)
    return stage.odoo("-d", name, "-i", "contract_failing", "--without-demo=all", "--test-enable", "--stop-after-init")


@pytest.fixture(scope="module")
def passing(stage: Stage, book_database: str) -> Ended:
    name = stage.create_database("passing_tests", book_database)
    tags = ("--test-tags", "/contract_book")
    return stage.odoo("-d", name, "-u", "contract_book", "--test-enable", *tags, "--stop-after-init")


def test_a_line_has_time_pid_level_database_and_logger(passing: Ended) -> None:
    loaded = LINE % ("passing_tests", r"odoo\.modules\.loading", "Modules loaded. ")
    assert any(re.fullmatch(loaded, line) for line in passing.output.splitlines())


def test_lines_without_a_database_say_so(passing: Ended) -> None:
    first = next(line for line in passing.lines if "Odoo version" in line.message)
    assert (first.database, first.logger, first.level) == ("?", "odoo", "INFO")


def test_passing_tests_end_with_0_and_an_info_line(passing: Ended) -> None:
    assert passing.exit_code == 0
    last = next(line for line in passing.lines if line.logger == "odoo.tests.result")
    assert last.level == "INFO"
    assert last.message.strip() == "0 failed, 0 error(s) of 2 tests when loading database 'passing_tests'"


def test_a_started_test_is_named(passing: Ended) -> None:
    started = [line for line in passing.lines if line.logger == "odoo.addons.contract_book.tests.test_book"]
    assert any("Starting TestBook.test_sheets_follow_pages ..." in line.message for line in started)
    assert any("Starting TestBookAfterwards.test_search_through_author ..." in line.message for line in started)


def test_failing_tests_end_with_1_and_an_error_line(failing: Ended) -> None:
    assert failing.exit_code == 1
    last = next(line for line in failing.lines if line.logger == "odoo.tests.result")
    assert last.level == "ERROR"
    assert last.message.strip() == "2 failed, 1 error(s) of 5 tests when loading database 'failing_tests'"


def test_each_failure_is_named_with_its_class(failing: Ended) -> None:
    named = [
        line.message.strip() for line in failing.lines if line.logger.endswith("contract_failing.tests.test_failing")
    ]
    assert "FAIL: TestFailing.test_b_fails" in named
    assert "FAIL: TestFailing.test_c_fails_too" in named
    assert "ERROR: TestFailing.test_d_is_an_error" in named


def test_a_traceback_follows_without_a_prefix(failing: Ended) -> None:
    lines = failing.output.splitlines()
    place = next(index for index, line in enumerate(lines) if "FAIL: TestFailing.test_b_fails" in line)
    assert lines[place + 1] == "Traceback (most recent call last):"
    assert any(line.startswith("AssertionError: 1 != 2") for line in lines[place : place + 12])


def test_a_module_with_failures_is_summed_up(failing: Ended) -> None:
    assert any("Module contract_failing: 2 failures, 1 errors of 5 tests" in line.message for line in failing.lines)


def test_a_module_without_tests_is_a_warning(stage: Stage, copy: str) -> None:
    ended = stage.odoo("-d", copy, "-i", "contract_shelf", "--without-demo=all", "--test-enable", "--stop-after-init")
    assert ended.exit_code == 0
    last = next(line for line in ended.lines if line.logger == "odoo.tests.result")
    assert (last.level, last.message.split(" when")[0]) == ("WARNING", "0 failed, 0 error(s) of 0 tests")


def test_a_request_is_one_line_of_werkzeug(server: Server) -> None:
    server.get("/web/health?seen=1")
    line = server.wait_for_line("GET /web/health?seen=1")
    numbers = r"\d+ \d+\.\d{3} \d+\.\d{3}"
    assert re.search(rf' werkzeug: \S+ - - \[[^\]]+\] "GET /web/health\?seen=1 HTTP/1\.1" 200 - {numbers}$', line), line
