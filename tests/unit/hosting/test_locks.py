"""Locked instances: nobody gets in, whatever their door, and nothing wakes them."""

import pytest

from hosting import locks, reconcile, sleep
from hosting.models import Instance, Stage
from tests.unit.fakes import World
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "fix.localhost"


@pytest.fixture
def instance(world: World) -> Instance:
    instance = rows.instance(Stage.DEVELOPMENT, HOST)
    rows.live(instance, world)
    instance.refresh_from_db()
    return instance


@pytest.mark.parametrize("door", Instance.Door.values)
def test_a_page_stands_before_every_door(instance: Instance, world: World, door: str) -> None:
    Instance.objects.update(door=door)
    before = world.answer(HOST)
    assert locks.lock(instance)
    if door != Instance.Door.HELD:  # what is held waits for the end of an update first
        assert world.answer(HOST) == "locked"
    assert locks.unlock(instance)
    assert not locks.unlock(instance)
    reconcile.reconcile()
    assert world.answer(HOST) == before or door != Instance.Door.OPEN


def test_who_dies_before_the_router_heard_is_followed_by_the_reconciler(instance: Instance, world: World) -> None:
    Instance.objects.update(locked=True)
    reconcile.reconcile()
    assert world.answer(HOST) == "locked"


def test_it_is_not_woken(instance: Instance) -> None:
    Instance.objects.update(door=Instance.Door.ASLEEP, locked=True)
    assert sleep.wake(instance, by_hand=True) is None
    assert sleep.wake(instance, even_locked=True) is not None
