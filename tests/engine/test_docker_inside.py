from collections.abc import Iterator

import pytest

from hosting.engines.docker import ContainerMissing, EngineError, FileRefused, TimedOut
from tests.engine.tenants import MIB, Tenants

pytestmark = pytest.mark.engine

SCRIPT = """
echo started; echo warned >&2
echo secret > /tmp/file; echo -n > /tmp/empty
ln -s /etc/passwd /tmp/link; ln -s /etc /tmp/folder-link; mkfifo /tmp/pipe
head -c 3000000 /dev/zero > /tmp/large
sleep 1000
""".replace("ln -s", "busybox ln -s").replace("mkfifo", "busybox mkfifo")


@pytest.fixture(scope="module")
def name(hosted: Tenants) -> Iterator[str]:
    """A running container with files of all kinds."""
    spec = hosted.spec("sh", "-c", SCRIPT)
    hosted.docker.ensure_running(spec)
    hosted.docker.execute(spec.name, ("sh", "-c", "until [ -e /tmp/large ]; do sleep 0.1; done; sleep 0.3"), timeout=10)
    yield spec.name
    hosted.docker.remove(spec.name)


def test_it_reads_a_regular_file(hosted: Tenants, name: str) -> None:
    assert hosted.docker.read_file(name, "/tmp/file") == b"secret\n"
    assert hosted.docker.read_file(name, "/tmp/empty") == b""


def test_it_reads_a_file_of_a_stopped_container(hosted: Tenants) -> None:
    spec = hosted.spec("sh", "-c", "echo done > /tmp/file", restart="no")
    hosted.docker.ensure_running(spec)
    hosted.docker.stop(spec.name, 5)

    assert hosted.docker.read_file(spec.name, "/tmp/file") == b"done\n"
    hosted.docker.remove(spec.name)


@pytest.mark.parametrize("path", ["/tmp/link", "/tmp", "/tmp/pipe", "/tmp/large"])
def test_it_refuses_anything_else(hosted: Tenants, name: str, path: str) -> None:
    with pytest.raises(FileRefused, match="no regular file of at most 1048576 bytes"):
        hosted.docker.read_file(name, path)


def test_a_larger_limit_is_the_callers_choice(hosted: Tenants, name: str) -> None:
    assert len(hosted.docker.read_file(name, "/tmp/large", limit=4 * MIB)) == 3_000_000


def test_a_link_in_the_way_stays_inside_the_container(hosted: Tenants, name: str) -> None:
    assert hosted.docker.read_file(name, "/tmp/folder-link/passwd").startswith(b"root:x:0:0::/:/bin/sh\nodoo:")


def test_a_missing_file_and_a_missing_container_are_told_apart(hosted: Tenants, name: str) -> None:
    with pytest.raises(FileRefused, match="/tmp/nothing"):
        hosted.docker.read_file(name, "/tmp/nothing")
    with pytest.raises(ContainerMissing, match="berth-none"):
        hosted.docker.read_file("berth-none", "/tmp/file")


def test_a_command_gives_its_exit_code_and_all_of_its_output(hosted: Tenants, name: str) -> None:
    exit_code, output = hosted.docker.execute(name, ("sh", "-c", "echo out; echo err >&2; exit 7"), timeout=5)

    assert (exit_code, sorted(output.split())) == (7, ["err", "out"])


def test_short_output_is_never_lost(hosted: Tenants, name: str) -> None:
    outputs = [hosted.docker.execute(name, ("echo", str(number)), timeout=5) for number in range(20)]

    assert outputs == [(0, f"{number}\n") for number in range(20)]


def test_a_command_is_no_shell_string(hosted: Tenants, name: str) -> None:
    assert hosted.docker.execute(name, ("echo", "$(id); `id` && id"), timeout=5) == (0, "$(id); `id` && id\n")


def test_a_command_runs_as_the_user_it_is_told(hosted: Tenants, name: str) -> None:
    assert hosted.docker.execute(name, ("id", "-u"), timeout=5) == (0, "101\n")
    assert hosted.docker.execute(name, ("id", "-u"), timeout=5, user="root") == (0, "0\n")


def test_a_command_that_takes_too_long_is_killed(hosted: Tenants, name: str) -> None:
    with pytest.raises(TimedOut, match="killed after 1 s. Output: begun"):
        hosted.docker.execute(name, ("sh", "-c", "echo begun; exec sleep 77"), timeout=0.5)

    assert "sleep 77" not in hosted.docker.execute(name, ("busybox", "ps"), timeout=5)[1]


def test_output_without_end_is_cut(hosted: Tenants, name: str) -> None:
    exit_code, output = hosted.docker.execute(name, ("sh", "-c", "yes | head -c 3000000; echo end"), timeout=20)

    assert exit_code == 0
    assert len(output) == 1_000_000
    assert output.endswith("end\n")


def test_nothing_runs_in_a_container_that_does_not(hosted: Tenants) -> None:
    with pytest.raises(ContainerMissing, match="berth-none"):
        hosted.docker.execute("berth-none", ("id",), timeout=5)

    spec = hosted.spec("sh", "-c", "exit 0", restart="no")
    hosted.docker.ensure_running(spec)
    hosted.docker.stop(spec.name, 5)
    with pytest.raises(EngineError, match="is not running"):
        hosted.docker.execute(spec.name, ("id",), timeout=5)
    hosted.docker.remove(spec.name)


def test_it_tells_the_last_lines_that_a_container_printed(hosted: Tenants, name: str) -> None:
    assert set(hosted.docker.logs(name).splitlines()) == {"started", "warned"}
    assert len(hosted.docker.logs(name, tail=1).splitlines()) == 1
    with pytest.raises(ContainerMissing):
        hosted.docker.logs("berth-none")
