"""What all tests share."""

from pathlib import Path

import pytest
from pytest_socket import disable_socket, enable_socket

from tests.installed import installation

__all__ = ["installation"]

UNIT = Path(__file__).parent / "unit"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Unit tests reach no network. Unix sockets stay open: Django's tests run on a real PostgreSQL behind one."""
    if item.path.is_relative_to(UNIT):
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    enable_socket()
