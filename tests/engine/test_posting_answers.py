"""What a receiver of deliveries answers, whatever it is, can be stored."""

import socket
import threading
from collections.abc import Iterator

import pytest

from portal import posting
from portal.posting import NotSent, Target


@pytest.fixture
def answering() -> Iterator[list[bytes]]:
    """A server on this machine: its port in words, then what it says to who comes."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        said.append(str(server.getsockname()[1]).encode())

        def serve() -> None:
            line, _address = server.accept()
            with line:
                line.recv(65_536)
                line.sendall(said[1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield said
        thread.join(timeout=5)


def target(port: bytes) -> Target:
    return Target("http", "127.0.0.1", int(port), "/", "127.0.0.1")


def test_zero_bytes_in_an_answers_headers_are_replaced(answering: list[bytes]) -> None:
    answering.append(b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 3\r\n\r\na\0b")
    answer = posting.post(target(answering[0]), b"{}", {})
    assert (answer.headers["X-A"], answer.body) == ("a\N{REPLACEMENT CHARACTER}b", "a\N{REPLACEMENT CHARACTER}b")


def test_zero_bytes_in_no_answer_at_all_are_replaced(answering: list[bytes]) -> None:
    answering.append(b"HT\0TP nonsense\r\n\r\n")
    with pytest.raises(NotSent) as refused:
        posting.post(target(answering[0]), b"{}", {})
    assert "\0" not in str(refused.value)
