"""docs/odoo-image.md, "HTTP": ports, health, static files, and where the oddities are."""

import json
import re
import secrets
import xmlrpc.client

import pytest

from .serving import Server
from .stage import Stage
from .websockets import handshake, say


def test_health_passes_on_both_ports(server: Server) -> None:
    for path, port in (("/web/health", 8069), ("/websocket/health", 8072)):
        answer = server.get(path, port=port)
        assert (answer.status, json.loads(answer.body)["status"]) == (200, "pass")


def test_without_a_host_header_it_answers_500(server: Server) -> None:
    assert server.get("/web/health", headers={"Host": ""}).status == 500


def test_answers_are_http_1_0_and_close(server: Server) -> None:
    answer = server.get("/web/health")
    assert answer.version == 10
    assert answer.header("Connection") in ("close", "")


def test_the_root_leads_to_the_login_page(server: Server) -> None:
    answer, path = server.follow("/")
    assert answer.status == 200
    assert path.startswith("/web/login")
    assert 'name="login"' in answer.text
    assert 'name="password"' in answer.text


def test_the_login_page_links_a_style_sheet_that_is_served(server: Server) -> None:
    link = re.search(r'href="(/web/assets/[^"]+\.css)"', server.get("/web/login").text)
    assert link
    answer = server.get(link[1])
    assert (answer.status, answer.header("Content-Type").partition(";")[0]) == (200, "text/css")


def test_static_files_of_an_installed_module_are_served(server: Server) -> None:
    answer = server.get("/contract_book/static/src/book.txt")
    assert (answer.status, answer.text) == (200, "contract\n")
    assert answer.header("Content-Type").startswith("text/plain")


def test_static_files_of_a_module_that_is_not_installed_are_served_too(server: Server) -> None:
    assert server.get("/contract_shelf/static/src/shelf.txt").text == "shelf\n"


@pytest.mark.parametrize("path", ["/contract_book/static/src/none.txt", "/no/such/page"])
def test_what_is_not_there_is_404(server: Server, path: str) -> None:
    assert server.get(path).status == 404


def test_a_path_out_of_the_static_folder_is_refused(server: Server) -> None:
    answer = server.get("/contract_book/static/../__manifest__.py")
    assert answer.status in (404, 500)
    assert "depends" not in answer.text


def test_a_controller_of_an_installed_module_answers(server: Server) -> None:
    assert server.get("/contract/slow?s=0").text == "slept 0"


def test_a_websocket_on_the_http_port_is_an_error(server: Server) -> None:
    assert server.get("/websocket").status == 400
    with server.connect(8069) as connection:
        assert handshake(connection) == 500


def test_a_websocket_on_the_evented_port_is_accepted(server: Server) -> None:
    with server.connect(8072) as connection:
        assert handshake(connection) == 101
        say(connection, json.dumps({"event_name": "subscribe", "data": {"channels": [], "last": 0}}))


def test_the_database_manager_answers_even_without_a_list(stage: Stage, copy: str) -> None:
    with stage.serve("-d", copy, "--no-database-list", "--workers", "1", "--max-cron-threads", "0") as server:
        server.wait()
        assert server.get("/web/database/selector").status == 200


def test_proxy_headers_count_only_with_a_forwarded_host(server: Server) -> None:
    sent = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    without = server.get("/contract/seen", headers=sent).text.split()
    with_host = server.get("/contract/seen", headers={**sent, "X-Forwarded-Host": "shop.example.com"}).text.split()
    assert without[:2] == ["http", "localhost"]
    assert without[2] != "198.51.100.7"
    assert with_host == ["https", "shop.example.com", "198.51.100.7"]


def test_json_rpc_signs_in_and_works_on_records(server: Server) -> None:
    name = f"By RPC {secrets.token_hex(3)}"
    database = server.database

    def execute(method: str, *arguments: object) -> object:
        args = [database, 2, "admin", "contract.book", method, list(arguments)]
        return server.call("/jsonrpc", service="object", method="execute_kw", args=args)["result"]

    signed_in = server.call("/jsonrpc", service="common", method="authenticate", args=[database, "admin", "admin", {}])
    assert signed_in["result"] == 2
    book = execute("create", {"name": name, "pages": 11})
    assert execute("search", [("name", "=", name)]) == [book]
    execute("write", [book], {"pages": 20})
    assert execute("search_read", [("name", "=", name)], ["pages", "sheets"]) == [
        {"id": book, "pages": 20, "sheets": 10}
    ]
    execute("unlink", [book])
    assert execute("search_count", [("name", "=", name)]) == 0


def test_json_rpc_refuses_a_wrong_password_with_status_200(server: Server) -> None:
    args = [server.database, 2, "wrong", "res.partner", "search_count", [[]]]
    error = server.call("/jsonrpc", service="object", method="execute_kw", args=args)["error"]
    assert error["data"]["name"] == "odoo.exceptions.AccessDenied"


def test_xml_rpc_does_the_same(server: Server) -> None:
    address = f"http://{server.address}:8069/xmlrpc/2"
    with xmlrpc.client.ServerProxy(f"{address}/common") as common:
        assert common.authenticate(server.database, "admin", "admin", {}) == 2
        assert common.authenticate(server.database, "admin", "wrong", {}) is False
    with xmlrpc.client.ServerProxy(f"{address}/object") as records:
        asked = (server.database, 2, "admin", "res.users", "read", [[2]], {"fields": ["login"]})
        assert records.execute_kw(*asked) == [{"id": 2, "login": "admin"}]


def test_the_version_can_be_asked_for(server: Server, series: str) -> None:
    assert server.call("/jsonrpc", service="common", method="version", args=[])["result"]["server_serie"] == series


def test_the_db_service_answers_from_outside(server: Server) -> None:
    listed = server.call("/jsonrpc", service="db", method="list", args=[])["result"]
    assert server.database in listed
