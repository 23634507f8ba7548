"""What all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_socket import disable_socket, enable_socket

from tests.installed import installation

__all__ = ["installation"]

UNIT = Path(__file__).parent / "unit"
KEPT = {"django_content_type", "auth_permission"}  # made by `migrate`


@pytest.fixture(autouse=True, scope="session")
def _tables_emptied_quickly() -> Iterator[None]:
    """After a test without a transaction around it. Django's own way, to truncate all tables, takes many times longer
    than to delete the few rows of a test, and the audit log's guard forbids it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_tables())
        yield


def _empty_tables() -> None:
    tables = set(connection.introspection.django_table_names(only_existing=True)) - KEPT
    delete = "; ".join(f"DELETE FROM {table}" for table in tables)
    with connection.cursor() as cursor:  # without triggers no foreign key is checked, so tables may come in any order
        cursor.execute(f"SET session_replication_role = replica; {delete}; SET session_replication_role = DEFAULT")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Unit tests reach no network. Unix sockets stay open: Django's tests run on a real PostgreSQL behind one."""
    if item.path.is_relative_to(UNIT):
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    enable_socket()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases the walks through all addresses had, in whichever process."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    cases = sum(value for report in reports for name, value in report.user_properties if name == "cases")
    if cases:
        terminalreporter.write_line(f"Access: {cases} cases of address, person, method and object were compared.")
