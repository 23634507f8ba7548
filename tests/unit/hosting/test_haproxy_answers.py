"""HAProxy's answers are read strictly: what its manual does not promise is an error, with command and answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosting.engines.haproxy import RouterDown, RouterError, UnexpectedAnswer
from hosting.engines.haproxy.runtime import Workers, ask, parse_map, parse_stat, parse_workers

PROCESSES = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
1162            master          5 [failed: 0]   0d00h02m07s     2.6.12
# workers
1271            worker          1               0d00h00m00s     2.6.12
# old workers
1233            worker          3               0d00h00m43s     2.6.12
1200            worker          4               0d00h10m43s     2.6.12
# programs

"""

STAT = """\
# pxname,svname,qcur,scur,slim,status,addr,
web_s1,p1,0,3,6,no check,10.213.0.5:8069,
web_s1,p2,0,0,,MAINT,127.0.0.1:1,
web_s1,BACKEND,2,5,800,UP,,

"""


@contextmanager
def answering(path: Path, answer: bytes | None) -> Iterator[list[bytes]]:
    """A socket that gives one answer, or with None keeps its caller waiting; what it was asked."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while piece := connection.recv(4096):
                    heard.append(piece)
                if answer is None:
                    done.wait(5)
                else:
                    connection.sendall(answer)

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        done.set()
        thread.join()


def test_it_sends_one_line_and_takes_the_whole_answer(tmp_path: Path) -> None:
    with answering(tmp_path / "socket", b"x" * 200_000) as heard:
        assert ask(tmp_path / "socket", "show info") == "x" * 200_000
    assert b"".join(heard) == b"show info\n"


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "socket", None),
        pytest.raises(RouterError, match="did not answer 'show info' within 0.1 s"),
    ):
        ask(tmp_path / "socket", "show info", timeout=0.1)


def test_it_says_that_no_router_runs(tmp_path: Path) -> None:
    with pytest.raises(RouterDown, match="start it"):
        ask(tmp_path / "missing", "show info")
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "abandoned"))
    with pytest.raises(RouterDown, match="start it"):
        ask(tmp_path / "abandoned", "show info")


def test_it_reads_workers_new_and_old() -> None:
    assert parse_workers(PROCESSES) == Workers(current=(1271,), old=(1233, 1200))
    assert parse_workers(PROCESSES).all == (1271, 1233, 1200)


@pytest.mark.parametrize(
    "answer", ["", "Unknown command", "# workers\nabc worker 1\n", "# workers\n12 program 1 x y\n"]
)
def test_it_refuses_what_are_no_workers(answer: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="show proc"):
        parse_workers(answer)


def test_it_reads_a_map() -> None:
    answer = "0x55658c2c0c30 demo.localhost i42\n0x55658c2c0c90 i42 s17,4f2c,open\n\n"
    assert parse_map("show map m", answer) == {"demo.localhost": "i42", "i42": "s17,4f2c,open"}


@pytest.mark.parametrize("answer", ["Unknown map identifier. Please use #<id> or <file>.\n", "0x5 only-a-key\n"])
def test_it_refuses_what_is_no_map(answer: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="show map m"):
        parse_map("show map m", answer)


def test_it_reads_servers_and_backends() -> None:
    server, spare, backend = parse_stat("show stat", STAT)
    assert (server.proxy, server.name, server.sessions, server.limit) == ("web_s1", "p1", 3, 6)
    assert (server.address, server.ready) == ("10.213.0.5:8069", True)
    assert not spare.ready
    assert (backend.name, backend.sessions) == ("BACKEND", 5)


def test_an_unknown_backend_has_no_lines() -> None:
    assert list(parse_stat("show stat web_s9 6 -1", "No such proxy.\n\n")) == []


def test_it_refuses_what_are_no_statistics() -> None:
    with pytest.raises(UnexpectedAnswer, match="'Permission denied' to 'show stat'"):
        list(parse_stat("show stat", "Permission denied\n"))
