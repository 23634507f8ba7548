"""What a running container uses, read from the kernel's files.

The engine's own figures take a second to come (also as "one-shot", on 20.10); these take less than a millisecond.
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """`memory_bytes` is the working set: what the kernel can't drop at once. `cpu_seconds` counts up from the start."""

    memory_bytes: int
    cpu_seconds: float


def usage(pid: int, root: Path = Path("/")) -> Usage:
    """What the control group of process `pid` uses. Raises OSError when the process is gone."""
    groups = control_groups((root / f"proc/{pid}/cgroup").read_text())
    mounted = root / "sys/fs/cgroup"
    if "memory" in groups:
        memory = mounted / "memory" / groups["memory"]
        working_set = _number(memory / "memory.usage_in_bytes") - _figure(memory / "memory.stat", "total_inactive_file")
        nanoseconds = _number(mounted / "cpuacct" / groups["cpuacct"] / "cpuacct.usage")
        return Usage(max(working_set, 0), nanoseconds / 1e9)
    unified = mounted / groups[""]
    working_set = _number(unified / "memory.current") - _figure(unified / "memory.stat", "inactive_file")
    return Usage(max(working_set, 0), _figure(unified / "cpu.stat", "usage_usec") / 1e6)


def control_groups(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: relative path per controller; version 2 has one line, whose controller is empty."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    return groups


def _number(path: Path) -> int:
    return int(path.read_text())


def _figure(path: Path, name: str) -> int:
    figures = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
    return int(figures[name])
