"""What the router is told is what the rows say."""

from datetime import timedelta

import pytest

from hosting import instances, routing
from hosting.engines.haproxy import Route, RouterDown, RouterError, Server
from hosting.models import Alias, Instance, Slot, Stage
from hosting.odoo.lives import LIVES
from portal import clock
from tests.unit.fakes import World
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.seam import SLOTS
from tests.unit.hosting import rows


def test_an_open_door_leads_to_the_live_pools_slot(world: World) -> None:
    instance = rows.instance()
    pool = rows.live(instance, world)
    route = routing.route(instance)
    assert (route.slot, route.commit, route.robots) == (str(pool.slot), rows.COMMIT, "open")
    assert world.answer("shop.localhost") == rows.COMMIT


@pytest.mark.parametrize(("door", "page"), [(Instance.Door.UPDATING, "updating"), (Instance.Door.STOPPED, "stopped")])
def test_a_closed_door_leads_to_a_page_whatever_is_live(world: World, door: Instance.Door, page: str) -> None:
    instance = rows.instance()
    rows.live(instance, world)
    instance.door = door
    assert routing.route(instance).slot == page


def test_robots_are_only_let_in_to_production(world: World) -> None:
    assert routing.route(rows.instance(Stage.STAGING, "staging.localhost")).robots == "closed"
    assert routing.route(rows.instance(Stage.DEVELOPMENT, "dev.localhost")).robots == "closed"


def test_production_gets_as_many_requests_as_it_has_workers_and_the_rest_one(world: World) -> None:
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    assert routing.servers(rows.pool(production, world)) == [Server("10.1.0.10", maxconn=2)]
    assert routing.servers(rows.pool(staging, world)) == [Server("10.1.128.10", maxconn=1)]


def test_a_slot_is_lent_once_and_filled(world: World) -> None:
    pool = rows.pool(rows.instance(), world)
    routing.lend_slot(pool)
    routing.lend_slot(pool)
    assert Slot.objects.filter(pool=pool).count() == 1
    assert world.slots[pool.slot.number] == routing.servers(pool)


def test_it_says_so_when_all_slots_are_lent(world: World) -> None:
    instance = rows.instance()
    for number in range(SLOTS):
        routing.lend_slot(rows.pool(instance, world, f"b{number}"))
    with pytest.raises(routing.NoSlotLeft, match="Raise BERTH_SLOTS"):
        routing.lend_slot(rows.pool(instance, world, "b99"))


def test_a_slot_that_is_taken_back_is_empty_and_free(world: World) -> None:
    pool = rows.started(rows.instance(), world)
    number = pool.slot.number
    routing.take_slot_back(pool)
    routing.take_slot_back(pool)
    assert world.slots[number] == []
    assert not Slot.objects.exclude(pool=None).exists()


def test_a_slot_stays_lent_until_the_router_has_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows.started(rows.instance(), world)

    def refuse(*_arguments: object) -> None:
        raise RouterError("no answer within 5 s")

    monkeypatch.setattr(FakeRouter, "fill_slot", refuse)
    with pytest.raises(RouterError):
        routing.take_slot_back(pool)
    assert Slot.objects.get(pool=pool)


def test_a_router_that_is_down_finds_every_change_in_its_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_router: FakeRouter) -> None:
        raise RouterDown("No router listens.")

    monkeypatch.setattr(FakeRouter, "_ask", down)
    instance = rows.instance()
    pool = rows.pool(instance, world)
    routing.lend_slot(pool)
    routing.apply(instance)
    assert world.slots == {pool.slot.number: routing.servers(pool)}
    assert (world.hosts, world.routes[instance.name].slot) == ({"shop.localhost": instance.name}, "stopped")
    routing.take_slot_back(pool)
    routing.forget(instance)
    assert (world.hosts, world.routes, world.slots[1]) == ({}, {}, [])


def test_all_is_written_for_the_routers_next_start(world: World) -> None:
    pool = rows.live(rows.instance(), world)
    world.hosts, world.routes, world.slots = {}, {}, {}
    routing.write()
    assert world.answer("shop.localhost") == pool.commit


# --- mending ----------------------------------------------------------------------------------------------------------
def test_a_router_that_agrees_is_left_alone(world: World) -> None:
    rows.live(rows.instance(), world)
    world.seen.clear()
    assert routing.mend(FakeRouter(world).live_state()) == []
    assert not {"set host", "set route", "fill slot"} & set(world.seen)


def test_what_the_router_forgot_is_told_again(world: World) -> None:
    rows.live(rows.instance(), world)
    world.hosts, world.routes, world.slots = {}, {}, {}
    assert routing.mend(FakeRouter(world).live_state()) == [
        "filled slot s1 again",
        "told the router again where shop.localhost is",
    ]
    assert world.answer("shop.localhost") == rows.COMMIT


def test_what_belongs_to_nothing_is_taken_off_the_router(world: World) -> None:
    rows.live(rows.instance(), world)
    before = world.summary()
    world.hosts["gone.localhost"] = "i999999"
    world.routes["i999999"] = Route(instance="i999999", slot="stopped")
    world.slots[3] = [Server("10.1.0.99")]
    assert len(routing.mend(FakeRouter(world).live_state())) == 3
    assert world.summary() == before


def test_a_removed_instance_is_never_told_to_the_router_again(world: World) -> None:
    instance = rows.instance()
    routing.apply(instance)
    instances.remove(instance)
    assert (world.hosts, world.routes) == ({}, {})
    routing.apply(instance)
    assert (world.hosts, world.routes) == ({}, {})


@pytest.mark.parametrize(("days", "noticed"), [(0, False), (1, True), (700, True), (1000, True)])
def test_users_of_production_are_told_from_the_day_on_which_its_odoo_is_out_of_support(
    world: World, days: int, noticed: bool
) -> None:
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    Alias.objects.create(hostname="www.example.com", instance=production)
    after = LIVES["18.0"].supported_until - clock.now().date() + timedelta(days=days)
    with clock.moved(after):
        assert {marks.noticed for marks in routing.marked(production).values()} == {noticed}
        assert not routing.is_noticed(staging)


def test_the_reconciler_tells_the_router_of_a_support_that_ended(world: World) -> None:
    rows.live(rows.instance(), world)
    router = FakeRouter(world)
    assert routing.mend(router.live_state()) == []
    with clock.moved(timedelta(days=500)):
        assert routing.mend(router.live_state()) == ["told the router again where shop.localhost is"]
        assert world.marks["shop.localhost"].noticed
        assert routing.mend(router.live_state()) == []
