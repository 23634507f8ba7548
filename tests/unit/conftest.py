"""What unit tests share."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from hosting.odoo.lives import LIVES, Life
from portal import clock
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.seam import install, machine_rows


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Settings) -> None:
    """Pages name static files by their own names: no collectstatic stands before the tests."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    settings.STATIC_ROOT = settings.BASE_DIR / "static"


@pytest.fixture(autouse=True)
def _supported_odoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The series of the tests' projects is supported on the day on which they run, whatever day that is."""
    today, year = clock.now().date(), timedelta(days=365)
    life = Life("18.0", today - 2 * year, today + year, today + 3 * year)
    monkeypatch.setitem(LIVES, life.series, life)


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
