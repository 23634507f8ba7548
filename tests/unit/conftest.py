"""What unit tests share."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.seam import install, machine_rows


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
