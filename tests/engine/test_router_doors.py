"""Doors that stay closed from outside, however their names are spelled: the database manager and the db services."""

import json
from collections.abc import Iterator

import pytest

from hosting.engines.haproxy import Route, Router, RouterState
from tests.engine.routers import Pool, fetch, pool, running

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def odoo() -> Iterator[Pool]:
    with pool("odoo") as made:
        yield made


@pytest.fixture(scope="module")
def router(odoo: Pool) -> Iterator[Router]:
    state = RouterState({"demo.localhost": "i42"}, {"i42": Route("i42", "s1")}, {1: [odoo.server]})
    with running(state, header_timeout=1) as made:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "/web/database/manager",
        "/web/database",
        "//web/database/manager",
        "/web//database/manager",
        "/web/%64atabase/manager",
        "/web%2Fdatabase%2Fmanager",
        "/web/./database/manager",
        "/./web/././/database",
        "/%2e/web/%2e/database",
        "/web/database/manager?x=1",
        "/fr/web/database/manager",
        "/WEB/Database",
        "/xmlrpc/db",
        "/xmlrpc/2/db",
        "/xmlrpc//2/d%62",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_database_manager_is_closed(router: Router, odoo: Pool, path: str, method: str) -> None:
    assert fetch(router, path, method=method, body=b"x" if method == "POST" else None).status == 403
    assert odoo.asked == []


@pytest.mark.parametrize("path", ["/x/../web/database", "/web/x/%2e%2e/database", "/..", "/a/.."])
def test_a_path_that_climbs_is_refused(router: Router, odoo: Pool, path: str) -> None:
    assert fetch(router, path).status == 400
    assert odoo.asked == []


@pytest.mark.parametrize("path", ["/web", "/web/login", "/xmlrpc/2/object", "/web/content/..hidden", "/database"])
def test_its_neighbours_are_open(router: Router, path: str) -> None:
    assert fetch(router, path).status == 200


def rpc(service: str, **more: object) -> bytes:
    params = {"service": service, "method": "list", "args": []}
    return json.dumps({"jsonrpc": "2.0", "method": "call", "params": {**params, **more}, "id": 1}).encode()


@pytest.mark.parametrize("path", ["/jsonrpc", "//jsonrpc", "/json%72pc", "/fr/jsonrpc"])
@pytest.mark.parametrize(
    "body",
    [
        rpc("db"),
        b'{"params" : {"args": [{"a": "}"}, [1]] , "service"\n:\t"db"}}',
        b'{"params": {"service": "object", "service": "db"}}',
        b'{"params": {}, "params": {"service": "db"}}',
        rb'{"p\u0061rams": {"\u0073ervice": "\u0064b"}}',
        rb'{"x": "\"", "y\\": "{\"", "params": {"service": "db"}}',
    ],
)
def test_the_db_service_of_json_rpc_is_closed(router: Router, path: str, body: bytes) -> None:
    assert fetch(router, path, method="POST", body=body).status == 403


def test_it_is_closed_too_where_the_answer_would_be_compressed(router: Router) -> None:
    answer = fetch(router, "/jsonrpc", method="POST", body=rpc("db"), headers={"Accept-Encoding": "gzip"})
    assert answer.status == 403


@pytest.mark.parametrize(
    "body",
    [
        rpc("object", args=["db", "service", {"service": "db"}]),
        rpc("common"),
        b'{"service": "db", "params": {"service": "object"}}',
        rb'{"params": {"service": "object", "method": "\"service\": \"db\""}}',
        b'{"params": {"service": {"service": "db"}}}',
        b"no json at all {[",
        b"",
        b'{"params": {"service": "object", "args": ["' + b"x" * 100_000 + b'"]}}',
    ],
)
def test_the_other_services_of_json_rpc_are_open(router: Router, body: bytes) -> None:
    assert fetch(router, "/jsonrpc", method="POST", body=body).status == 200


def test_a_body_that_dribbles_in_does_not_slip_past(router: Router, odoo: Pool) -> None:
    """The router waits for the body before it decides; a client that sends it too slowly is sent away."""
    answer = fetch(router, "/jsonrpc?slowly", method="POST", headers={"Content-Length": "400"}, body=b'{"params":')
    assert answer.status == 408
    assert "/jsonrpc?slowly" not in odoo.asked
