"""The request log, as HAProxy writes it to whoever listens."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from hosting.engines.haproxy import Request, Route, Router, RouterState, Server, open_log
from tests.engine.routers import Pool, fetch, pool, reset, running, websocket

pytestmark = pytest.mark.engine

HOSTS = {"demo.localhost": "i42", "gone.localhost": "i43"}
ROUTES = {"i42": Route("i42", "s1", "b1e0"), "i43": Route("i43", "s2")}


@pytest.fixture
def blue() -> Iterator[Pool]:
    with pool("blue") as made:
        yield made


@pytest.fixture
def router(blue: Pool) -> Iterator[Router]:
    """i43 leads to a slot without servers."""
    with running(RouterState(HOSTS, ROUTES, {1: [blue.server]}), queue_timeout=1) as made:
        yield made


@pytest.fixture
def log(router: Router) -> Iterator[socket.socket]:
    with closing(open_log(router.config)) as listening:
        yield listening


def read(log: socket.socket, timeout: float = 10.0) -> Request:
    """The next request, whose line must be understood. HAProxy also says how it is itself."""
    log.settimeout(timeout)
    while (line := log.recv(4096).decode()).startswith("Proxy "):
        pass
    request = Request.parse(line)
    assert request is not None, line
    return request


def test_a_request_is_told_with_its_times(router: Router, log: socket.socket) -> None:
    before = time.time()
    assert fetch(router, "/slow/0.3").status == 200
    request = read(log)
    assert (request.instance, request.backend, request.status, request.outcome) == ("i42", "web_s1", 200, "answered")
    assert before - 1 < request.ended_ms / 1000 < time.time() + 1
    assert 300 <= request.active_ms < 10_000
    assert request.held_ms == 0


def test_what_comes_in_twice_to_be_compressed_is_told_once(router: Router, log: socket.socket) -> None:
    answer = fetch(router, "/as/text/css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert fetch(router, "/as/last").status == 200
    told = [read(log), read(log)]
    assert [(request.backend, request.status) for request in told] == [("web_s1", 200), ("web_s1", 200)]
    with pytest.raises(TimeoutError):
        read(log, 0.3)


def test_time_in_a_hold_is_told_and_part_of_the_whole(router: Router, log: socket.socket) -> None:
    router.hold("i42")
    threading.Timer(0.5, router.release, ["i42"]).start()
    assert fetch(router).status == 200
    request = read(log)
    assert request.held_ms >= 400
    assert request.active_ms >= request.held_ms


def test_what_the_router_answers_by_itself_is_told(router: Router, log: socket.socket) -> None:
    router.set_route(Route("i42", "updating"))
    assert fetch(router).status == 503
    request = read(log)
    assert (request.backend, request.status, request.outcome) == ("hosted", 503, "failed")


def test_a_pool_without_servers_fails(router: Router, log: socket.socket) -> None:
    assert fetch(router, host="gone.localhost").status == 503
    assert read(log).outcome == "failed"


def test_who_goes_away_before_his_answer_left(router: Router, log: socket.socket) -> None:
    connection = socket.create_connection(("127.0.0.1", router.config.router_port))
    connection.sendall(b"GET /slow/1 HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
    time.sleep(0.3)
    reset(connection)
    assert read(log).outcome == "left"


def test_an_answer_that_breaks_off_failed(router: Router, log: socket.socket) -> None:
    """A server that promises more than it sends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        router.fill_slot(2, [Server("127.0.0.1", server.getsockname()[1])])
        answering = threading.Thread(target=_break_off, args=(server,))
        answering.start()
        with socket.create_connection(("127.0.0.1", router.config.router_port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: gone.localhost\r\n\r\n")
            while client.recv(4096):
                pass
        answering.join()
    request = read(log)
    assert (request.status, request.outcome) == (200, "failed")


def _break_off(server: socket.socket) -> None:
    connection, _address = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of i")


def test_a_websocket_is_told_when_it_ends(router: Router, log: socket.socket) -> None:
    connection, status = websocket(router)
    assert status == 101
    assert fetch(router).status == 200
    assert read(log).outcome == "answered"
    connection.close()
    request = read(log)
    assert (request.outcome, request.status) == ("websocket", 101)


def test_addresses_of_nobody_are_nobodys_requests(router: Router, log: socket.socket) -> None:
    assert fetch(router, host="unknown.localhost").status == 404
    log.settimeout(10)
    assert Request.parse(log.recv(4096).decode()) is None


# --- who listens ------------------------------------------------------------------------------------------------------
def test_requests_are_answered_while_nobody_listens(router: Router) -> None:
    """Their lines are lost. A line is written after its answer, so the last of them may just be heard."""
    for _ in range(5):
        assert fetch(router).status == 200
    with closing(open_log(router.config)) as log:
        assert fetch(router, "/slow/0.3").status == 200
        first = read(log)
        assert (first if first.active_ms >= 300 else read(log)).active_ms >= 300
        log.settimeout(0.2)
        with pytest.raises(TimeoutError):
            log.recv(4096)


def test_who_listens_anew_takes_over(router: Router, log: socket.socket) -> None:
    with closing(open_log(router.config)) as again:
        assert fetch(router).status == 200
        assert read(again).status == 200
        log.settimeout(0.2)
        with pytest.raises(TimeoutError):
            log.recv(4096)


def test_who_listens_again_after_a_kill_is_heard(router: Router) -> None:
    open_log(router.config).close()  # the socket's name stays behind
    assert fetch(router).status == 200
    with closing(open_log(router.config)) as log:
        assert fetch(router).status == 200
        assert read(log).status == 200


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_a_router_that_begins_anew_is_heard(router: Router, log: socket.socket, how: str) -> None:
    if how == "reload":
        router.reload()
    else:
        router.stop()
        router.start()
    assert fetch(router).status == 200
    assert read(log).status == 200


def test_a_burst_is_not_lost_while_the_listener_has_no_turn(router: Router, log: socket.socket) -> None:
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: fetch(router), range(200)))
    assert [read(log).status for _ in range(200)] == [200] * 200


def test_only_the_router_and_its_owner_may_write(router: Router, log: socket.socket) -> None:
    assert router.config.log_socket.stat().st_mode & 0o777 == 0o620
    assert router.config.log_socket.group() == router.config.group
