"""Backups of the nights: when one is due, how long it stays, and what the clock has no part in."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from builds import nights
from hosting.models import Backup, Instance, Vault
from portal import alarms, clock
from portal.models import State
from projects.models import Branch, Project
from tests.unit.fakes import kept
from tests.unit.fakes.kept import begun, told
from tests.unit.fakes.kept import instance as production
from tests.unit.fakes.stage import Scenery

pytestmark = pytest.mark.django_db(transaction=True)

MADE = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace) -> Branch:
    """Production, with a customer's rows and one attachment."""
    return kept.production(stage)


@pytest.fixture
def timed(branch: Branch) -> Branch:
    Project.objects.filter(pk=branch.project_id).update(time_zone="Europe/Brussels", backup_hour=3)
    Instance.objects.filter(pk=production(branch).pk).update(created_at=MADE)
    return Branch.objects.select_related("instance", "project").get(pk=branch.pk)


def night(branch: Branch, at: datetime, **values: object) -> Backup:
    vault = Vault.objects.first() or Vault.objects.create()
    values = {"state": State.DONE, "snapshot": "ab", "finished_at": at} | values
    return Backup.objects.create(
        vault=vault, instance=production(branch), kind=Backup.Kind.NIGHTLY, created_at=at, **values
    )


def test_it_is_due_at_the_projects_hour_and_not_before(timed: Branch) -> None:
    assert not nights.is_due(timed, MADE + timedelta(hours=13, minutes=59))
    assert nights.is_due(timed, MADE + timedelta(hours=14))  # 3:00 in Brussels, in winter
    assert nights.is_due(timed, datetime(2026, 7, 1, 1, 0, tzinfo=UTC))  # and in summer
    assert nights.next_hour(timed.project, datetime(2026, 7, 1, 1, 0, tzinfo=UTC)).hour == 3


def test_one_a_night(timed: Branch) -> None:
    at = datetime(2026, 3, 11, 2, 5, tzinfo=UTC)
    night(timed, at)
    assert not nights.is_due(timed, at + timedelta(hours=23, minutes=54))
    assert nights.is_due(timed, at + timedelta(hours=23, minutes=55))


def test_one_that_could_not_be_taken_is_tried_again_after_an_hour_and_three_times_at_most(timed: Branch) -> None:
    at = datetime(2026, 3, 11, 2, 5, tzinfo=UTC)
    for number in range(nights.TRIES):
        assert nights.is_due(timed, at + timedelta(hours=2 * number))
        night(timed, at + timedelta(hours=2 * number), snapshot="")
        assert not nights.is_due(timed, at + timedelta(hours=2 * number, minutes=59))
    assert not nights.is_due(timed, at + timedelta(hours=12))


def test_a_clock_that_was_ahead_stops_no_nights(timed: Branch) -> None:
    night(timed, datetime(2027, 3, 11, 2, 5, tzinfo=UTC))
    assert nights.is_due(timed, datetime(2026, 3, 11, 2, 5, tzinfo=UTC))


def test_a_clock_that_is_set_back_stops_no_nights(timed: Branch) -> None:
    """Before that time there were backups of each night, and the database was not made yet."""
    for day in range(3):
        night(timed, datetime(2026, 3, 11 + day, 2, 5, tzinfo=UTC))
    back = datetime(2026, 3, 12, 3, 0, tzinfo=UTC)
    assert not nights.is_due(timed, back)
    Backup.objects.update(hours_left=Backup.HOURS - nights.OVERDUE_H)
    assert nights.is_due(timed, back)
    assert nights.is_due(timed, back - timedelta(days=365))
    night(timed, back - timedelta(days=365))
    assert not nights.is_due(timed, back - timedelta(days=365))


def test_a_backup_by_hand_has_its_week_whatever_the_clock_says(stage: Scenery, branch: Branch) -> None:
    first = told(stage, begun(branch, Backup.Kind.MANUAL))
    with clock.moved(timedelta(days=300)):
        told(stage, begun(branch, Backup.Kind.MANUAL))
        assert Backup.objects.get(pk=first.pk).forgotten_at is None
        Backup.objects.update(hours_left=0)
        told(stage, begun(branch, Backup.Kind.MANUAL))
    assert Backup.objects.get(pk=first.pk).forgotten_at is not None


def test_the_last_one_stays_though_the_clock_was_set_back_and_takes_no_other_ones_place(
    stage: Scenery, branch: Branch
) -> None:
    for day in range(20):
        with clock.moved(timedelta(days=day)):
            told(stage, begun(branch))
    kept = set(Backup.objects.filter(forgotten_at=None).values_list("pk", flat=True))
    with clock.moved(timedelta(days=-300)):
        last = told(stage, begun(branch))
    assert set(Backup.objects.filter(forgotten_at=None).values_list("pk", flat=True)) == kept | {last.pk}
    assert len(kept) < 20


def test_a_round_begins_what_is_due_once(timed: Branch) -> None:
    nights.begin_due()
    nights.begin_due()
    assert Backup.objects.get().kind == Backup.Kind.NIGHTLY


def late_of(stage: Scenery) -> list[str]:
    nights.begin_due()
    return list(alarms.going_on().filter(key__startswith=nights.LATE).values_list("title", flat=True))


def test_where_none_was_proven_for_long_somebody_is_told_until_one_is(stage: Scenery, branch: Branch) -> None:
    assert late_of(stage) == []
    with clock.moved(timedelta(hours=nights.LATE_H + 1)):
        assert late_of(stage) == ["Shop has no fresh backup"]
    told(stage, Backup.objects.latest("pk"))  # the night's, which that round began
    assert late_of(stage) == []
    Backup.objects.update(hours_left=Backup.HOURS - nights.LATE_H)
    assert late_of(stage) == ["Shop has no fresh backup"]
    Instance.objects.filter(pk=production(branch).pk).update(live_pool=None)
    assert late_of(stage) == [], "nothing serves, so nothing is written"
