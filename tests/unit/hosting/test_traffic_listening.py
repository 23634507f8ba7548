"""From a datagram to rows: the two threads of the agent."""

import grp
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hosting import listening
from hosting.engines.haproxy import RouterConfig
from hosting.listening import Listener
from hosting.models import TrafficSecond, TrafficWatch
from tests.unit.hosting.test_traffic_lines import line

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[RouterConfig]:
    """In a folder whose name is short enough for a socket."""
    monkeypatch.setattr(listening, "WRITE_S", 0.05)
    monkeypatch.setattr(listening, "AGAIN_S", 0.05)
    with tempfile.TemporaryDirectory() as folder:
        yield RouterConfig(Path(folder), Path(folder) / "run", group=grp.getgrgid(os.getgid()).gr_name)


def send(config: RouterConfig, *lines: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        for each in lines:
            log.sendto(each.encode(), str(config.log_socket))


def eventually(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def requests() -> int:
    return sum(TrafficSecond.objects.values_list("requests", flat=True))


def test_lines_become_rows_and_garbage_does_not(config: RouterConfig) -> None:
    config.run.mkdir()
    with Listener(config) as listener:
        eventually(config.log_socket.exists)
        send(config, "garbage", line(), "\ufffd" * 3000, line(status=502), "")
        eventually(lambda: requests() == 2)
        assert listener.is_alive()
    assert sum(TrafficSecond.objects.values_list("failed", flat=True)) == 1
    assert TrafficWatch.objects.count() == 1


def test_listening_begins_once_there_is_a_place_for_it(config: RouterConfig) -> None:
    with Listener(config):
        time.sleep(0.2)
        assert not TrafficWatch.objects.exists()
        config.run.mkdir()
        eventually(TrafficWatch.objects.exists)
        send(config, line())
        eventually(lambda: requests() == 1)


def test_what_was_read_is_written_before_the_end(config: RouterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config.run.mkdir()
    monkeypatch.setattr(listening, "WRITE_S", 60)
    with Listener(config):
        eventually(config.log_socket.exists)
        send(config, line())
        time.sleep(0.3)
        assert requests() == 0
    assert requests() == 1
