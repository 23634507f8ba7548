"""When scheduled actions of staging and development run."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from builds import actions
from hosting import crontimes
from hosting.models import Instance, Pool
from projects.models import Branch, Stage
from tests import cast
from tests.unit.fakes import World
from tests.unit.hosting import rows

DAY = [datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(24 * 60)]


@pytest.mark.parametrize("number", [1, 2, 42, 99_999])
def test_it_is_twice_a_day_for_a_quarter_of_an_hour(number: int) -> None:
    times = [crontimes.is_time(number, minute) for minute in DAY]
    begins = [minute for minute in range(len(DAY)) if times[minute] and not times[minute - 1]]
    assert sum(times) == 30
    assert len(begins) == 2
    assert begins[1] - begins[0] == 12 * 60


def test_the_next_time_is_when_it_begins() -> None:
    for now in DAY[::7]:
        begins = crontimes.next_time(42, now)
        assert begins > now
        assert crontimes.is_time(42, begins)
        assert not crontimes.is_time(42, begins - timedelta(minutes=1))


def test_instances_have_times_of_their_own() -> None:
    assert len({crontimes.next_time(number, DAY[0]) for number in range(1, 101)}) == 100


@pytest.fixture
def branch_instance(world: World) -> Instance:
    instance = rows.instance(Stage.DEVELOPMENT, "fix.localhost")
    rows.live(instance, world)
    instance.refresh_from_db()
    cast.branch(cast.project("shop"), "fix", instance=instance)
    return instance


def cron_runs(world: World, instance: Instance) -> bool:
    found = world.containers.get(Pool.objects.get(instance=instance).container("cron"))
    return found is not None and found.running


@pytest.mark.django_db
@pytest.mark.parametrize("state", [Pool.State.LIVE, Pool.State.ASLEEP])
def test_a_round_starts_them_and_stops_them_when_the_time_is_up(
    world: World, branch_instance: Instance, settings: Settings, state: Pool.State
) -> None:
    Pool.objects.update(state=state)
    settings.BERTH_CRON_MINUTES = crontimes.HALF_DAY_MINUTES
    actions.keep_time()
    assert cron_runs(world, branch_instance)
    settings.BERTH_CRON_MINUTES = 0
    actions.keep_time()
    assert not cron_runs(world, branch_instance)


@pytest.mark.django_db
def test_production_keeps_its_own_time(world: World, settings: Settings) -> None:
    settings.BERTH_CRON_MINUTES = 0
    instance = rows.instance()
    rows.live(instance, world)
    instance.refresh_from_db()
    cast.branch(cast.project("shop"), "main", Stage.PRODUCTION, instance=instance)
    actions.keep_time()
    assert cron_runs(world, instance)


@pytest.mark.django_db
def test_what_a_build_is_about_to_replace_is_let_be(
    world: World, branch_instance: Instance, settings: Settings
) -> None:
    settings.BERTH_CRON_MINUTES = crontimes.HALF_DAY_MINUTES
    cast.build(Branch.objects.get(instance=branch_instance), result=None)
    actions.keep_time()
    assert not cron_runs(world, branch_instance)
