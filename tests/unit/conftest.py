"""What unit tests share."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import Settings

from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.seam import install, machine_rows

KEPT = {"django_content_type", "auth_permission"}  # made by `migrate`


@pytest.fixture(autouse=True, scope="session")
def _tables_emptied_quickly() -> Iterator[None]:
    """After a test without a transaction around it. Django's own way, to truncate all tables, takes many times longer
    than to delete the few rows of a test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_tables())
        yield


def _empty_tables() -> None:
    tables = set(connection.introspection.django_table_names(only_existing=True)) - KEPT
    delete = "; ".join(f"DELETE FROM {table}" for table in tables)
    with connection.cursor() as cursor:  # without triggers no foreign key is checked, so tables may come in any order
        cursor.execute(f"SET session_replication_role = replica; {delete}; SET session_replication_role = DEFAULT")


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Settings) -> None:
    """Pages name static files by their own names: no collectstatic stands before the tests."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    settings.STATIC_ROOT = settings.BASE_DIR / "static"


@pytest.fixture
def people(db: None) -> SimpleNamespace:
    """Alice (admin), Tom (tester), Dev (developer), Oscar (outsider)."""
    return cast.people()


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> World:
    """Make-believe machines in place of the real ones, with their rows."""
    world = World("c0ffee")
    install(world, monkeypatch, settings, tmp_path)
    machine_rows()
    return world
