"""Time limits by the size of the work."""

import pytest

from builds import patience
from builds.patience import MB


@pytest.mark.parametrize(
    ("size", "seconds"), [(1, 30), (10 * MB, 30), (1029 * MB, 165), (2048 * MB, 300), (9000 * MB, 300)]
)
def test_a_repository_gets_30_seconds_to_5_minutes(size: int, seconds: float) -> None:
    assert patience.transfer_seconds(size) == pytest.approx(seconds)


def test_one_of_unknown_size_gets_the_longest() -> None:
    assert patience.transfer_seconds(0) == 300


def test_an_image_with_requirements_gets_more_than_one_without() -> None:
    assert patience.image_seconds(MB, requirements=True) > patience.image_seconds(MB, requirements=False) > 60


def test_an_update_gets_more_the_larger_the_database_is_within_reason() -> None:
    assert patience.update_seconds(0) == 600
    assert patience.update_seconds(1000 * MB) == 3600
    assert patience.update_seconds(10**15) == patience.LONGEST_S
