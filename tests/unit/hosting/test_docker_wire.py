import io
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hosting.engines.docker import ContainerMissing, EngineError, EngineUnreachable, ImageMissing, TimedOut
from hosting.engines.docker.streams import follow, forever
from hosting.engines.docker.wire import Stream, Wire
from tests.unit.hosting.scripted_engine import engine, read_head

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Cancelled(Exception):
    pass


def out(content: bytes) -> bytes:
    return b"\x01\0\0\0" + len(content).to_bytes(4, "big") + content


def chunk(content: bytes) -> bytes:
    return b"%X\r\n%s\r\n" % (len(content), content)


def read_to_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def talk(url: str, *, stdin: bytes | None = None, seconds: float = 5) -> str:
    with Wire(url, "/v1.41/exec/1/start", b"{}") as wire:
        return "".join(wire.talk(stdin=stdin, deadline=time.monotonic() + seconds, keep_going=forever))


def test_output_that_comes_in_one_piece_with_the_headers_is_not_lost(tmp_path: Path) -> None:
    def script(connection: socket.socket) -> None:
        head = read_head(connection)
        assert head.startswith(b"POST /v1.41/exec/1/start HTTP/1.1\r\n")
        connection.sendall(UPGRADED + out(b"early ") + out(b"late"))

    with engine(tmp_path, script) as url:
        assert talk(url) == "early late"


def test_input_is_sent_whole_and_ended(tmp_path: Path) -> None:
    received = b""

    def script(connection: socket.socket) -> None:
        nonlocal received
        read_head(connection)
        connection.sendall(UPGRADED)
        received = read_to_end(connection)
        connection.sendall(out(b"thanks"))

    content = bytes(range(256)) * 8192
    with engine(tmp_path, script) as url:
        assert talk(url, stdin=content) == "thanks"

    assert received == content


def test_a_container_that_does_not_read_its_input_is_heard_to_its_end(tmp_path: Path) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(UPGRADED + out(b"no, thanks"))

    with engine(tmp_path, script) as url:
        assert talk(url, stdin=b"x" * 5_000_000) == "no, thanks"


def test_silence_ends_at_the_time_limit(tmp_path: Path) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(UPGRADED)
        read_to_end(connection)

    with engine(tmp_path, script) as url, pytest.raises(TimedOut):
        talk(url, seconds=0.3)


def test_an_endless_stream_ends_at_the_time_limit_too(tmp_path: Path) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(UPGRADED)
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                connection.sendall(out(b"y\n" * 1000))

    with engine(tmp_path, script) as url, pytest.raises(TimedOut):
        talk(url, seconds=0.3)


def test_a_refusal_is_told_in_the_words_of_the_engine(tmp_path: Path) -> None:
    body = b'{"message":"Container 7609 is not running"}'

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with engine(tmp_path, script) as url, pytest.raises(EngineError, match="Container 7609 is not running$"):
        talk(url)


def test_a_refusal_whose_reason_comes_later_is_told_too(tmp_path: Path) -> None:
    body = b'{"message":"No such container: x"}'

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body))
        time.sleep(0.2)
        connection.sendall(body)

    with engine(tmp_path, script) as url, pytest.raises(ContainerMissing, match="No such container: x$"):
        talk(url)


def test_an_engine_that_hangs_up_is_unreachable(tmp_path: Path) -> None:
    with engine(tmp_path, lambda _: None) as url, pytest.raises(EngineUnreachable, match="gave no answer"):
        talk(url)


def test_an_engine_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="systemctl status docker"):
        talk(f"unix://{tmp_path}/none.sock")


def test_only_unix_sockets_are_supported() -> None:
    with pytest.raises(EngineUnreachable, match="only unix:///path is supported"):
        Stream("tcp://127.0.0.1:2375", "/build", {})


def test_a_stream_uploads_its_body_and_yields_objects_as_they_come(tmp_path: Path) -> None:
    received = b""

    def script(connection: socket.socket) -> None:
        nonlocal received
        received = read_head(connection)
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
        connection.sendall(CHUNKED + chunk(b'{"stream":"one"}\r\n{"str') + chunk(b'eam":"two"}\r\n') + chunk(b""))

    with engine(tmp_path, script) as url:
        events = list(Stream(url, "/v1.41/build", {"t": "a/b:c", "rm": "1"}, io.BytesIO(b"tar" * 10)))

    assert events == [{"stream": "one"}, {"stream": "two"}]
    assert received.startswith(b"POST /v1.41/build?t=a%2Fb%3Ac&rm=1 HTTP/1.1\r\n")
    assert received.endswith(chunk(b"tar" * 10) + b"0\r\n\r\n")


def test_a_stream_without_its_image_says_so(tmp_path: Path) -> None:
    body = b'{"message":"no such image"}'

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with engine(tmp_path, script) as url, pytest.raises(ImageMissing, match="no such image"):
        list(Stream(url, "/v1.41/images/create", {"fromImage": "x"}))


def test_a_stream_that_breaks_off_is_no_good_end(tmp_path: Path) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(CHUNKED + chunk(b'{"stream":"one"}\r\n'))

    with engine(tmp_path, script) as url, pytest.raises(EngineUnreachable):
        list(Stream(url, "/v1.41/images/create", {}))


@pytest.mark.parametrize("answer", [b"", CHUNKED, CHUNKED + chunk(b'{"stream":"one"}\r\n')])
def test_cancelling_hangs_up_whatever_the_engine_has_answered(tmp_path: Path, answer: bytes) -> None:
    hung_up = threading.Event()

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)
        read_to_end(connection)
        hung_up.set()

    started = time.monotonic()

    def keep_going() -> None:
        if time.monotonic() - started > 0.4:
            raise Cancelled

    with engine(tmp_path, script) as url:
        stream = Stream(url, "/v1.41/images/create", {})
        with pytest.raises(Cancelled):
            list(follow(lambda: stream, keep_going=keep_going, cancel=stream.cancel))

    assert hung_up.is_set()
