"""Each series is supported, then extended, then phased out."""

from datetime import date, timedelta

import pytest

from hosting.odoo import series
from hosting.odoo.lives import LIVES, Life, Phase, notice, phase, refusal

DAY = timedelta(days=1)
REAL = tuple(LIVES.values())  # a fixture gives 18.0 another life, see tests/unit/conftest.py


@pytest.mark.parametrize("life", REAL, ids=str)
def test_the_last_day_of_a_phase_belongs_to_it(life: Life) -> None:
    days = (life.released, life.supported_until, life.supported_until + DAY, life.extended_until)
    found = [life.phase(day) for day in (*days, life.extended_until + DAY)]
    extended = Phase.EXTENDED
    assert found == [Phase.SUPPORTED, Phase.SUPPORTED, extended, extended, Phase.PHASED_OUT]


def test_each_series_that_berth_runs_has_a_life_of_about_three_years_and_two() -> None:
    assert [life.series for life in REAL] == list(series.SERIES)
    for life in REAL:
        assert timedelta(days=2.8 * 365) < life.supported_until - life.released < timedelta(days=3.2 * 365)
        assert life.extended_until.replace(year=life.extended_until.year - 2) == life.supported_until


def test_three_series_are_supported_as_soon_as_a_fourth_is_released() -> None:
    day = date(2025, 10, 1)
    assert [life.series for life in REAL if life.phase(day) == Phase.SUPPORTED] == ["17.0", "18.0", "19.0"]


def test_members_are_told_until_when_and_of_nothing_while_it_is_supported() -> None:
    assert notice("19.0", date(2026, 11, 22)) == refusal("19.0", date(2026, 11, 22)) == ""
    assert "ended on 30 September 2025" in notice("16.0", date(2026, 11, 22))
    assert "Upgrade by 30 September 2027" in notice("16.0", date(2026, 11, 22))
    assert refusal("16.0", date(2026, 11, 22)) == ""
    assert "phased out on 30 September 2027" in refusal("16.0", date(2027, 10, 1))
    assert "What runs goes on" in notice("16.0", date(2027, 10, 1))


def test_nothing_has_ended_of_a_series_that_nobody_knows() -> None:
    assert phase("23.0", date(2050, 1, 1)) == Phase.SUPPORTED
