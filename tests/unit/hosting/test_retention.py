"""The rule over more than a year: what is gone is never wanted again, and 14 distinct nightly backups are there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hosting.retention import Taken, to_keep

FIRST = datetime(2026, 3, 11, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FULL_AFTER = 120  # days: three months that are older than four weeks


def nightly(day: int, *, proven: bool = True, hours: int = 0) -> Taken:
    return Taken(key=day, at=FIRST + day * DAY + timedelta(hours=hours), nightly=True, proven=proven)


def by_hand(definition: list[Taken]) -> list[datetime]:
    """The rule written down a second time, as people say it, without looking at what the first one does."""
    dates = [taken.at.date() for taken in definition]
    daily = dates[-7:]
    mondays = [d for d in dates[:-7] if d.weekday() == 0][-4:]
    firsts = [d for d in dates[:-7] if d.day == 1 and d not in mondays][-3:]
    return sorted(taken.at for taken in definition if taken.at.date() in {*daily, *mondays, *firsts})


def simulate(days: int, missed: frozenset[int] = frozenset()) -> list[tuple[int, list[Taken], list[Taken]]]:
    """Day -> all that were ever taken, and those that are left when each day forgets by the rule."""
    ever: list[Taken] = []
    left: list[Taken] = []
    told = []
    for day in range(days):
        if day not in missed:
            ever.append(nightly(day))
            left.append(ever[-1])
        kept = to_keep(left, zone=UTC, now=FIRST + day * DAY)
        left = [taken for taken in left if taken.key in kept]
        told.append((day, list(ever), list(left)))
    return told


def test_over_400_days_there_are_exactly_the_14_that_the_rule_names() -> None:
    for day, ever, left in simulate(400):
        if day >= FULL_AFTER:
            assert [taken.at for taken in left] == by_hand(ever), day
            assert len(left) == 14


@pytest.mark.parametrize("missed", [frozenset(range(3, 400, 5)), frozenset(range(200, 230)), frozenset({5, 6, 7, 120})])
def test_what_was_forgotten_is_not_missed_later_though_nights_were(missed: frozenset[int]) -> None:
    for day, ever, left in simulate(400, missed):
        assert {t.key for t in left} == to_keep(ever, zone=UTC, now=FIRST + day * DAY), day
        if day >= FULL_AFTER + 60:
            assert len(left) == 14, day


def test_nothing_goes_in_the_first_week() -> None:
    for day, _ever, left in simulate(7):
        assert len(left) == day + 1


def test_manual_ones_stay_a_week_and_displace_no_nightly_one() -> None:
    nights = [nightly(day) for day in range(200)]
    manual = [Taken(1000 + n, FIRST + (199 - n) * DAY, nightly=False, proven=True) for n in range(10)]
    now = FIRST + 199 * DAY
    kept = to_keep([*nights, *manual], zone=UTC, now=now)
    assert kept & {t.key for t in nights} == to_keep(nights, zone=UTC, now=now)
    assert kept - {t.key for t in nights} == {1000 + n for n in range(7)}


def test_one_that_could_not_be_proven_takes_nobodys_place_and_stays_a_week() -> None:
    nights = [nightly(day) for day in range(200)]
    bad = [nightly(day, proven=False) for day in range(200, 210)]
    kept = to_keep([*nights, *bad], zone=UTC, now=bad[-1].at)
    assert kept & {t.key for t in nights} == to_keep(nights, zone=UTC, now=bad[-1].at)
    assert kept - {t.key for t in nights} == set(range(203, 210))


def test_a_clock_that_jumps_ahead_takes_no_nightly_one_away() -> None:
    nights = [nightly(day) for day in range(200)]
    assert to_keep(nights, zone=UTC, now=FIRST) == to_keep(nights, zone=UTC, now=FIRST + 4000 * DAY)


@pytest.mark.parametrize("off", [400 * DAY, 40 * DAY, -400 * DAY])
def test_nights_under_a_wrong_clock_take_no_right_ones_place(off: timedelta) -> None:
    left: list[Taken] = []
    for day in range(800):
        wrong = 200 <= day < 220
        left.append(nightly(day) if not wrong else replace(nightly(day), at=nightly(day).at + off))
        kept = to_keep(left, zone=UTC, now=left[-1].at)
        left = [taken for taken in left if taken.key in kept]
        if day >= FULL_AFTER:
            assert kept >= set(range(max(220, day - 6), day + 1)) if not wrong else kept >= {day}, day
            assert 14 <= len(kept) <= 28, day
    assert sorted(taken.at for taken in left) == by_hand([nightly(day) for day in range(800)])


def test_of_two_in_one_night_the_later_one_counts_by_the_days_of_the_zone() -> None:
    late = Taken(500, FIRST + 3 * DAY + timedelta(hours=21), nightly=True, proven=True)  # the day after, in Tokyo
    nights = [nightly(day) for day in range(4)]
    assert to_keep([*nights, late], zone=UTC, now=late.at) == {0, 1, 2, 500}
    assert to_keep([*nights, late], zone=ZoneInfo("Asia/Tokyo"), now=late.at) == {0, 1, 2, 3, 500}
