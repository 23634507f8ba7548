"""Falling asleep and waking up: nothing is lost between, whoever dies, and one wake-up is enough for all."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from hosting import instances, reconcile, sleep, switch
from hosting.models import Instance, Pool, Slot, Stage
from portal import clock, stories
from portal.models import Result, State, Story
from tests.unit.fakes import Killed, World
from tests.unit.fakes.router import FakeRouter
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def awake(world: World, hostname: str = "fix.localhost") -> Instance:
    """An instance of development that serves, with an Odoo in its database."""
    instance = rows.instance(Stage.DEVELOPMENT, hostname)
    world.databases["lab"][instance.database].parameters["database.uuid"] = "x"
    rows.live(instance, world)
    instance.refresh_from_db()
    return instance


def tell(story: Story | None) -> Story:
    """To its end, as one worker after the other does it."""
    assert story is not None
    for _ in range(5):
        with suppress(Killed, Exception):
            stories.look(story.pk)
        story.refresh_from_db()
        if story.state == State.DONE:
            return story
        Story.objects.filter(pk=story.pk, state=State.RUNNING).update(lease_until=clock.now() - timedelta(seconds=1))
    raise AssertionError(f"{story} does not end")


def asleep(world: World) -> Instance:
    instance = awake(world)
    assert tell(sleep.fall_asleep(instance)).result == Result.SUCCESS
    instance.refresh_from_db()
    return instance


def pool(instance: Instance) -> Pool:
    return Pool.objects.get(pk=instance.live_pool_id or 0)


def runs(instance: Instance, world: World) -> bool:
    return world.containers[pool(instance).container("web")].running


def test_what_sleeps_has_no_running_container_and_no_slot(world: World) -> None:
    instance = asleep(world)
    assert (instance.door, pool(instance).state) == (Instance.Door.ASLEEP, Pool.State.ASLEEP)
    assert not runs(instance, world)
    assert not Slot.objects.exclude(pool=None).exists()
    assert world.answer("fix.localhost") == "asleep"


def test_the_router_holds_requests_before_anything_is_stopped(world: World) -> None:
    instance, doors = awake(world), []
    world.before = lambda what: doors.append(world.answer("fix.localhost")) if what == "stop web" else None
    tell(sleep.fall_asleep(instance))
    assert doors == ["asleep"]


def test_what_wakes_serves_as_before(world: World) -> None:
    instance = awake(world)
    before = world.summary()
    tell(sleep.fall_asleep(instance))
    assert tell(sleep.wake(instance)).result == Result.SUCCESS
    assert world.answer("fix.localhost") == rows.COMMIT
    assert world.summary() == before
    instance.refresh_from_db()
    assert instance.last_request_at is not None, "it would fall asleep again at once"


def test_the_door_opens_only_when_it_answers(world: World) -> None:
    instance, doors = asleep(world), []
    world.before = lambda what: doors.append(world.answer("fix.localhost")) if what == "ask a pool" else None
    tell(sleep.wake(instance))
    assert doors == ["asleep", "asleep"]


def woken_quickly(world: World) -> Instance:
    """Asleep, and known to have answered at once the last time."""
    instance = asleep(world)
    Pool.objects.update(ready_after_s=0.5)
    return instance


def test_where_the_first_answer_came_quickly_the_last_time_who_waits_goes_to_the_port(world: World) -> None:
    instance, doors = woken_quickly(world), []
    world.before = lambda what: doors.append(world.answer("fix.localhost")) if what == "ask a pool" else None
    assert tell(sleep.wake(instance)).result == Result.SUCCESS
    assert doors == ["asleep", rows.COMMIT]


def test_it_is_measured_at_each_waking(world: World) -> None:
    instance = asleep(world)
    assert pool(instance).ready_after_s is None
    tell(sleep.wake(instance))
    assert pool(instance).ready_after_s is not None


def test_what_was_slow_the_last_time_is_waited_for(world: World) -> None:
    instance, doors = asleep(world), []
    Pool.objects.update(ready_after_s=sleep.SOON_S)
    world.before = lambda what: doors.append(world.answer("fix.localhost")) if what == "ask a pool" else None
    tell(sleep.wake(instance))
    assert doors == ["asleep", "asleep"]


def test_what_dies_with_an_open_door_is_shut_and_waited_for_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = woken_quickly(world)
    monkeypatch.setattr(sleep, "WAKE_S", 0)
    monkeypatch.setattr(sleep, "_answers", lambda _pool: False)
    assert tell(sleep.wake(instance)).result == Result.FAILURE
    assert world.answer("fix.localhost") == "asleep"
    assert (pool(instance).state, pool(instance).ready_after_s) == (Pool.State.ASLEEP, None)
    assert not runs(instance, world)


def test_one_wake_up_is_enough_for_all(world: World) -> None:
    instance = asleep(world)
    assert len({story.pk for story in (sleep.wake(instance) for _ in range(5)) if story}) == 1


def test_what_is_awake_needs_no_waking(world: World) -> None:
    assert sleep.wake(awake(world)) is None


def test_it_does_not_begin_to_sleep_twice(world: World) -> None:
    instance = awake(world)
    assert sleep.fall_asleep(instance) is not None
    assert sleep.fall_asleep(instance) is None


def test_who_comes_after_it_was_found_idle_keeps_it_awake(world: World) -> None:
    instance = awake(world)
    story = sleep.fall_asleep(instance)
    Instance.objects.filter(pk=instance.pk).update(last_request_at=clock.now() + timedelta(seconds=1))
    tell(story)
    assert world.answer("fix.localhost") == rows.COMMIT
    assert world.seen["stop web"] == 0


@pytest.mark.parametrize("in_flight", [0, 1])
def test_who_knocks_while_it_falls_asleep_is_let_in_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, in_flight: int
) -> None:
    instance = awake(world)
    knocks: list[Story | None] = []

    def knock(_router: FakeRouter, _number: int) -> tuple[int, int]:
        knocks.append(sleep.wake(instance))
        return in_flight, 0

    monkeypatch.setattr(FakeRouter, "in_flight", knock)
    tell(sleep.fall_asleep(instance))
    assert world.answer("fix.localhost") == rows.COMMIT
    assert world.seen["stop web"] == 0
    assert tell(knocks[0]).result == Result.SUCCESS
    assert world.answer("fix.localhost") == rows.COMMIT


def test_a_request_that_takes_long_keeps_it_awake(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = awake(world)
    monkeypatch.setattr(sleep, "DRAIN_S", 0)
    monkeypatch.setattr(switch, "POLL_S", 0)
    monkeypatch.setattr(FakeRouter, "in_flight", lambda _router, _number: (1, 0))
    tell(sleep.fall_asleep(instance))
    instance.refresh_from_db()
    assert (instance.door, pool(instance).state) == (Instance.Door.OPEN, Pool.State.LIVE)
    assert world.answer("fix.localhost") == rows.COMMIT


def killing(world: World, number: int) -> Callable[[str], None]:
    """A `before` that kills the worker at its call of that number, once."""
    counted = iter(range(1000))

    def before(_what: str) -> None:
        if next(counted) == number:
            world.before = lambda _what: None
            raise Killed

    return before


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize(("begins", "falls"), [(awake, True), (asleep, False), (woken_quickly, False)])
def test_a_worker_that_dies_is_not_noticed(
    world: World, begins: Callable[[World], Instance], falls: bool, number: int
) -> None:
    instance = begins(world)
    story = sleep.fall_asleep(instance) if falls else sleep.wake(instance)
    world.before = killing(world, number)
    assert tell(story).result == Result.SUCCESS
    assert world.answer("fix.localhost") == ("asleep" if falls else rows.COMMIT)
    instance.refresh_from_db()
    assert runs(instance, world) is not falls


def test_what_does_not_answer_sleeps_on_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = asleep(world)
    monkeypatch.setattr(sleep, "WAKE_S", 0)
    monkeypatch.setattr(sleep, "_answers", lambda _pool: False)
    story = tell(sleep.wake(instance))
    assert (story.result, story.error_title) == (Result.FAILURE, "It did not wake up")
    assert "what the container printed" in story.error_detail
    instance.refresh_from_db()
    assert (instance.door, pool(instance).state) == (Instance.Door.ASLEEP, Pool.State.ASLEEP)
    assert not runs(instance, world)
    assert sleep.failed_wake(instance) == story


def test_what_failed_to_start_is_not_started_again_and_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = asleep(world)
    with monkeypatch.context() as patch:
        patch.setattr(sleep, "WAKE_S", 0)
        patch.setattr(sleep, "_answers", lambda _pool: False)
        failed = tell(sleep.wake(instance))
    with pytest.raises(sleep.Refused, match="after a minute"):
        sleep.wake(instance)
    assert sleep.wake(instance, by_hand=True) != failed


def test_what_failed_is_tried_again_after_a_minute(world: World) -> None:
    instance = asleep(world)
    failed = sleep.wake(instance)
    assert failed is not None
    past = clock.now() - timedelta(seconds=61)
    Story.objects.filter(pk=failed.pk).update(state=State.DONE, result=Result.FAILURE, created_at=past)
    assert sleep.wake(instance) not in (None, failed)


def test_wake_ups_of_a_host_are_bounded(world: World, settings: Settings) -> None:
    settings.BERTH_WAKES_PER_MINUTE = 1
    first, second = awake(world, "one.localhost"), awake(world, "two.localhost")
    for instance in (first, second):
        tell(sleep.fall_asleep(instance))
    assert sleep.wake(first) is not None
    with pytest.raises(sleep.Refused, match="Too many"):
        sleep.wake(second)
    Story.objects.filter(kind=sleep.WAKE).update(created_at=clock.now() - timedelta(seconds=61))
    assert sleep.wake(second) is not None


def test_who_stops_a_waking_instance_wins(world: World) -> None:
    """A newer build takes its place meanwhile: it neither opens its door nor keeps a slot."""
    instance = asleep(world)
    story = sleep.wake(instance)

    def stop(what: str) -> None:
        if what == "ask a pool":
            world.before = lambda _what: None
            instances.stop(Instance.objects.get(pk=instance.pk))

    world.before = stop
    tell(story)
    reconcile.reconcile()
    assert world.answer("fix.localhost") == "stopped"
    assert world.containers == {}
    assert not Slot.objects.exclude(pool=None).exists()


def test_the_reconciler_leaves_what_sleeps_alone(world: World) -> None:
    instance = asleep(world)
    before = world.summary()
    assert reconcile.reconcile() == []
    assert world.summary() == before
    assert not runs(instance, world)


def test_the_reconciler_ends_what_a_story_left_running(world: World) -> None:
    instance = awake(world)
    Instance.objects.filter(pk=instance.pk).update(door=Instance.Door.ASLEEP)
    Pool.objects.filter(instance=instance).update(state=Pool.State.ASLEEP)
    assert any("which is asleep" in line for line in reconcile.reconcile())
    assert not runs(instance, world)
    assert not Slot.objects.exclude(pool=None).exists()


def test_the_reconciler_helps_what_is_waking(world: World) -> None:
    instance = asleep(world)
    Pool.objects.filter(instance=instance).update(state=Pool.State.LIVE)
    assert reconcile.reconcile() == [f"started container {pool(instance).container('web')} of the live pool"]


def test_old_stories_are_forgotten(world: World) -> None:
    instance = asleep(world)
    wake: Any = tell(sleep.wake(instance))
    Story.objects.filter(kind=sleep.SLEEP).update(finished_at=clock.now() - timedelta(days=2))
    sleep.forget(timedelta(days=1))
    assert list(Story.objects.all()) == [wake]
