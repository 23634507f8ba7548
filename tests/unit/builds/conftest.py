"""What tests of stories share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.unit.fakes.stage import Scenery, scenery


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    """Make-believe machines on which whole stories are told."""
    with scenery(monkeypatch, settings, tmp_path) as stage:
        yield stage
