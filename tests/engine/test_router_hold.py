"""Holding: requests wait at the router while a database is updated, and are answered afterwards."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hosting.engines.haproxy import Route, Router, RouterBusy, RouterState
from tests.engine.routers import Load, Pool, fetch, pool, running

pytestmark = pytest.mark.engine

BLUE, GREEN = Route("i42", "s1", "b1e0"), Route("i42", "s2", "9ee0")


@pytest.fixture
def pools() -> Iterator[tuple[Pool, Pool]]:
    with pool("blue") as blue, pool("green") as green:
        yield blue, green


@pytest.fixture
def router(pools: tuple[Pool, Pool]) -> Iterator[Router]:
    state = RouterState(
        {"demo.localhost": "i42", "other.localhost": "i43"},
        {"i42": BLUE, "i43": Route("i43", "s1")},
        {1: [pools[0].server], 2: [pools[1].server]},
    )
    with running(state, held_seconds=4, held_requests=5) as made:
        yield made


def test_held_requests_are_answered_by_the_pool_that_is_live_at_the_release(
    router: Router, pools: tuple[Pool, Pool]
) -> None:
    router.hold("i42")
    with ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(fetch, router) for _ in range(4)]
        time.sleep(0.4)
        assert not any(request.done() for request in waiting)
        assert router.in_flight(1) == (0, 0)
        router.set_route(GREEN)
        router.release("i42")
        assert {request.result().seen["pool"] for request in waiting} == {"green"}
    assert pools[0].asked == []


def test_no_request_fails_across_hold_switch_and_release(router: Router) -> None:
    with Load(router, clients=4) as load:
        load.wait_for(40)
        router.hold("i42")
        time.sleep(0.5)
        assert router.in_flight(1) == (0, 0)
        held_at = len(load.pools)
        router.set_route(GREEN)
        assert len(load.pools) == held_at
        router.release("i42")
        load.wait_for(40)
        assert set(load.pools[held_at:]) == {"green"}
    assert load.failures == []


def test_a_hold_is_of_one_instance(router: Router) -> None:
    router.hold("i42")
    assert fetch(router, host="other.localhost").status == 200


def test_a_hold_does_not_touch_what_is_in_flight(router: Router) -> None:
    with ThreadPoolExecutor(1) as clients:
        slow = clients.submit(fetch, router, "/slow/0.5")
        while router.in_flight(1) != (1, 0):
            time.sleep(0.02)
        router.hold("i42")
        assert slow.result().status == 200


def test_a_request_is_not_held_for_ever(router: Router) -> None:
    router.hold("i42")
    started = time.monotonic()
    answer = fetch(router)
    assert 3.9 < time.monotonic() - started < 15
    assert answer.status == 503
    assert b"Back in a moment" in answer.body


def test_the_number_of_held_requests_is_bounded(router: Router) -> None:
    router.hold("i42")
    with ThreadPoolExecutor(5) as clients:
        waiting = [clients.submit(fetch, router) for _ in range(5)]
        time.sleep(0.8)
        started = time.monotonic()
        assert fetch(router).status == 503
        assert time.monotonic() - started < 3, "it was held"
        router.release("i42")
        assert {request.result().status for request in waiting} == {200}


@pytest.mark.parametrize("headers", ["", "Accept-Encoding: gzip\r\n"])
def test_held_clients_that_leave_make_room_for_others_and_reach_no_pool(
    router: Router, pools: tuple[Pool, Pool], headers: str
) -> None:
    router.hold("i42")
    clients = [socket.create_connection(("127.0.0.1", router.config.router_port)) for _ in range(5)]
    for client in clients:
        client.sendall(f"GET /gone HTTP/1.1\r\nHost: demo.localhost\r\n{headers}\r\n".encode())
    time.sleep(0.3)
    for client in clients:
        client.close()
    time.sleep(0.3)
    threading.Timer(0.4, router.release, ["i42"]).start()
    assert fetch(router).status == 200
    assert "/gone" not in pools[0].asked


def test_nothing_is_reloaded_while_requests_are_held(router: Router) -> None:
    router.hold("i42")
    before = router.workers()
    with pytest.raises(RouterBusy, match="not reloaded"):
        router.reload()
    assert router.workers() == before
    router.release("i42")
    router.reload()
    assert router.workers() != before


def test_who_waits_is_handed_on_where_somebody_else_reloads_the_router(
    router: Router, pools: tuple[Pool, Pool]
) -> None:
    router.hold("i42")
    with ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(fetch, router) for _ in range(4)]
        time.sleep(0.4)
        with router.alone():
            router.take_over(30)
        router.set_route(GREEN)
        router.release("i42")
        assert {request.result().seen["pool"] for request in waiting} == {"green"}
    assert pools[0].asked == []


def test_a_hold_survives_a_restart_of_the_router(router: Router) -> None:
    router.hold("i42")
    router.stop()
    router.start()
    assert router.live_state().held == {"i42"}
