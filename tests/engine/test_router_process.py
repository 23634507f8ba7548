"""The router as a program: reloads and restarts lose nothing, and what it really has can be read."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosting.engines.haproxy import Route, Router, RouterConfig, RouterDown, RouterError, RouterState, Server
from tests.engine.routers import Answer, Load, Pool, ask, configured, fetch, pool, reset, running, websocket

pytestmark = pytest.mark.engine

BLUE, GREEN = Route("i42", "s1", "b1e0", "open"), Route("i42", "s2", "9ee0", "open")


@pytest.fixture
def pools() -> Iterator[tuple[Pool, Pool]]:
    with pool("blue", maxconn=8) as blue, pool("green", maxconn=8) as green:
        yield blue, green


@pytest.fixture
def state(pools: tuple[Pool, Pool]) -> RouterState:
    return RouterState({"demo.localhost": "i42"}, {"i42": BLUE}, {1: [pools[0].server]})


@pytest.fixture
def router(state: RouterState) -> Iterator[Router]:
    with running(state) as made:
        yield made


def kill(router: Router) -> None:
    """End the master as the kernel would for want of memory; its workers follow."""
    pids = [int(router.config.pid_file.read_text()), *router.workers().all]
    os.kill(pids[0], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its master"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_reloads_fail_no_request_and_forget_nothing(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    router.set_host("www.example.com", "i42")
    router.set_route(GREEN)
    had = router.live_state()
    with Load(router) as load:
        for _ in range(3):
            load.wait_for(40)
            router.reload()
        load.wait_for(40)
    assert load.failures == []
    assert set(load.pools) == {"green"}
    assert router.live_state() == had


@pytest.mark.parametrize("takes", ["identity", "gzip"])
def test_an_idle_client_of_the_old_worker_gets_its_next_answer_by_the_routes_of_now(
    router: Router, pools: tuple[Pool, Pool], takes: str
) -> None:
    with idle_client(router) as client:
        router.reload()
        assert len(router.workers().old) == 1
        router.fill_slot(1, [pools[1].server])
        answer = ask(client, "/", "demo.localhost", method="POST", body=b"x", headers={"Accept-Encoding": takes})
        assert answer.seen["pool"] == "green"
        assert client.sock is None, "the old worker kept the connection"


@pytest.mark.parametrize("takes", ["identity", "gzip"])
def test_a_body_that_comes_in_while_the_router_is_replaced_goes_by_the_routes_of_now(
    router: Router, pools: tuple[Pool, Pool], takes: str
) -> None:
    """The router reads such a body before it decides: the process that began it may be an old one by then."""
    body = json.dumps({"params": {"service": "common"}}).encode()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", router.config.router_port, timeout=10)) as client:
        client.putrequest("POST", "/jsonrpc", skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": "demo.localhost", "Content-Length": len(body), "Accept-Encoding": takes}.items():
            client.putheader(name, str(value))
        client.endheaders(body[:5])
        time.sleep(0.2)
        router.reload()
        router.fill_slot(1, [pools[1].server])
        client.send(body[5:])
        response = client.getresponse()
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
    assert (answer.status, answer.seen["pool"]) == (200, "green")
    assert answer.seen["sha1"] == hashlib.sha1(body).hexdigest()


@contextlib.contextmanager
def idle_client(router: Router) -> Iterator[http.client.HTTPConnection]:
    """A client that has asked once and keeps its connection."""
    connection = http.client.HTTPConnection("127.0.0.1", router.config.router_port, timeout=10)
    with contextlib.closing(connection):
        assert ask(connection, "/", "demo.localhost").status == 200
        yield connection


def test_a_drain_and_the_addresses_in_use_count_the_old_worker(router: Router, pools: tuple[Pool, Pool]) -> None:
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(fetch(router, "/slow/1.5")))
    slow.start()
    tunnel, _ = websocket(router)
    time.sleep(0.2)
    router.reload()
    assert len(router.workers().old) == 1
    assert router.in_flight(1) == (1, 1)
    router.set_route(Route("i42", "updating"))
    router.close_websockets(1)
    assert tunnel.recv(100) == b""
    assert router.in_flight(1) == (1, 0)
    slow.join()
    assert answers[0].seen["pool"] == "blue"
    tunnel.close()


def test_addresses_are_free_when_no_worker_has_them_any_more(router: Router) -> None:
    router.fill_slot(3, [Server("127.0.0.3")])
    tunnel, _ = websocket(router)
    router.reload()
    router.fill_slot(3, [])
    assert router.serving_addresses() == {"127.0.0.1", "127.0.0.3"}
    reset(tunnel)
    deadline = time.monotonic() + 5
    while router.workers().old:
        assert time.monotonic() < deadline, "the old worker stays"
        time.sleep(0.05)
    assert router.serving_addresses() == {"127.0.0.1"}


def test_more_slots_come_with_a_reload(router: Router, state: RouterState, pools: tuple[Pool, Pool]) -> None:
    grown = Router(RouterConfig(**{**vars(router.config), "slots": 6}))
    with pytest.raises(RouterError, match="reload"):
        grown.fill_slot(6, [pools[1].server])
    tunnel, _ = websocket(router)
    assert not router.needs_reload()
    grown.write(state)
    assert grown.needs_reload()
    grown.reload()
    assert not grown.needs_reload()
    assert len(grown.workers().old) == 1
    grown.fill_slot(6, [pools[1].server])
    grown.set_route(Route("i42", "s6"))
    assert fetch(router).seen["pool"] == "green"
    reset(tunnel)
    assert grown.live_state().routes["i42"].slot == "s6"


def test_what_the_router_is_told_of_needs_no_reload(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    router.set_route(GREEN)
    router.set_host("www.example.com", "i42")
    assert not router.needs_reload()


def test_a_killed_router_comes_back_with_its_last_files(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    router.set_route(GREEN)
    had = router.live_state()
    kill(router)
    assert not router.is_up()
    assert router.start()
    assert router.live_state() == had
    assert fetch(router).headers["x-berth-commit"] == "9ee0"


def test_a_change_while_the_router_is_down_is_there_when_it_starts(router: Router, pools: tuple[Pool, Pool]) -> None:
    router.fill_slot(2, [pools[1].server])
    router.stop()
    with pytest.raises(RouterDown):
        router.set_route(GREEN)
    router.start()
    assert fetch(router).seen["pool"] == "green"


def test_starting_a_running_router_does_nothing(router: Router) -> None:
    before = router.workers()
    assert not router.start()
    assert router.workers() == before


def test_a_second_router_on_the_same_port_is_refused(router: Router, state: RouterState) -> None:
    with configured(router_port=router.config.router_port) as second:
        second.write(state)
        with pytest.raises(RouterError, match="could not be started"):
            second.start()


def test_a_configuration_that_haproxy_refuses_is_not_reloaded(router: Router, state: RouterState) -> None:
    broken = Router(RouterConfig(**{**vars(router.config), "extra": "frontend nonsense\n    nosuchword\n"}))
    before = router.workers()
    broken.write(state)
    with pytest.raises(RouterError, match="nosuchword"):
        broken.reload()
    assert router.workers() == before
    assert fetch(router).status == 200


def test_a_folder_that_haproxy_may_not_pass_is_named(state: RouterState) -> None:
    with configured() as router:
        router.write(state)
        router.config.run.chmod(0o700)
        with pytest.raises(RouterError, match=f"may not pass {router.config.run}"):
            router.start()


def test_the_live_state_is_what_was_asked_for(router: Router, state: RouterState) -> None:
    assert router.live_state() == state


def test_an_old_state_is_not_written_over_a_newer_one(router: Router, state: RouterState) -> None:
    """The state is read when it is this writer's turn, so it includes what others changed while it waited."""
    truth = {"i42": BLUE}
    with router.alone():
        writing = threading.Thread(target=router.write, args=(lambda: RouterState(routes=dict(truth)),))
        writing.start()
        time.sleep(0.1)
        truth["i42"] = GREEN
    writing.join()
    assert "s2,9ee0,open" in (router.config.home / "routes.map").read_text()


def test_ten_thousand_hosts_change_no_slower_than_a_page_loads(state: RouterState, pools: tuple[Pool, Pool]) -> None:
    hosts = {f"customer-{number}.example.com": f"i{number}" for number in range(10_000)}
    routes = {f"i{number}": Route(f"i{number}", "s1", "4f2c") for number in range(10_000)}
    many = RouterState({**hosts, "demo.localhost": "i42"}, routes, {1: [pools[0].server], 2: [pools[1].server]})
    with running(many) as router:
        started = time.monotonic()
        router.set_route(Route("i9999", "s2", "9ee0"))
        switched = time.monotonic()
        router.set_host("one-more.example.com", "i9999")
        print(f"10,000 hosts: switch {switched - started:.3f} s, new host {time.monotonic() - switched:.3f} s")
        assert fetch(router, host="one-more.example.com").seen["pool"] == "green"
        assert fetch(router, host="customer-9999.example.com").headers["x-berth-commit"] == "9ee0"
        assert len(router.live_state().hosts) == 10_002


def test_each_request_is_a_line_for_whoever_listens(router: Router) -> None:
    assert fetch(router, "/before").status == 200  # nobody listens: no harm
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(router.config.log_socket))
        router.config.log_socket.chmod(0o666)
        listener.settimeout(5)
        fetch(router, "/secret?token=1")
        ended, instance, backend, status, how, method, *numbers = listener.recv(4096).decode().split()
    assert abs(int(ended) / 1000 - time.time()) < 5
    assert (instance, backend, status, how, method) == ("i42", "web_s1", "200", "--", "GET")
    assert [number.partition("=")[0] for number in numbers] == [
        "held", "queue", "connect", "answer", "active", "in", "out",
    ]  # fmt: skip
