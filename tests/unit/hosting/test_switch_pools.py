"""The switch is a commit; draining, pausing and bringing back can be repeated."""

from collections.abc import Callable

import pytest

from hosting import proof, routing, switch
from hosting.engines.docker import EngineError
from hosting.engines.haproxy import RouterDown, RouterError
from hosting.models import Instance, Pool
from portal.telling import Cancelled
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.router import FakeRouter
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def go_on() -> None:
    """As a story that nobody wants to stop."""


def test_it_moves_requests_to_the_new_pool_and_leaves_the_old_one_draining(world: World) -> None:
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    assert switch.switch_to(new) == old
    old.refresh_from_db()
    instance.refresh_from_db()
    assert (old.state, new.state, instance.live_pool) == (Pool.State.DRAINING, Pool.State.LIVE, new)
    assert world.routes[instance.name].slot == str(new.slot)


def test_the_first_pool_opens_the_door_of_a_new_instance(world: World) -> None:
    instance = rows.instance()
    assert switch.switch_to(rows.started(instance, world)) is None
    instance.refresh_from_db()
    assert (instance.state, instance.door) == (Instance.State.READY, Instance.Door.OPEN)
    assert world.answer("shop.localhost") == rows.COMMIT


def test_switching_to_what_is_live_changes_nothing(world: World) -> None:
    pool = rows.live(rows.instance(), world)
    before = world.summary()
    assert switch.switch_to(pool) is None
    assert world.summary() == before


def test_what_was_decided_stands_though_the_router_did_not_hear_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = rows.instance()
    rows.live(instance, world, "b1")
    new = rows.started(instance, world, "b2")

    def refuse(*_arguments: object) -> None:
        raise RouterError("no answer within 5 s")

    with monkeypatch.context() as patch:
        patch.setattr(FakeRouter, "set_route", refuse)
        switch.switch_to(new)
    instance.refresh_from_db()
    assert instance.live_pool == new
    assert routing.mend(FakeRouter(world).live_state()) == ["told the router again where shop.localhost is"]


def test_it_drains_until_nothing_is_in_flight(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows.live(rows.instance(), world)
    left = iter([3, 1, 0])
    monkeypatch.setattr(switch, "POLL_S", 0)
    monkeypatch.setattr(FakeRouter, "in_flight", lambda _router, _number: (next(left), 5))
    assert switch.drain(pool, seconds=20, keep_going=go_on) == 0
    assert world.seen["close websockets"] == 1


def test_it_says_what_was_in_flight_when_the_time_was_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows.live(rows.instance(), world)
    monkeypatch.setattr(FakeRouter, "in_flight", lambda _router, _number: (2, 0))
    assert switch.drain(pool, seconds=0, keep_going=go_on) == 2


def test_who_cancels_does_not_wait_for_the_drain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows.live(rows.instance(), world)
    monkeypatch.setattr(FakeRouter, "in_flight", lambda _router, _number: (2, 0))
    with pytest.raises(InterruptedError):
        switch.drain(pool, seconds=60, keep_going=raising(InterruptedError()))


def test_nothing_is_in_flight_through_a_router_that_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows.live(rows.instance(), world)
    monkeypatch.setattr(FakeRouter, "_ask", raising(RouterDown("No router listens.")))
    assert switch.drain(pool, seconds=60, keep_going=go_on) == 0


def test_before_it_drains_the_router_is_told_where_requests_go_now(world: World) -> None:
    """Else a pool would be stopped to which the router still leads, since who switched died before he told it."""
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    route = world.routes[instance.name]
    switch.switch_to(new)
    world.routes[instance.name] = route
    switch.drain(old, seconds=0, keep_going=go_on)
    assert world.routes[instance.name].slot == str(new.slot)


def test_a_retired_pool_leaves_nothing(world: World) -> None:
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    switch.switch_to(new)
    switch.retire(old, keep_going=go_on)
    switch.retire(old, keep_going=go_on)
    assert set(world.containers) == {new.container("web")}
    assert Pool.objects.get(pk=old.pk).state == Pool.State.GONE
    assert [number for number, servers in world.slots.items() if servers] == [new.slot.number]


def test_a_pool_that_is_stopped_leaves_the_cores_to_the_one_that_serves(world: World) -> None:
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    switch.switch_to(new)
    later: dict[str, bool] = {}

    def look(what: str) -> None:
        if what == "stop web":
            later.update({name: found.spec.later for name, found in world.containers.items()})

    world.before = look
    switch.retire(old, keep_going=go_on)
    assert later == {old.container("web"): True, old.container("cron"): True, new.container("web"): False}


def test_a_pool_whose_weight_the_engine_refuses_to_change_is_retired_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker does for a container that somebody removes at this moment."""
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    switch.switch_to(new)
    monkeypatch.setattr(FakeEngine, "weigh", raising(EngineError("Container is marked for removal.")))
    switch.retire(old, keep_going=go_on)
    assert set(world.containers) == {new.container("web")}


# --- pause and back ---------------------------------------------------------------------------------------------------
def test_a_paused_pool_is_stopped_behind_a_page_and_comes_back_as_it_was(world: World) -> None:
    instance = rows.instance()
    pool = rows.live(instance, world)
    before = world.summary()
    switch.pause(instance, seconds=0, keep_going=go_on)
    assert world.answer("shop.localhost") == "updating"
    assert not [container for container in world.containers.values() if container.running]
    assert Pool.objects.get(pk=pool.pk).state == Pool.State.STANDING_BY
    switch.bring_back(pool, keep_going=go_on)
    assert world.summary() == before
    assert Pool.objects.get(pk=pool.pk).state == Pool.State.LIVE


def test_it_is_no_longer_live_before_it_is_stopped(world: World) -> None:
    """Else the reconciler would start it again, on a database that is being updated."""
    pool = rows.live(rows.instance(), world)
    states: list[str] = []
    world.before = lambda what: states.append(Pool.objects.get(pk=pool.pk).state) if what.startswith("stop") else None
    switch.pause(pool.instance, seconds=0, keep_going=go_on)
    assert states == [Pool.State.STANDING_BY, Pool.State.STANDING_BY]


def test_without_a_live_pool_there_is_nothing_to_pause(world: World) -> None:
    instance = rows.instance()
    switch.pause(instance, seconds=0, keep_going=go_on)
    assert "set route" not in world.seen


def test_a_pool_that_dies_on_its_way_back_leaves_the_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = rows.instance()
    pool = rows.live(instance, world)
    switch.pause(instance, seconds=0, keep_going=go_on)
    monkeypatch.setattr(proof, "wait_for_ports", raising(proof.Died("The container ended.")))
    with pytest.raises(proof.Died):
        switch.bring_back(pool, keep_going=go_on)
    assert world.answer("shop.localhost") == "updating"


def test_one_that_is_still_being_stopped_comes_to_its_end_before_it_is_started(world: World) -> None:
    """The pause was cancelled in the middle of the stop, with which the engine goes on."""
    pool = rows.live(rows.instance(), world)

    def cancelled() -> None:
        if world.seen["stop web"]:
            raise Cancelled

    with pytest.raises(Cancelled):
        switch.pause(pool.instance, seconds=0, keep_going=cancelled)
    assert world.containers[pool.container("web")].running, "it looks as if it ran"
    happened: list[str] = []
    world.before = happened.append
    switch.bring_back(pool, keep_going=go_on)
    assert happened.index("stop web") < happened.index("start web")
    assert world.containers[pool.container("web")].running


def test_the_pause_is_of_the_pool_that_is_live_at_that_moment(world: World) -> None:
    """A rollback may have switched since the caller read its row."""
    instance = rows.instance()
    old = rows.live(instance, world, "b1")
    stale = Instance.objects.select_related("live_pool").get(pk=instance.pk)
    assert stale.live_pool == old
    new = rows.started(instance, world, "b2")
    switch.switch_to(new)
    switch.pause(stale, seconds=0, keep_going=go_on)
    states = dict(Pool.objects.values_list("pk", "state"))
    assert states == {old.pk: Pool.State.DRAINING, new.pk: Pool.State.STANDING_BY}
    assert world.containers[old.container("web")].running


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    return fail
