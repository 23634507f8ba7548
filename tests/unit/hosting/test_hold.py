"""A hold: who comes waits, what runs ends, and nothing stays held."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from hosting import hold, pools, routing, switch
from hosting.engines.haproxy import RouterDown
from hosting.models import Instance, Pool
from hosting.reconcile import reconcile
from portal import clock
from tests.unit.fakes import World
from tests.unit.fakes.router import FakeRouter
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def go_on() -> None:
    """As a story that nobody wants to stop."""


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "PATIENCE_S", 0.05)
    monkeypatch.setattr(hold, "AGAIN_S", 0.01)
    monkeypatch.setattr(hold, "POLL_S", 0.001)


@pytest.fixture
def live(world: World) -> Pool:
    return rows.live(rows.instance(), world)


def busy(monkeypatch: pytest.MonkeyPatch, *counts: int) -> list[str]:
    """So many requests are in flight, one number an answer, the last for ever. Returns what the router is told."""
    answers, told = iter(counts), list[str]()

    def in_flight(_router: FakeRouter, _number: int) -> tuple[int, int]:
        return next(answers, counts[-1]), 3

    monkeypatch.setattr(FakeRouter, "in_flight", in_flight)
    monkeypatch.setattr(FakeRouter, "close_websockets", lambda _router, _number, **_: told.append("closed"))
    return told


def test_a_held_instance_keeps_its_route_and_its_requests_wait(world: World, live: Pool) -> None:
    route = world.routes[live.instance.name]
    assert hold.begin(live.instance)
    assert world.answer("shop.localhost") == "held"
    assert world.routes[live.instance.name] == route
    hold.release(live.instance)
    assert world.answer("shop.localhost") == rows.COMMIT


@pytest.mark.parametrize("door", [Instance.Door.STOPPED, Instance.Door.UPDATING, Instance.Door.ASLEEP])
def test_only_an_open_door_is_held_and_only_a_held_one_opened(world: World, live: Pool, door: Instance.Door) -> None:
    Instance.objects.filter(pk=live.instance_id).update(door=door)
    assert not hold.begin(live.instance)
    hold.release(live.instance)
    assert Instance.objects.get(pk=live.instance_id).door == door
    assert world.held == set()


def test_a_hold_told_twice_began_once(world: World, live: Pool) -> None:
    hold.begin(live.instance)
    since = Instance.objects.get(pk=live.instance_id).held_at
    assert not hold.begin(live.instance), "it is not this one's to release"
    assert Instance.objects.get(pk=live.instance_id).held_at == since


def test_a_router_that_is_started_anew_holds_again(world: World, live: Pool) -> None:
    hold.begin(live.instance)
    assert routing.wanted().held == {live.instance.name}
    world.held.clear()
    reconcile()
    assert world.held == {live.instance.name}


def test_a_hold_that_no_row_knows_is_ended_by_the_reconciler(world: World, live: Pool) -> None:
    world.held = {live.instance.name, "i999999"}
    reconcile()
    assert world.held == set()


def test_the_switch_releases(world: World, live: Pool) -> None:
    new = rows.started(live.instance, world, "b2")
    hold.begin(live.instance)
    switch.switch_to(new)
    assert world.held == set()
    assert world.routes[live.instance.name].slot == str(new.slot)
    assert Instance.objects.get(pk=live.instance_id).held_at is None


def test_it_waits_for_what_is_in_flight_and_closes_websockets_then(live: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "PATIENCE_S", 60)
    told = busy(monkeypatch, 2, 1, 0)
    hold.make_quiet(live.instance, within=60, say=told.append, keep_going=go_on)
    assert told == ["closed"]


def test_a_request_that_runs_long_puts_the_hold_off(world: World, live: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = busy(monkeypatch, 1)
    with pytest.raises(hold.Busy, match="1 requests took more than"):
        hold.make_quiet(live.instance, within=0, say=told.append, keep_going=go_on)
    assert world.answer("shop.localhost") == rows.COMMIT
    assert told == [], "the websockets of a pool that goes on serving stay"


def test_nothing_is_held_between_two_tries(world: World, live: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = busy(monkeypatch, 1)
    seen: list[str] = []

    def say(_line: str) -> None:
        seen.append(world.answer("shop.localhost"))
        busy(monkeypatch, 0)

    hold.make_quiet(live.instance, within=3600, say=say, keep_going=go_on)
    assert seen == [rows.COMMIT]
    assert world.answer("shop.localhost") == "held"
    assert told == []


def test_a_router_that_is_down_has_nothing_in_flight(live: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise RouterDown("No router listens.")

    monkeypatch.setattr(FakeRouter, "in_flight", refuse)
    assert hold.wait_until_quiet(live.instance, seconds=5, keep_going=go_on) == 0


def test_scheduled_actions_that_have_just_begun_are_let_begin_before_they_are_stopped(
    world: World, live: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odoo's workers lose a signal that comes while they are forked."""
    monkeypatch.setattr(pools, "BEGUN", timedelta(hours=2))
    monkeypatch.setattr(pools, "BEGUN_POLL_S", 0)
    waited: list[int] = []

    def keep_going() -> None:
        waited.append(world.seen["stop cron"])
        if len(waited) == 3:
            monkeypatch.setattr(pools, "BEGUN", timedelta(minutes=1))  # they are an hour old

    hold.stop_crons(live.instance, keep_going=keep_going)
    assert waited[:3] == [0, 0, 0]
    assert not world.containers[live.container("cron")].running


def test_a_hold_that_is_renewed_is_not_taken_for_forgotten(world: World, live: Pool) -> None:
    hold.begin(live.instance)
    Instance.objects.update(held_at=clock.now() - 2 * hold.FORGOTTEN)
    hold.renew([live.instance])
    assert hold.release_forgotten(Instance.objects.all()) == []
    assert world.answer("shop.localhost") == "held"


def test_an_updates_hold_is_not_renewed_by_another(live: Pool) -> None:
    hold.begin(live.instance)
    since = clock.now() - 2 * hold.FORGOTTEN
    Pool.objects.update(crons_stopped=True)
    Instance.objects.update(held_at=since)
    hold.renew([live.instance])
    assert Instance.objects.get().held_at == since


def test_scheduled_actions_stay_stopped_until_they_are_started(world: World, live: Pool) -> None:
    cron = live.container("cron")
    hold.stop_crons(live.instance, keep_going=go_on)
    reconcile()
    assert not world.containers[cron].running
    hold.start_crons(live.instance)
    assert world.containers[cron].running


@pytest.fixture
def forgotten(world: World, live: Pool) -> Callable[[], list[str]]:
    hold.stop_crons(live.instance, keep_going=go_on)
    hold.begin(live.instance)
    return lambda: hold.release_forgotten(Instance.objects.all())


def test_what_is_held_now_is_not_forgotten(world: World, live: Pool, forgotten: Callable[[], list[str]]) -> None:
    assert forgotten() == []
    assert world.answer("shop.localhost") == "held"


def test_a_clock_that_is_set_back_holds_nobody_for_longer(
    world: World, live: Pool, forgotten: Callable[[], list[str]]
) -> None:
    with clock.moved(timedelta(hours=-5)):
        assert len(forgotten()) == 2
    assert world.answer("shop.localhost") == rows.COMMIT


def test_what_nobody_holds_any_more_is_released(world: World, live: Pool, forgotten: Callable[[], list[str]]) -> None:
    before = clock.now() - hold.FORGOTTEN - timedelta(seconds=1)
    Instance.objects.filter(pk=live.instance_id).update(held_at=before)
    assert len(forgotten()) == 2
    assert world.answer("shop.localhost") == rows.COMMIT
    assert world.containers[live.container("cron")].running
    assert forgotten() == []


@pytest.mark.parametrize(("crons_stopped", "answer"), [(True, "held"), (False, rows.COMMIT)])
def test_what_an_update_holds_is_its_own_to_release_and_nothing_else(
    world: World, live: Pool, crons_stopped: bool, answer: str
) -> None:
    """A restart of PostgreSQL that was killed holds on; a build that began since has nothing to do with that."""
    if crons_stopped:
        hold.stop_crons(live.instance, keep_going=go_on)
    hold.begin(live.instance)
    assert hold.is_anothers(live.instance) is not crons_stopped
    Instance.objects.update(held_at=clock.now() - hold.FORGOTTEN - timedelta(seconds=1))
    hold.release_forgotten(Instance.objects.none())
    assert world.answer("shop.localhost") == answer
