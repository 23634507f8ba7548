import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from hosting.engines.haproxy import (
    Marks,
    Route,
    RouterConfig,
    RouterState,
    Server,
    render_config,
    render_maps,
    render_slot,
    render_slots,
    start_argv,
)
from hosting.engines.haproxy.render import render_assets

CONFIG = RouterConfig(Path("/berth/haproxy"), Path("/berth/run"), slots=2, websockets=100)

SLOT = """\
backend web_s2 from web
    server p1 10.213.0.5:8069 maxconn 6
    server p2 10.213.0.6:8069 maxconn 6
    server p3 127.0.0.1:1 disabled
    server p4 127.0.0.1:1 disabled

backend ws_s2 from ws
    server p1 10.213.0.5:8072 maxconn 50
    server p2 10.213.0.6:8072 maxconn 50
    server p3 127.0.0.1:1 disabled
    server p4 127.0.0.1:1 disabled
"""

EMPTY_SLOT = """\
backend web_s1 from web
    server p1 127.0.0.1:1 disabled
    server p2 127.0.0.1:1 disabled
    server p3 127.0.0.1:1 disabled
    server p4 127.0.0.1:1 disabled

backend ws_s1 from ws
    server p1 127.0.0.1:1 disabled
    server p2 127.0.0.1:1 disabled
    server p3 127.0.0.1:1 disabled
    server p4 127.0.0.1:1 disabled
"""

PAIR = [Server("10.213.0.5", maxconn=6), Server("10.213.0.6", maxconn=6)]


def lines(config: RouterConfig = CONFIG) -> list[str]:
    return [line.strip() for line in render_config(config).splitlines()]


def test_a_slot_lists_its_pool_and_shares_the_websockets_among_the_servers() -> None:
    assert render_slot(CONFIG, 2, PAIR) == SLOT


def test_an_empty_slot_keeps_its_places() -> None:
    assert render_slot(CONFIG, 1, []) == EMPTY_SLOT


def test_every_slot_is_rendered_so_that_a_restart_comes_back_with_what_ran() -> None:
    assert render_slots(CONFIG, RouterState(slots={2: PAIR})) == {"slots/s1.cfg": EMPTY_SLOT, "slots/s2.cfg": SLOT}


def test_it_refuses_a_slot_that_the_router_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"no slot 3: this router has 2"):
        render_slots(CONFIG, RouterState(slots={3: PAIR}))


def test_it_refuses_more_servers_than_a_slot_has_places() -> None:
    with pytest.raises(ValueError, match="places for 4 servers, not for 5"):
        render_slot(CONFIG, 1, 5 * [PAIR[0]])


def test_the_maps_say_hosts_routes_holds_and_marks() -> None:
    state = RouterState(
        hosts={"www.example.com": "i42", "demo.localhost": "i42"},
        routes={"i42": Route("i42", "s17", "4f2c9a1", "open"), "i43": Route("i43", "updating")},
        held=frozenset({"i42"}),
        marks={"www.example.com": Marks(https=True), "demo.localhost": Marks(True, True), "plain.localhost": Marks()},
    )
    assert render_maps(state) == {
        "hosts.map": "demo.localhost i42\nwww.example.com i42\n",
        "routes.map": "i42 s17,4f2c9a1,open\ni43 updating,,closed\n",
        "hold.map": "i42 1\n",
        "marks.map": "demo.localhost https,hidden\nwww.example.com https\n",
    }


@pytest.mark.parametrize(
    "marks", [Marks(https=True), Marks(hidden=True), Marks(https=True, hidden=True), Marks(noticed=True)]
)
def test_marks_are_read_as_they_are_written(marks: Marks) -> None:
    assert Marks.parse(marks.value) == marks


def test_the_notice_runs_its_own_script_alone() -> None:
    head, _, body = render_assets()["pages/extended.http"].partition("\n\n")
    script = body.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in head


def test_https_comes_in_only_where_it_has_a_port() -> None:
    assert not [line for line in lines() if " ssl " in line or line.startswith("ssl-")]

    secure = lines(replace(CONFIG, tls_port=8443))

    certificates = "crt /berth/haproxy/certificates/_default.pem crt-list /berth/haproxy/certificates.list"
    assert f"bind 127.0.0.1:8443 ssl {certificates} alpn h2,http/1.1" in secure
    assert "ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets" in secure


@pytest.mark.parametrize(("port", "address"), [(443, "(txn.host)]%[pathq]"), (8443, "(txn.host)]:8443%[pathq]")])
def test_visitors_are_sent_to_the_port_of_https(port: int, address: str) -> None:
    sent = [line for line in lines(replace(CONFIG, tls_port=port)) if " redirect code " in line]
    assert len(sent) == 2
    assert all(address in line for line in sent)


def test_the_configuration_says_where_things_are() -> None:
    assert {
        "user haproxy",
        "group haproxy",
        "pidfile /berth/run/router.pid",
        "default-path origin /berth/haproxy",
        "stats socket /berth/run/router.sock user root mode 600 level admin expose-fd listeners",
        "bind 127.0.0.1:8080",
        "bind 127.0.0.1:8000",
        "log /berth/run/router.log.sock format raw local0 info",
    } <= set(lines())


def test_the_configuration_bounds_every_wait() -> None:
    assert {
        "hard-stop-after 900s",
        "timeout http-request 10s",
        "timeout connect 5s",
        "timeout client 720s",
        "timeout server 720s",
        "timeout queue 30s",
        "timeout tunnel 3600s",
        "timeout server 870s",  # of the way inside: a hold, a queue and a request, and a minute
        "http-request lua.hold 60 if held",
    } <= set(lines())


def test_the_commit_header_is_always_taken_from_the_tenant_and_given_if_wanted() -> None:
    taken = "http-after-response del-header X-Berth-Commit unless handed_on"  # what was said inside is true
    given = "http-after-response set-header X-Berth-Commit %[var(txn.commit)] if { var(txn.commit) -m len gt 0 }"
    assert [line for line in lines() if "X-Berth-Commit" in line] == [taken, given]
    quiet = replace(CONFIG, commit_header=False)
    assert [line for line in lines(quiet) if "X-Berth-Commit" in line] == [taken]


def test_a_stanza_of_the_operators_comes_last() -> None:
    stanza = "frontend stats\n    bind 127.0.0.1:9000\n    stats enable\n"
    assert render_config(replace(CONFIG, extra=stanza)).endswith("\n" + stanza + "\n")


def test_doors_are_closed_before_requests_are_held_and_routes_are_read_after_it() -> None:
    order = [
        "http-request deny deny_status 403 if { var(txn.path) -i -m sub /web/database /xmlrpc/db /xmlrpc/2/db }",
        "http-request lua.hold 60 if held",
        "http-request set-var(txn.route) var(txn.instance),map(routes.map)",
    ]
    assert [line for line in lines() if line in order] == order


def test_it_is_started_as_master_and_worker_with_a_control_socket_of_berths() -> None:
    assert start_argv(replace(CONFIG, owner="berth")) == [
        "/usr/sbin/haproxy",
        "-W",
        "-D",
        "-S",
        "/berth/run/router-master.sock,mode,600,user,berth,level,admin",
        "-f",
        "/berth/haproxy/haproxy.cfg",
        "-f",
        "/berth/haproxy/slots",
    ]
