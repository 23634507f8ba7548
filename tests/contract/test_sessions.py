"""docs/odoo-image.md, "HTTP": sessions are files, and outlive the container that made them."""

import re
from collections.abc import Iterator

import pytest

from .conftest import SERVING
from .serving import Server
from .stage import Stage


def is_signed_in(server: Server, session: str) -> bool:
    answer, path = server.follow("/web", headers={"Cookie": f"session_id={session}"})
    return answer.status == 200 and not path.startswith("/web/login")


@pytest.fixture(scope="module")
def signed_in(server: Server) -> str:
    return server.sign_in()


def test_a_visitor_gets_a_cookie(server: Server) -> None:
    cookie = server.get("/web/login").header("Set-Cookie")
    assert re.match(r"session_id=[\w-]{40,};", cookie)
    assert "HttpOnly" in cookie


def test_a_session_is_a_file_under_its_first_two_letters(stage: Stage, signed_in: str) -> None:
    assert list((stage.folder / "data" / "sessions" / signed_in[:2]).glob(f"{signed_in[:42]}*"))


def test_a_wrong_password_does_not_sign_in(server: Server) -> None:
    answer = server.send_login("wrong")
    assert answer.status == 200
    assert "Wrong login/password" in answer.text
    assert not is_signed_in(server, answer.session)


def test_a_session_is_good_in_another_container(stage: Stage, server: Server, signed_in: str) -> None:
    with stage.serve("-d", server.database, "--db-filter", f"^{server.database}$", *SERVING) as other:
        other.wait()
        assert is_signed_in(other, signed_in)


@pytest.fixture
def stopped_postgres(stage: Stage) -> Iterator[Stage]:
    stage.postgres("stop")
    yield stage
    stage.postgres("start")


def test_health_passes_while_postgresql_is_down(server: Server, stopped_postgres: Stage, series: str) -> None:
    assert server.get("/web/health").status == 200
    if float(series) >= 18:
        assert server.get("/web/health?db_server_status=1").status == 500


def test_a_session_is_lost_by_a_request_while_postgresql_is_down(stage: Stage, server: Server) -> None:
    session = server.sign_in()
    assert is_signed_in(server, session)
    stage.postgres("stop")
    try:
        server.get("/web/login", headers={"Cookie": f"session_id={session}"})
    finally:
        stage.postgres("start")
    assert not is_signed_in(server, session)


def test_health_makes_no_session(server: Server) -> None:
    assert not server.get("/web/health").session


def test_a_form_without_its_token_is_refused(server: Server) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.get("/web/login", headers=headers, body=b"login=admin&password=admin").status == 400
