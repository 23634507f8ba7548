"""Where a request ends up, and what Odoo gets to see of it."""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator

import pytest

from hosting.engines.haproxy import PAGES, Route, Router, RouterState
from tests.engine.routers import Pool, fetch, pool, reset, running, websocket

pytestmark = pytest.mark.engine

COMMIT = "4f2c9a1" + 33 * "0"


@pytest.fixture(scope="module")
def blue() -> Iterator[Pool]:
    with pool("blue") as made:
        yield made


@pytest.fixture(scope="module")
def router(blue: Pool) -> Iterator[Router]:
    state = RouterState(
        hosts={"demo.localhost": "i42", "www.example.com": "i42", "test.localhost": "i43"},
        routes={"i42": Route("i42", "s1", COMMIT, "open"), "i43": Route("i43", "s1", COMMIT, "closed")},
        slots={1: [blue.server]},
    )
    with running(state, websockets=3) as made:
        yield made


@pytest.mark.parametrize("host", ["demo.localhost", "demo.localhost:8080", "DEMO.localhost", "www.example.com"])
def test_all_addresses_of_an_instance_lead_to_its_pool(router: Router, host: str) -> None:
    assert fetch(router, host=host).seen["pool"] == "blue"


@pytest.mark.parametrize("host", ["other.localhost", "", "evil.example,demo.localhost", "demo.localhost.", "127.0.0.1"])
def test_an_address_that_nobody_has_gets_a_page_that_says_so(router: Router, host: str) -> None:
    answer = fetch(router, host=host)
    assert answer.status == 404
    assert b"nothing at this address" in answer.body


@pytest.mark.parametrize("page", PAGES)
def test_a_route_may_lead_to_a_page_that_is_no_success(router: Router, page: str) -> None:
    router.set_host("page.localhost", "i50")
    router.set_route(Route("i50", page, COMMIT))
    answer = fetch(router, host="page.localhost")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert b"<html" in answer.body
    assert "x-berth-commit" not in answer.headers


def test_an_instance_without_a_route_is_said_to_give_no_answer(router: Router) -> None:
    router.set_host("bare.localhost", "i51")
    answer = fetch(router, host="bare.localhost")
    assert answer.status == 503
    assert b"No answer yet" in answer.body


def test_a_removed_host_is_unknown(router: Router) -> None:
    router.set_host("gone.localhost", "i42")
    assert fetch(router, host="gone.localhost").status == 200
    router.remove_host("gone.localhost")
    router.remove_host("gone.localhost")
    assert fetch(router, host="gone.localhost").status == 404


def test_the_commit_header_is_the_routers_whatever_the_backend_says(router: Router) -> None:
    assert fetch(router).headers["x-berth-commit"] == COMMIT


def test_the_commit_header_can_be_turned_off_and_is_no_tenants_either(blue: Pool) -> None:
    state = RouterState({"demo.localhost": "i42"}, {"i42": Route("i42", "s1", COMMIT)}, {1: [blue.server]})
    with running(state, commit_header=False) as quiet:
        assert "x-berth-commit" not in fetch(quiet).headers


def test_only_the_router_says_who_the_client_is(router: Router) -> None:
    lies = dict.fromkeys(
        ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP", "Forwarded"),
        "6.6.6.6",
    )
    seen = fetch(router, headers={**lies, "X_Forwarded_Host": "6.6.6.6", "x-real_ip": "6.6.6.6"}).seen["headers"]
    assert seen["x-forwarded-host"] == seen["host"] == "demo.localhost"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == "127.0.0.1"
    assert "6.6.6.6" not in seen.values()


def test_the_path_is_passed_on_as_it_came(router: Router) -> None:
    assert fetch(router, "/a//b/%41%2F.?q=//%20").seen["path"] == "/a//b/%41%2F.?q=//%20"


def test_robots_are_sent_away_from_all_but_production(router: Router) -> None:
    closed = fetch(router, "/robots.txt", "test.localhost")
    assert (closed.status, closed.body) == (200, b"User-agent: *\nDisallow: /\n")
    assert fetch(router, "/robots.txt").seen["pool"] == "blue"


@pytest.mark.parametrize("path", ["/websocket", "/websocket/health", "//websocket", "/longpolling/poll"])
def test_the_gevent_port_gets_websockets_and_longpolling(router: Router, path: str) -> None:
    assert fetch(router, path).seen["port"] == "gevent"


@pytest.mark.parametrize("path", ["/", "/websocket-news", "/shop/websocket"])
def test_the_http_port_gets_everything_else(router: Router, path: str) -> None:
    assert fetch(router, path).seen["port"] == "http"


def test_an_instance_gets_no_more_websockets_than_its_limit_and_new_ones_when_some_end(router: Router) -> None:
    opened = [websocket(router) for _ in range(3)]
    assert [status for _, status in opened] == [101, 101, 101]
    assert router.in_flight(1)[1] == 3
    refused, status = websocket(router)
    assert status == 503
    assert fetch(router).status == 200
    for connection in (refused, opened[0][0]):
        reset(connection)
    again, status = websocket(router)
    assert status == 101
    for connection in (again, opened[1][0], opened[2][0]):
        reset(connection)


def test_a_pool_that_does_not_listen_gets_a_page_that_tries_again(router: Router) -> None:
    router.set_host("dead.localhost", "i52")
    router.set_route(Route("i52", "s4", COMMIT))
    answer = fetch(router, host="dead.localhost")
    assert answer.status == 503
    assert b'http-equiv="refresh"' in answer.body


TEXTS = ["text/html;charset=utf-8", "text/css", "application/javascript", "application/json", "image/svg+xml"]


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_compressed_for_clients_that_take_it(router: Router, kind: str) -> None:
    """Although Odoo speaks HTTP/1.0, whose answers HAProxy does not compress by itself."""
    answer = fetch(router, f"/as/{kind}", headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "x" * 5000 in gzip.decompress(answer.body).decode()
    assert answer.headers["x-berth-commit"] == COMMIT


def test_images_and_clients_that_want_nothing_compressed_get_plain_bytes(router: Router) -> None:
    for kind, wish in (("image/png", "gzip"), ("text/html", "identity")):
        answer = fetch(router, f"/as/{kind}", headers={"Accept-Encoding": wish})
        assert "content-encoding" not in answer.headers
        assert b"x" * 5000 in answer.body


@pytest.mark.parametrize("wish", ["gzip", "identity"])
def test_uploads_arrive_whole(router: Router, wish: str) -> None:
    body = os.urandom(3_000_000)
    answer = fetch(router, "/upload", method="POST", body=body, headers={"Accept-Encoding": wish})
    seen = json.loads(gzip.decompress(answer.body) if wish == "gzip" else answer.body)
    assert seen["sha1"] == hashlib.sha1(body).hexdigest()
