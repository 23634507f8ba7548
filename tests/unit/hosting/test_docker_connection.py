import socket
from pathlib import Path

import pytest

from hosting.engines.docker import ContainerMissing, Docker, EngineError, EngineUnreachable
from tests.unit.hosting.scripted_engine import Script, engine, read_head


def answering(status: str, message: str) -> Script:
    body = f'{{"message":"{message}"}}'

    def script(connection: socket.socket) -> None:
        read_head(connection)
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())

    return script


def test_an_engine_that_hangs_up_is_unreachable_and_that_says_what_to_do(tmp_path: Path) -> None:
    with (
        engine(tmp_path, lambda _: None) as url,
        Docker(url, "a1b2c3") as docker,
        pytest.raises(EngineUnreachable, match="What runs goes on running. Look at `systemctl status docker`"),
    ):
        docker.ping()


def test_a_refusal_is_told_in_the_words_of_the_engine(tmp_path: Path) -> None:
    with (
        engine(tmp_path, answering("500 Internal Server Error", "no space left on device")) as url,
        Docker(url, "a1b2c3") as docker,
        pytest.raises(EngineError, match="could not remove container x: no space left on device$"),
    ):
        docker.remove("x")


def test_what_is_missing_is_none_or_an_error_as_the_caller_likes(tmp_path: Path) -> None:
    missing = answering("404 Not Found", "No such container: x")
    with engine(tmp_path, missing, missing) as url, Docker(url, "a") as docker:
        assert docker.inspect("x") is None
        with pytest.raises(ContainerMissing, match="no container x in the engine. Start the database again"):
            docker.require("x")


def test_no_proxy_of_the_environment_comes_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with engine(tmp_path, answering("404 Not Found", "")) as url, Docker(url, "a") as docker:
        assert docker.inspect("x") is None


def test_a_removal_that_somebody_else_began_is_waited_for(tmp_path: Path) -> None:
    scripts = (
        answering("409 Conflict", "removal of container x is already in progress"),
        answering("404 Not Found", "No such container: x"),
    )
    with engine(tmp_path, *scripts) as url, Docker(url, "a") as docker:
        docker.remove("x")
