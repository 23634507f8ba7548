"""Hours are counted by what nobody can set; a clock that jumps is found."""

from datetime import timedelta

import pytest

from portal import clock, hours
from portal.models import HourHand

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_an_hour_counts_once_however_often_it_is_looked_at() -> None:
    assert hours.another()
    with clock.passed(HOUR / 2):
        assert not hours.another()
    with clock.passed(HOUR):
        assert hours.another()
        assert not hours.another()
    with clock.passed(2 * HOUR):
        assert hours.another()


def test_hours_in_which_berth_did_not_run_count_as_one() -> None:
    hours.another()
    with clock.passed(500 * HOUR):
        assert hours.another()
        assert not hours.another()
        assert hours.to_steady() == 0


@pytest.mark.parametrize("by", [timedelta(days=-365), -HOUR, HOUR, timedelta(days=3650)])
def test_a_clock_that_is_set_makes_no_hour_and_is_found(by: timedelta) -> None:
    hours.another()
    with clock.moved(by):
        assert not hours.another()
        assert hours.to_steady() == hours.STEADY_H
        jump = hours.jump()
        assert jump is not None
        assert abs(jump - by) < timedelta(seconds=30)
        for hour in range(hours.STEADY_H):
            with clock.passed((hour + 1) * HOUR):
                hours.another()
        assert (hours.to_steady(), hours.jump()) == (0, None)


def test_a_small_correction_is_no_jump() -> None:
    hours.another()
    with clock.moved(timedelta(minutes=2)):
        hours.another()
    assert hours.to_steady() == 0


@pytest.mark.parametrize(("gap", "jumped"), [(HOUR, False), (-HOUR, True), (timedelta(days=40), True)])
def test_after_a_start_of_the_machine_only_the_date_can_tell(gap: timedelta, jumped: bool) -> None:
    hours.another()
    HourHand.objects.update(start="an earlier one", seen_at=clock.now() - gap)
    assert hours.another()
    assert (hours.to_steady() > 0) == jumped
