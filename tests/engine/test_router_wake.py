"""Waking: requests to a sleeping instance wait at the router, which tells the portal once for all of them."""

import hashlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from hosting.engines.haproxy import Route, Router, RouterState
from tests.engine.routers import Pool, fetch, pool, reset, running, websocket

pytestmark = pytest.mark.engine

ASLEEP, AWAKE = Route("i42", "asleep"), Route("i42", "s1", "9ee0")
SECRET = "sesame"
HTML = {"Accept": "text/html,*/*;q=0.8"}


class Portal(socketserver.ThreadingUnixStreamServer):
    """The portal's first web process: notes what it is asked, and answers `status`."""

    daemon_threads = True
    request_queue_size = 64
    told: list[tuple[str, str]]
    status: int


class _Web(BaseHTTPRequestHandler):
    server: Portal

    def do_POST(self) -> None:
        self.server.told.append((self.path, self.headers.get("x-berth-router", "")))
        self._answer(self.server.status)

    def do_GET(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def odoo() -> Iterator[Pool]:
    with pool("odoo", maxconn=1) as made:
        yield made


@pytest.fixture
def router() -> Iterator[Router]:
    state = RouterState({"demo.localhost": "i42", "other.localhost": "i43"}, {"i42": ASLEEP, "i43": Route("i43", "s2")})
    with running(state, held_seconds=6, page_seconds=2, secret=SECRET, queue_timeout=4) as made:
        yield made


@pytest.fixture
def portal(router: Router) -> Iterator[Portal]:
    path = router.config.web / "web-1.sock"
    path.parent.mkdir(exist_ok=True)
    web = Portal(str(path), _Web)
    path.chmod(0o777)
    web.told, web.status = [], 202
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    deadline = time.monotonic() + 20
    while fetch(router, "/healthz", port=router.config.portal_port).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield web
    web.shutdown()
    web.server_close()


def rouse(router: Router, odoo: Pool) -> None:
    """What a wake-up does at the router."""
    router.fill_slot(1, [odoo.server])
    router.set_route(AWAKE)


def until_told(portal: Portal, times: int = 1) -> None:
    deadline = time.monotonic() + 20
    while len(portal.told) < times:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_200_requests_at_once_tell_the_portal_once_and_all_are_answered(
    router: Router, portal: Portal, odoo: Pool
) -> None:
    with ThreadPoolExecutor(200) as clients:
        waiting = [clients.submit(fetch, router, f"/asked/{number}") for number in range(200)]
        until_told(portal)
        time.sleep(0.5)
        assert portal.told == [("/inside/wake/i42/", SECRET)]
        rouse(router, odoo)
        assert [request.result().status for request in waiting] == [200] * 200
    assert len(odoo.asked) == len(set(odoo.asked)) == 200


def test_what_was_held_comes_to_the_pool_in_a_trickle(router: Router, portal: Portal, odoo: Pool) -> None:
    """All at once they would time out in its queue, which is served one by one."""
    with ThreadPoolExecutor(60) as clients:
        waiting = [clients.submit(fetch, router, "/slow/0.05") for _ in range(60)]
        until_told(portal)
        time.sleep(1.0)
        rouse(router, odoo)
        most = 0
        while not all(request.done() for request in waiting):
            most = max(most, router.in_flight(1)[0])
            time.sleep(0.02)
        assert {request.result().status for request in waiting} == {200}
    assert 0 < most <= 40


def test_a_body_is_kept_with_its_request(router: Router, portal: Portal, odoo: Pool) -> None:
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(fetch, router, "/", method="POST", body=b"x" * 100_000)
        until_told(portal)
        rouse(router, odoo)
        assert waiting.result().seen["sha1"] == hashlib.sha1(b"x" * 100_000).hexdigest()


def test_a_browser_soon_gets_a_page_that_goes_on_by_itself(router: Router, portal: Portal) -> None:
    started = time.monotonic()
    answer = fetch(router, headers=HTML)
    assert 1.9 < time.monotonic() - started < 5
    assert answer.status == 503
    assert b'http-equiv="refresh"' in answer.body
    assert b"Waking up" in answer.body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_others_wait_longer_and_then_hear_when_to_come_again(router: Router, portal: Portal, method: str) -> None:
    started = time.monotonic()
    answer = fetch(router, method=method, headers=HTML if method == "POST" else {})
    assert 5.9 < time.monotonic() - started < 15
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_portal_that_is_away_is_asked_again(router: Router, odoo: Pool, request: pytest.FixtureRequest) -> None:
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(fetch, router)
        time.sleep(0.3)
        portal = request.getfixturevalue("portal")
        until_told(portal)
        rouse(router, odoo)
        assert waiting.result().status == 200


def test_who_leaves_wakes_it_all_the_same(router: Router, portal: Portal) -> None:
    client = socket.create_connection(("127.0.0.1", router.config.router_port))
    client.sendall(b"GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
    time.sleep(0.2)
    reset(client)
    until_told(portal)


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico", "/web/health", "//web/./health", "/websocket/health"])
def test_what_machines_ask_by_themselves_wakes_nobody(router: Router, portal: Portal, path: str) -> None:
    started = time.monotonic()
    assert fetch(router, path).status in (200, 503)
    assert time.monotonic() - started < 2, "it was held"
    time.sleep(0.3)
    assert portal.told == []


def test_a_websocket_is_refused_at_once_and_wakes_nobody(router: Router, portal: Portal) -> None:
    started = time.monotonic()
    connection, status = websocket(router)
    connection.close()
    assert status == 503
    assert time.monotonic() - started < 2, "it was held"
    time.sleep(0.3)
    assert portal.told == []


def test_refused_by_the_portal_nobody_is_held(router: Router, portal: Portal) -> None:
    portal.status = 429
    answer = fetch(router)
    assert answer.status == 503
    assert b"Asleep for now" in answer.body
    assert answer.headers["retry-after"] == "30"
    started = time.monotonic()
    assert [fetch(router).status for _ in range(5)] == [503] * 5
    assert time.monotonic() - started < 3
    assert len(portal.told) == 1


def test_a_reload_neither_waits_for_sleepers_nor_loses_them(router: Router, portal: Portal, odoo: Pool) -> None:
    with ThreadPoolExecutor(20) as clients:
        waiting = [clients.submit(fetch, router, f"/?{number}") for number in range(20)]
        until_told(portal)
        before = router.workers()
        router.reload()
        assert router.workers() != before
        time.sleep(1.0)
        assert not any(request.done() for request in waiting)
        rouse(router, odoo)
        answers = [request.result() for request in waiting]
    assert {(answer.status, answer.headers["x-berth-commit"]) for answer in answers} == {(200, "9ee0")}
    assert len(odoo.asked) == 20
    assert answers[0].seen["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_a_sleeper_is_of_one_instance(router: Router, portal: Portal, odoo: Pool) -> None:
    router.fill_slot(2, [odoo.server])
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(fetch, router)
        until_told(portal)
        assert fetch(router, host="other.localhost").status == 200
        rouse(router, odoo)
        waiting.result()
    assert portal.told == [("/inside/wake/i42/", SECRET)]


def test_what_was_stopped_instead_says_so(router: Router, portal: Portal) -> None:
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(fetch, router)
        until_told(portal)
        router.set_route(Route("i42", "stopped"))
        assert b"This database is stopped" in waiting.result().body


def test_the_secret_is_not_for_every_eye(router: Router) -> None:
    assert SECRET in router.config.config_file.read_text()
    assert router.config.config_file.stat().st_mode & 0o077 == 0
