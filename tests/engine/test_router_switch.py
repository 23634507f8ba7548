"""The switch: nobody notices it, and nobody is left behind on the old pool."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from operator import itemgetter

import pytest

from hosting.engines.haproxy import Route, Router, RouterState
from tests.engine.routers import Answer, Load, Pool, fetch, pool, running, websocket

pytestmark = pytest.mark.engine

BLUE, GREEN = Route("i42", "s1", "b1e0"), Route("i42", "s2", "9ee0")


@pytest.fixture
def pools() -> Iterator[tuple[Pool, Pool]]:
    with pool("blue") as blue, pool("green") as green:
        yield blue, green


@pytest.fixture
def router(pools: tuple[Pool, Pool]) -> Iterator[Router]:
    state = RouterState({"demo.localhost": "i42", "www.example.com": "i42"}, {"i42": BLUE}, {1: [pools[0].server]})
    with running(state) as made:
        yield made


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def is_idle(router: Router, slot: int) -> bool:
    return router.in_flight(slot) == (0, 0)


def test_no_request_fails_while_traffic_is_switched_and_switched_back(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    with Load(router) as load:
        for route, name in ((GREEN, "green"), (BLUE, "blue"), (GREEN, "green")):
            load.wait_for(40)
            router.set_route(route)
            load.wait_for(12)  # what was on its way
            before = len(load.pools)
            load.wait_for(40)
            assert set(load.pools[before:]) == {name}
    assert load.failures == []


def test_deploys_in_a_row_whose_old_pools_really_end_fail_no_request(router: Router, pools: tuple[Pool, Pool]) -> None:
    """As a deploy does it: fill, switch, drain, empty, stop. Reloads come in between."""
    with ExitStack() as living, Load(router) as load:
        old, old_slot = living.enter_context(ExitStack()), 1
        for number in range(2, 8):
            new, slot = living.enter_context(ExitStack()), number % 4 + 1
            router.fill_slot(slot, [new.enter_context(pool(f"pool-{number}")).server])
            router.set_route(Route("i42", f"s{slot}", f"{number:04x}"))
            load.wait_for(20)
            wait_for(partial(is_idle, router, old_slot))
            router.fill_slot(old_slot, [])
            old.close()
            if number % 2:
                router.reload()
            old, old_slot = new, slot
    assert load.failures == []
    assert {f"pool-{number}" for number in range(2, 8)} <= set(load.pools)


def test_a_switch_moves_all_hosts_of_the_instance_and_the_commit_with_them(
    router: Router, pools: tuple[Pool, Pool]
) -> None:
    router.fill_slot(2, [pools[1].server])
    router.set_route(GREEN)
    answers = [fetch(router, host=host) for host in ("demo.localhost", "www.example.com")]
    assert [(answer.seen["pool"], answer.headers["x-berth-commit"]) for answer in answers] == 2 * [("green", "9ee0")]


def test_a_drain_ends_with_the_last_request_of_the_old_pool(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(fetch(router, "/slow/0.8")))
    slow.start()
    wait_for(lambda: router.in_flight(1) == (1, 0))
    router.set_route(GREEN)
    assert fetch(router).seen["pool"] == "green"
    assert router.in_flight(1) == (1, 0)
    assert answers == []
    wait_for(lambda: router.in_flight(1) == (0, 0))
    slow.join()
    assert answers[0].seen["pool"] == "blue"


def test_requests_that_wait_for_a_busy_pool_count_as_in_flight(router: Router, pools: tuple[Pool, Pool]) -> None:
    with pool("narrow", maxconn=1) as narrow:
        router.fill_slot(3, [narrow.server])
        router.set_route(Route("i42", "s3"))
        clients = [threading.Thread(target=fetch, args=(router, "/slow/0.3")) for _ in range(3)]
        for client in clients:
            client.start()
        wait_for(lambda: router.in_flight(3) == (3, 0))
        for client in clients:
            client.join()
        assert len(narrow.asked) == 3
        wait_for(lambda: router.in_flight(3) == (0, 0))


def test_websockets_of_the_old_pool_are_closed_and_come_back_on_the_new_one(
    router: Router, pools: tuple[Pool, Pool]
) -> None:
    router.fill_slot(2, [pools[1].server])
    old, _ = websocket(router)
    router.set_route(GREEN)
    assert router.in_flight(1) == (0, 1)
    router.close_websockets(1)
    assert old.recv(100) == b""
    wait_for(lambda: router.in_flight(1) == (0, 0))
    new, status = websocket(router)
    assert status == 101
    assert router.in_flight(2) == (0, 1)
    old.close()
    new.close()


def last_words(tunnel: socket.socket) -> tuple[bytes, float]:
    """What is heard before a connection ends, and when, by the monotonic clock."""
    return tunnel.recv(100), time.monotonic()


def test_websockets_that_are_closed_within_a_time_come_back_one_after_the_other(router: Router) -> None:
    tunnels = [websocket(router)[0] for _ in range(4)]
    with ThreadPoolExecutor(5) as together:
        ends = [together.submit(last_words, tunnel) for tunnel in tunnels]
        router.close_websockets(1, within=0.8)
        closed = sorted((end.result() for end in ends), key=itemgetter(1))
    assert [said for said, _ in closed] == 4 * [b""]
    assert all(after - before > 0.1 for (_, before), (_, after) in pairwise(closed)), closed
    for tunnel in tunnels:
        tunnel.close()


def test_a_server_that_refuses_connections_is_passed_over(router: Router, pools: tuple[Pool, Pool]) -> None:
    with pool("dying") as dying:
        router.fill_slot(3, [dying.server, pools[1].server])
    router.set_route(Route("i42", "s3"))
    assert [fetch(router).seen["pool"] for _ in range(6)] == 6 * ["green"]


def test_an_emptied_slot_can_be_leased_again_to_another_number_of_servers(
    router: Router, pools: tuple[Pool, Pool]
) -> None:
    router.fill_slot(2, [pool.server for pool in pools])
    assert router.live_state().slots[2] == [pool.server for pool in pools]
    router.fill_slot(2, [])
    assert 2 not in router.live_state().slots
    router.fill_slot(2, [pools[1].server])
    router.set_route(GREEN)
    assert {fetch(router).seen["pool"] for _ in range(4)} == {"green"}
