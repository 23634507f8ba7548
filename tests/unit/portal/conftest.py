"""What tests of the portal share."""

from collections.abc import Iterator

import pytest

from tests.unit.portal.tale import Tale, told_by


@pytest.fixture
def tale(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tale]:
    with told_by(monkeypatch) as tale:
        yield tale
