"""What unit tests of pages share."""

from types import SimpleNamespace

import pytest
from pytest_django import Settings

from tests import cast


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
