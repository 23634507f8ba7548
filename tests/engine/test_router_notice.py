"""The page that users of a production see once a week while their Odoo is out of support, before its backend opens."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest

from hosting import pem
from hosting.engines.haproxy import Marks, Route, Router, RouterState
from portal import clock
from tests.engine.routers import Answer, Pool, ask, configured, fetch, free_port, pool, running, websocket

pytestmark = pytest.mark.engine

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
SEEN = "/berth-notice/seen"
NOTICED = {"old.localhost": Marks(noticed=True)}


@pytest.fixture(scope="module")
def odoo() -> Iterator[Pool]:
    with pool("odoo") as made:
        yield made


@pytest.fixture(scope="module")
def router(odoo: Pool) -> Iterator[Router]:
    hosts = {"old.localhost": "i42", "www.example.com": "i42", "new.localhost": "i43"}
    routes = {name: Route(name, "s1", "", "open") for name in ("i42", "i43")}
    noticed = NOTICED | {"www.example.com": Marks(noticed=True)}
    with running(RouterState(hosts, routes, {1: [odoo.server]}, marks=noticed)) as made:
        yield made


def asked(router: Router, path: str, host: str = "old.localhost", method: str = "GET", **headers: str) -> Answer:
    return fetch(router, path, host, method=method, headers=BROWSER | headers)


def is_notice(answer: Answer) -> bool:
    return answer.status == 200 and b"out of support" in answer.body


@pytest.mark.parametrize("host", ["old.localhost", "www.example.com", "OLD.localhost:8080"])
@pytest.mark.parametrize(
    "path", ["/odoo", "/odoo/", "/odoo/contacts/7", "/odoo?debug=1", "/web", "/web/", "/web?debug=1", "//web", "/%77eb"]
)
def test_it_comes_before_the_backend_opens(router: Router, host: str, path: str) -> None:
    answer = asked(router, path, host)
    assert is_notice(answer)
    assert (answer.headers["cache-control"], "set-cookie" in answer.headers) == ("no-store", False)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/shop", "/odoox", "/web/login", "/web/assets/1/web.css", "/web/image/1", "/web/health", "/website"),
        *("/web/content/1", "/web/static/img/favicon.ico", "/xmlrpc/2/object", "/my", "/websocket/health"),
    ],
)
def test_nothing_else_is_held_up(router: Router, path: str) -> None:
    assert asked(router, path).seen["pool"] == "odoo"


@pytest.mark.parametrize("path", ["/odoo", "/web", "/odoo/contacts"])
def test_programs_and_forms_never_meet_it(router: Router, path: str) -> None:
    assert asked(router, path, method="POST").seen["pool"] == "odoo"
    assert fetch(router, path, "old.localhost", headers={"Accept": "application/json"}).seen["pool"] == "odoo"
    assert fetch(router, path, "old.localhost").seen["pool"] == "odoo"
    assert asked(router, path, method="HEAD").status == 501  # as this pool says it
    assert fetch(router, "/jsonrpc", "old.localhost", method="POST", body=b"{}").seen["pool"] == "odoo"


def test_websockets_never_meet_it(router: Router) -> None:
    connection, status = websocket(router, "old.localhost")
    connection.close()
    assert status == 101


def test_a_supported_one_has_none(router: Router) -> None:
    assert asked(router, "/odoo", "new.localhost").seen["pool"] == "odoo"
    assert asked(router, SEEN, "new.localhost").seen["path"] == SEEN


def test_its_button_leads_back_and_lasts_a_week(router: Router) -> None:
    back = asked(router, SEEN, Referer="http://old.localhost:8080/odoo/contacts/7?debug=1&x=%20")
    assert (back.status, back.headers["location"]) == (303, "/odoo/contacts/7?debug=1&x=%20")
    kept = back.headers["set-cookie"]
    assert kept == "berth_notice=read; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
    assert asked(router, "/odoo", Cookie="session_id=a; berth_notice=read").seen["pool"] == "odoo"
    assert is_notice(asked(router, "/odoo", Cookie="session_id=berth_notice"))


@pytest.mark.parametrize(
    "referer",
    [
        *("", "http://old.localhost/", "http://old.localhost//evil.example", "https://evil.example//web"),
        *("javascript:/web", "http://old.localhost/odoox", "http://a/b/web", "/web"),
    ],
)
def test_it_leads_nowhere_else(router: Router, referer: str) -> None:
    assert asked(router, SEEN, Referer=referer).headers["location"] == "/web"


def test_a_page_of_another_site_leads_to_a_path_of_this_one_at_most(router: Router) -> None:
    assert (
        asked(router, SEEN, Referer="https://evil.example/web//evil.example").headers["location"]
        == "/web//evil.example"
    )


def test_it_ends_with_its_mark(router: Router) -> None:
    router.set_host("moved.localhost", "i42")
    router.mark_host("moved.localhost", Marks(noticed=True))
    assert is_notice(asked(router, "/web", "moved.localhost"))
    router.mark_host("moved.localhost", Marks())
    assert asked(router, "/web", "moved.localhost").seen["pool"] == "odoo"


def test_another_page_of_the_router_comes_first(router: Router) -> None:
    router.set_host("shut.localhost", "i44")
    router.mark_host("shut.localhost", Marks(noticed=True))
    router.set_route(Route("i44", "updating"))
    assert asked(router, "/odoo", "shut.localhost").status == 503


def test_over_https_its_cookie_stays_there(odoo: Pool) -> None:
    with configured(tls_port=free_port()) as router:
        router.write_certificates({}, pem.self_signed("old.localhost", clock.now()).pem)
        router.write(
            RouterState({"old.localhost": "i42"}, {"i42": Route("i42", "s1")}, {1: [odoo.server]}, marks=NOTICED)
        )
        router.start()
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", router.config.tls_port, timeout=10, context=context)
        with closing(connection):
            back = ask(connection, SEEN, "old.localhost", headers={"Referer": "https://old.localhost/web"})
    assert back.headers["location"] == "/web"
    assert back.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
