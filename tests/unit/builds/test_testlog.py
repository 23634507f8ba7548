from builds import testlog
from builds.testlog import Outcome, read_tests

PREFIX = "2026-11-21 20:56:29,859 11"
RESULT = f"{PREFIX} ERROR d odoo.tests.result: 1 failed, 1 error(s) of 5 tests when loading database 'd' "
FAILING = f"""\
{PREFIX} INFO d odoo.addons.one.tests.test_one: ======================================================================
{PREFIX} ERROR d odoo.addons.one.tests.test_one: FAIL: TestOne.test_sum
Traceback (most recent call last):
  File "/mnt/extra-addons/0/one/tests/test_one.py", line 7, in test_sum
    self.assertEqual(1, 2)
AssertionError: 1 != 2

{PREFIX} INFO d odoo.addons.one.tests.test_one: ======================================================================
{PREFIX} ERROR d odoo.addons.one.tests.test_one: ERROR: Subtest TestOne.test_parts (part=1)
Traceback (most recent call last):
KeyError: 'x'
{PREFIX} ERROR d odoo.modules.loading: Module one: 1 failures, 1 errors of 5 tests
{RESULT}
"""


def test_it_counts_and_names_what_fails() -> None:
    results = read_tests(FAILING.splitlines())
    assert (results.total, results.failed, results.errors) == (5, 1, 1)
    assert results.outcome is Outcome.FAILURE
    assert results.summary == "3 of 5 tests passed."
    assert [(test.module, test.name, test.is_error) for test in results.failing] == [
        ("one", "TestOne.test_sum", False),
        ("one", "Subtest TestOne.test_parts (part=1)", True),
    ]
    assert results.failing[0].details.endswith("AssertionError: 1 != 2")


def test_passing_tests_are_a_success() -> None:
    line = f"{PREFIX} INFO d odoo.tests.result: 0 failed, 0 error(s) of 12 tests when loading database 'd'"
    results = read_tests([line])
    assert (results.outcome, results.summary) == (Outcome.SUCCESS, "12 of 12 tests passed.")


def test_no_tests_are_a_warning() -> None:
    line = f"{PREFIX} WARNING d odoo.tests.result: 0 failed, 0 error(s) of 0 tests when loading database 'd'"
    results = read_tests([line])
    assert (results.outcome, results.summary) == (Outcome.WARNING, "No tests were found.")


def test_a_run_that_broke_off_is_a_failure() -> None:
    results = read_tests(FAILING.splitlines()[:6])
    assert not results.complete
    assert (results.outcome, results.summary) == (Outcome.FAILURE, "The tests did not run to their end.")
    assert len(results.failing) == 1


def test_a_test_that_prints_a_result_is_not_believed() -> None:
    fake = f"{PREFIX} INFO d odoo.addons.one.tests.test_one: 0 failed, 0 error(s) of 9 tests when loading database 'd'"
    assert not read_tests([fake]).complete


def test_what_is_kept_has_an_end() -> None:
    line = f"{PREFIX} ERROR d odoo.addons.one.tests.test_one: FAIL: " + "x" * 3000
    results = read_tests([line] * 1000)
    assert len(results.failing) == testlog.MAX_FAILING
    assert len(results.failing[0].name) == 300
