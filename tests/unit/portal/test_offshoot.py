"""A forked process is there as long as the one that forked it, and no longer."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portal import offshoot
from portal.offshoot import Offshoot


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Work:
    """Notes its process, and goes on until it is told to end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def __call__(self, lifeline: int) -> None:
        with self.file.open("a") as file:
            file.write(f"{os.getpid()} {os.getppid()}\n")
        os.read(lifeline, 1)

    @property
    def pids(self) -> list[int]:
        return [int(line.split()[0]) for line in self.file.read_text().splitlines() if line.count(" ") == 1]

    @property
    def keeper(self) -> int:
        return int(self.file.read_text().split()[1])


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setattr(offshoot, "PAUSE_S", 0.05)
    return Work(tmp_path / "pids")


def test_it_ends_with_the_one_that_forked_it(work: Work) -> None:
    with Offshoot(work) as forked:
        assert until(lambda: len(work.pids) == 1)
        assert forked.is_alive()
        assert work.pids[0] != os.getpid()
        pids = [*work.pids, work.keeper]
    assert until(lambda: not any(map(lives, pids)))


def test_it_is_forked_again_when_it_is_killed(work: Work) -> None:
    with Offshoot(work) as forked:
        assert until(lambda: len(work.pids) == 1)
        os.kill(work.pids[0], signal.SIGKILL)
        assert until(lambda: len(work.pids) == 2)
        assert forked.is_alive()


def test_it_is_forked_again_when_its_work_fails(tmp_path: Path, work: Work) -> None:
    def fail(lifeline: int) -> None:
        if not work.pids:
            work(lifeline=os.open("/dev/null", os.O_RDONLY))
            raise RuntimeError("for once")
        work(lifeline)

    with Offshoot(fail):
        assert until(lambda: len(work.pids) == 2)


def test_it_is_known_when_nobody_looks_after_it_any_more(work: Work) -> None:
    with Offshoot(work) as forked:
        assert until(lambda: len(work.pids) == 1)
        os.kill(work.keeper, signal.SIGKILL)
        assert until(lambda: not forked.is_alive())
    assert until(lambda: not lives(work.pids[0]))
