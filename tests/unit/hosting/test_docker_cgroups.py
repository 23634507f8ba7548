from pathlib import Path

import pytest

from hosting.engines.docker.cgroups import Usage, control_groups, usage

MIB = 1024 * 1024


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_it_reads_the_working_set_under_version_1(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/4711/cgroup": "9:memory:/docker/7609\n4:cpu,cpuacct:/docker/7609\n0::/docker/7609\n",
            "sys/fs/cgroup/memory/docker/7609/memory.usage_in_bytes": f"{300 * MIB}\n",
            "sys/fs/cgroup/memory/docker/7609/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n",
            "sys/fs/cgroup/cpuacct/docker/7609/cpuacct.usage": "2500000000\n",
        },
    )

    assert usage(4711, tmp_path) == Usage(memory_bytes=200 * MIB, cpu_seconds=2.5)


def test_it_reads_the_working_set_under_version_2(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/system.slice/docker-7609.scope"
    write(
        tmp_path,
        {
            "proc/4711/cgroup": "0::/system.slice/docker-7609.scope\n",
            f"{group}/memory.current": f"{300 * MIB}\n",
            f"{group}/memory.stat": f"anon 5\ninactive_file {50 * MIB}\n",
            f"{group}/cpu.stat": "usage_usec 1250000\nuser_usec 1000000\n",
        },
    )

    assert usage(4711, tmp_path) == Usage(memory_bytes=250 * MIB, cpu_seconds=1.25)


def test_a_process_that_is_gone_has_no_usage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        usage(4711, tmp_path)


def test_each_controller_is_found_under_its_own_name() -> None:
    assert control_groups("12:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c:d\n") == {
        "cpu": "a",
        "cpuacct": "a",
        "name=systemd": "b",
        "": "c:d",
    }
