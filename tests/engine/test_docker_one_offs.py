import hashlib
import threading
import time
from dataclasses import replace

import pytest

from hosting.engines.docker import ContainerSpec, ContainerState, ImageMissing, NetworkMissing, OutOfMemory, TimedOut
from tests.engine.tenants import Tenants

pytestmark = pytest.mark.engine


class Cancelled(Exception):
    pass


def is_gone(hosted: Tenants, spec: ContainerSpec) -> bool:
    return hosted.docker.inspect(spec.name) is None


def test_it_gives_the_exit_code_and_leaves_nothing(hosted: Tenants) -> None:
    said: list[str] = []
    spec = hosted.spec("sh", "-c", "echo out; echo err >&2; exit 3")
    exit_code = hosted.docker.run_once(spec, timeout=20, output=said.append)

    assert exit_code == 3
    assert sorted("".join(said).split()) == ["err", "out"]
    assert is_gone(hosted, spec)


def test_output_comes_while_it_runs(hosted: Tenants) -> None:
    heard: dict[str, float] = {}
    spec = hosted.spec("sh", "-c", "echo one; sleep 1; echo two")

    def output(text: str) -> None:
        heard[text.strip()] = time.monotonic()

    hosted.docker.run_once(spec, timeout=20, output=output)

    assert 0.8 < heard["two"] - heard["one"] < 1.6


def test_no_line_is_lost_at_either_end(hosted: Tenants) -> None:
    for _ in range(5):
        said: list[str] = []
        hosted.docker.run_once(
            hosted.spec("sh", "-c", "echo first; yes | head -n 20000; echo last"), timeout=20, output=said.append
        )
        lines = "".join(said).splitlines()

        assert (lines[0], len(lines), lines[-1]) == ("first", 20_002, "last")


def test_letters_split_between_two_writes_are_whole(hosted: Tenants) -> None:
    said: list[str] = []
    script = r"printf '\342\202'; sleep 0.3; printf '\254'"
    hosted.docker.run_once(hosted.spec("sh", "-c", script), timeout=20, output=said.append)

    assert "".join(said) == "€"


def test_it_takes_input(hosted: Tenants) -> None:
    said: list[str] = []
    content = b"0123456789abcde\n" * 100_000
    script = "busybox md5sum; echo end"
    hosted.docker.run_once(hosted.spec("sh", "-c", script), timeout=20, output=said.append, stdin=content)

    assert "".join(said) == f"{hashlib.md5(content).hexdigest()}  -\nend\n"


def test_without_input_it_reads_nothing(hosted: Tenants) -> None:
    assert hosted.docker.run_once(hosted.spec("cat"), timeout=20) == 0
    assert hosted.docker.run_once(hosted.spec("cat"), timeout=20, stdin=b"") == 0


def test_it_is_killed_at_its_time_limit(hosted: Tenants) -> None:
    said: list[str] = []
    spec = hosted.spec("sh", "-c", "echo begun; sleep 1000")
    started = time.monotonic()
    with pytest.raises(TimedOut, match="still running after 2 s and was killed"):
        hosted.docker.run_once(spec, timeout=2, output=said.append)

    assert time.monotonic() - started < 8
    assert said == ["begun\n"]
    assert is_gone(hosted, spec)


def test_closing_its_output_does_not_hide_that_it_runs(hosted: Tenants) -> None:
    spec = hosted.spec("sh", "-c", "exec sleep 1000 >&- 2>&-")
    with pytest.raises(TimedOut):
        hosted.docker.run_once(spec, timeout=2)

    assert is_gone(hosted, spec)


def test_it_can_be_cancelled_within_a_second(hosted: Tenants) -> None:
    cancelled_at, spec = 0.0, hosted.spec("sh", "-c", "echo begun; sleep 1000")
    begun = threading.Event()

    def keep_going() -> None:
        nonlocal cancelled_at
        if begun.is_set():
            cancelled_at = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        hosted.docker.run_once(spec, timeout=60, output=lambda _: begun.set(), keep_going=keep_going)

    assert time.monotonic() - cancelled_at < 3
    assert is_gone(hosted, spec)


def test_a_failing_listener_stops_it_too(hosted: Tenants) -> None:
    def output(text: str) -> None:
        raise ValueError(text)

    spec = hosted.spec("sh", "-c", "echo begun; sleep 1000")
    with pytest.raises(ValueError, match="begun"):
        hosted.docker.run_once(spec, timeout=60, output=output)

    assert is_gone(hosted, spec)


def test_running_out_of_memory_is_told(hosted: Tenants) -> None:
    spec = hosted.spec("sh", "-c", "x=0123456789; while true; do x=$x$x; done")
    with pytest.raises(OutOfMemory, match="more than its 64 MB"):
        hosted.docker.run_once(spec, timeout=60)

    assert is_gone(hosted, spec)


def test_being_killed_otherwise_is_no_want_of_memory(hosted: Tenants) -> None:
    assert hosted.docker.run_once(hosted.spec("sh", "-c", "kill -9 $$"), timeout=20) == 137


def test_what_an_earlier_attempt_left_is_removed_first(hosted: Tenants) -> None:
    spec = hosted.spec("sh", "-c", "exit 4")
    left = hosted.docker.ensure_running(replace(spec, argv=("sleep", "1000")))

    assert hosted.docker.run_once(spec, timeout=20) == 4
    assert hosted.docker.inspect(left.id) is None


def test_who_lost_his_claim_leaves_the_container_of_his_successor_alone(hosted: Tenants) -> None:
    """It has the same name: there is one such work at a time."""
    spec = hosted.spec("sh", "-c", "echo begun; sleep 1000")
    begun = threading.Event()
    successors: list[ContainerState] = []

    def keep_going() -> None:
        if begun.is_set():
            hosted.docker.remove(spec.name)
            successors.append(hosted.docker.ensure_running(replace(spec, argv=("sleep", "1000"))))
            raise Cancelled

    with pytest.raises(Cancelled):
        hosted.docker.run_once(spec, timeout=60, output=lambda _: begun.set(), keep_going=keep_going)

    now = hosted.docker.inspect(spec.name)
    assert now is not None
    assert (now.id, now.running) == (successors[0].id, True)
    hosted.docker.remove(spec.name)


def test_it_is_never_started_again(hosted: Tenants) -> None:
    assert hosted.docker.run_once(hosted.spec("sh", "-c", "exit 1", restart="unless-stopped"), timeout=20) == 1


def test_what_is_missing_is_named_and_nothing_stays(hosted: Tenants) -> None:
    spec = hosted.spec("id")
    with pytest.raises(ImageMissing):
        hosted.docker.run_once(replace(spec, image_id=f"sha256:{'0' * 64}"), timeout=20)
    with pytest.raises(NetworkMissing):
        hosted.docker.run_once(replace(spec, network="berth-none"), timeout=20)

    assert is_gone(hosted, spec)
