"""The engine goes away and comes back, as seen through a door that the test shuts; the real one is never touched."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hosting.engines.docker import Docker, EngineUnreachable
from tests.engine.tenants import URL, Tenants

pytestmark = [
    pytest.mark.engine,
    # docker-py leaves a socket that could not connect to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@dataclass
class Door:
    """A Unix socket that leads to the engine's, until it is shut."""

    path: Path
    listener: socket.socket | None = None
    open_sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def shut(self) -> None:
        """All connections break, and new ones are refused, as by an engine that was killed."""
        if self.listener is not None:
            _close(self.listener)
        for each in self.open_sockets:
            _close(each)
        self.open_sockets.clear()

    @property
    def is_shut(self) -> bool:
        return not self.open_sockets

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                inside, _ = listener.accept()
                outside = socket.socket(socket.AF_UNIX)
                outside.connect(URL.removeprefix("unix://"))
                self.open_sockets += [inside, outside]
                for source, target in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_copy, args=(source, target), daemon=True).start()


class Said:
    """An `Output` that remembers."""

    def __init__(self) -> None:
        self.text, self.something = "", threading.Event()

    def __call__(self, text: str) -> None:
        self.text += text
        self.something.set()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "docker.sock")
    made.open()
    yield made
    made.shut()
    gc.collect()


@pytest.fixture
def behind(hosted: Tenants, door: Door) -> Iterator[Docker]:
    """The engine behind the door."""
    with Docker(f"unix://{door.path}", hosted.docker.installation) as made:
        yield made


def shut_for(door: Door, seconds: float, *, after: threading.Event) -> None:
    def run() -> None:
        after.wait(30)
        door.shut()
        time.sleep(seconds)
        door.open()

    threading.Thread(target=run, daemon=True).start()


def test_a_one_off_outlives_a_restart_of_the_engine_and_all_it_said_is_heard(
    hosted: Tenants, door: Door, behind: Docker
) -> None:
    said = Said()
    spec = hosted.spec("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done; exit 9")
    shut_for(door, 1.5, after=said.something)

    assert behind.run_once(spec, timeout=30, output=said) == 9
    assert said.text.splitlines() == [f"line {number}" for number in range(1, 9)]
    assert hosted.docker.inspect(spec.name) is None


def test_one_that_ends_while_the_engine_is_away_is_heard_to_its_end(
    hosted: Tenants, door: Door, behind: Docker
) -> None:
    said = Said()
    spec = hosted.spec("sh", "-c", "echo first; sleep 1; echo last; exit 3")
    shut_for(door, 2.5, after=said.something)

    assert behind.run_once(spec, timeout=30, output=said) == 3
    assert said.text == "first\nlast\n"


def test_one_that_may_have_lost_input_is_not_trusted(hosted: Tenants, door: Door, behind: Docker) -> None:
    said = Said()
    spec = hosted.spec("sh", "-c", "cat > /tmp/script; echo ready; sleep 8")
    shut_for(door, 1, after=said.something)
    with pytest.raises(EngineUnreachable, match="without the rest of its input. It was killed"):
        behind.run_once(spec, timeout=30, stdin=b"DROP TABLE", output=said)

    assert hosted.docker.inspect(spec.name) is None


def test_a_cancel_does_not_wait_for_the_engine(hosted: Tenants, door: Door, behind: Docker) -> None:
    class Cancelled(Exception):
        pass

    said, away = Said(), 0
    spec = hosted.spec("sh", "-c", "echo ready; sleep 30")

    def keep_going() -> None:
        nonlocal away
        away += door.is_shut
        if away > 3:
            raise Cancelled

    shut_for(door, 3, after=said.something)
    with pytest.raises(Cancelled):
        behind.run_once(spec, timeout=30, keep_going=keep_going, output=said)

    assert hosted.docker.inspect(spec.name) is None


def test_the_next_call_after_a_restart_works(hosted: Tenants, door: Door, behind: Docker) -> None:
    behind.ping()
    door.shut()
    with pytest.raises(EngineUnreachable):
        behind.ping()
    door.open()

    behind.ping()


def test_a_build_that_loses_its_engine_is_no_success(
    hosted: Tenants, door: Door, behind: Docker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = Said()
    shut_for(door, 1, after=said.something)
    with pytest.raises(EngineUnreachable):
        behind.build(
            tmp_path_factory.mktemp("context"),
            f"FROM {hosted.image_id}\nRUN sleep 20",
            tag=f"berth-{behind.installation}/i42:b9",
            labels={},
            memory_bytes=64 * 1024 * 1024,
            cpus=1,
            network="none",
            timeout=60,
            output=said,
        )
