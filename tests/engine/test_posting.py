"""POSTs to addresses that people name, to a real server: what is sent, where to, and when it ends."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portal.posting import BadAddress, NotSent, locate, post
from tests.fakehub.receiver import Receiver

pytestmark = pytest.mark.engine


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.start() as receiver:
        yield receiver


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address where `serve` gets the one connection, when all of the request has come."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _peer = listening.accept()
            with connection:
                got = connection.recv(65536)
                while got.startswith(b"POST") and not got.endswith(b"{}"):
                    got += connection.recv(65536)
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(10)


def test_the_body_and_the_headers_arrive_and_the_answer_comes_back(receiver: Receiver) -> None:
    answer = post(locate(f"{receiver.url}?a=1", allow_private=True), b'{"a": 1}', {"X-Berth-Event": "ping"})
    assert answer.code == 202
    (got,) = receiver.received
    assert got.body == b'{"a": 1}'
    assert got.headers["x-berth-event"] == "ping"
    assert got.headers["host"] == receiver.url.split("/")[2]


def test_the_connection_goes_to_the_checked_address_whatever_the_name_server_says_next(receiver: Receiver) -> None:
    """The name leads nowhere: were it looked up once more, nothing would arrive."""
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    answers = iter([["127.0.0.1"]])
    target = locate(f"http://rebinds.invalid:{port}/hook", allow_private=True, resolve=lambda *_: next(answers))
    assert post(target, b"{}", {}).code == 202
    assert receiver.received[0].headers["host"] == f"rebinds.invalid:{port}"


def test_nothing_is_sent_to_this_machine_unless_it_is_allowed(receiver: Receiver) -> None:
    with pytest.raises(BadAddress, match="inside a private network"):
        locate(receiver.url, allow_private=False)
    assert receiver.received == []


def test_a_redirect_is_an_answer_like_any_other_and_not_followed(receiver: Receiver) -> None:
    def redirect(connection: socket.socket) -> None:
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {receiver.url}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(head.encode())

    with server(redirect) as url:
        answer = post(locate(url, allow_private=True), b"{}", {})
    assert (answer.code, answer.headers["Location"]) == (307, receiver.url)
    assert receiver.received == []


def test_who_answers_a_letter_at_a_time_is_not_waited_for(receiver: Receiver) -> None:
    def dribble(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            return  # the other side has hung up

    with server(dribble) as url, pytest.raises(NotSent, match="no answer within 1 s"):
        post(locate(url, allow_private=True), b"{}", {}, timeout=1)


def test_who_never_answers_is_not_waited_for() -> None:
    hung_up = threading.Event()

    def wait(connection: socket.socket) -> None:
        connection.recv(1)  # nothing comes but the end
        hung_up.set()

    with server(wait) as url, pytest.raises(NotSent, match="no answer within 1 s"):
        post(locate(url, allow_private=True), b"{}", {}, timeout=1)
    assert hung_up.wait(5)


def test_an_endless_answer_is_cut() -> None:
    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            return  # the other side has hung up

    with server(pour) as url:
        answer = post(locate(url, allow_private=True), b"{}", {})
    assert answer.body == "x" * 10_000


@pytest.mark.parametrize("answered", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000])
def test_what_is_no_http_is_said(answered: bytes) -> None:
    with server(lambda connection: connection.sendall(answered)) as url, pytest.raises(NotSent):
        post(locate(url, allow_private=True), b"{}", {})


def test_a_server_without_tls_is_said() -> None:
    with (
        server(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as url,
        pytest.raises(NotSent, match="SSL"),
    ):
        post(locate(url.replace("http:", "https:"), allow_private=True), b"{}", {})


def test_nobody_at_the_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        post(locate(f"http://127.0.0.1:{port}/", allow_private=True), b"{}", {})
