"""Addresses are given to one pool at a time, whichever of its containers wants it."""

import ipaddress

import pytest

from hosting import addresses
from hosting.engines.haproxy import RouterDown, Server
from hosting.models import Pool, Stage
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.router import FakeRouter
from tests.unit.hosting import rows


def test_the_gateway_and_its_neighbours_are_never_given(world: World) -> None:
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    assert addresses.allot(production, 2) == ["10.1.0.10", "10.1.0.11"]
    assert addresses.allot(staging, 2) == ["10.1.128.10", "10.1.128.11"]


def test_what_a_pool_has_is_taken_for_web_and_cron_alike(world: World) -> None:
    instance = rows.instance()
    first, second = rows.pool(instance, world), rows.pool(instance, world, "b2")
    given = [first.web_address, first.cron_address, second.web_address, second.cron_address]
    assert len(set(given)) == 4


def test_the_address_of_a_pool_that_is_gone_is_free(world: World) -> None:
    instance = rows.instance()
    pool = rows.pool(instance, world)
    Pool.objects.update(state=Pool.State.GONE)
    assert addresses.allot(instance, 1) == [pool.web_address]


def test_an_address_to_which_the_router_still_leads_is_not_free(world: World) -> None:
    world.slots[5] = [Server("10.1.0.10")]
    assert addresses.allot(rows.instance(), 1) == ["10.1.0.11"]


def test_an_address_that_a_stranger_has_taken_is_not_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "addresses", lambda _engine, _network: {"10.1.0.10"})
    assert addresses.allot(rows.instance(), 1) == ["10.1.0.11"]


def test_no_router_leads_nowhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_router: FakeRouter) -> set[str]:
        raise RouterDown("No router listens.")

    monkeypatch.setattr(FakeRouter, "serving_addresses", down)
    assert addresses.allot(rows.instance(), 1) == ["10.1.0.10"]


def test_the_engine_picks_its_own_addresses_elsewhere(world: World) -> None:
    instance = rows.instance()
    last = list(addresses._candidates(instance))[-1]
    assert ipaddress.ip_address(last) in ipaddress.ip_network("10.1.0.0/18")
