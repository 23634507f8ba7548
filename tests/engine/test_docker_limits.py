import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hosting.engines.docker import ContainerMissing, ContainerSpec, LimitRefused, Limits
from tests.engine.tenants import MIB, Tenants

pytestmark = pytest.mark.engine

# Holds 100 MB in a shell variable, which takes about twice that in all.
HUNGRY = "x=$(head -c 100000000 /dev/zero | busybox tr '\\0' x); echo full; sleep 1000; echo $x"


@pytest.fixture
def hungry(hosted: Tenants) -> Iterator[ContainerSpec]:
    spec = hosted.spec("sh", "-c", HUNGRY, memory_bytes=512 * MIB, cpus=1)
    hosted.docker.ensure_running(spec)
    until = time.monotonic() + 20
    while "full" not in hosted.docker.logs(spec.name) and time.monotonic() < until:
        time.sleep(0.1)
    yield spec
    hosted.docker.remove(spec.name)


def test_limits_change_under_a_running_process(hosted: Tenants, hungry: ContainerSpec) -> None:
    before = hosted.docker.require(hungry.name)
    started = time.monotonic()
    old = hosted.docker.resize(hungry.name, 1024 * MIB, 1.5)
    took = time.monotonic() - started
    after = hosted.docker.require(hungry.name)

    assert old == Limits(512 * MIB, 1)
    assert (after.memory_bytes, after.cpus) == (1024 * MIB, 1.5)
    assert (after.pid, after.restart_count, after.started_at) == (before.pid, 0, before.started_at)
    assert took < 1


def test_new_limits_outlive_a_restart(hosted: Tenants, hungry: ContainerSpec) -> None:
    hosted.docker.resize(hungry.name, 640 * MIB, 0.75)
    hosted.docker.stop(hungry.name, 1)
    again = hosted.docker.ensure_running(replace(hungry, memory_bytes=640 * MIB, cpus=0.75))

    assert (again.memory_bytes, again.cpus, again.running) == (640 * MIB, 0.75, True)


def test_less_than_is_in_use_is_refused_with_the_numbers(hosted: Tenants, hungry: ContainerSpec) -> None:
    used = hosted.docker.usage(hungry.name).memory_bytes // MIB
    with pytest.raises(LimitRefused, match=rf"uses \d+ MB and needs a margin: .* not {used + 10} MB"):
        hosted.docker.resize(hungry.name, (used + 10) * MIB, 1)

    state = hosted.docker.require(hungry.name)
    assert (state.memory_bytes, state.running, state.oom_killed) == (512 * MIB, True, False)


def test_more_than_the_host_has_is_refused(hosted: Tenants, hungry: ContainerSpec) -> None:
    host = hosted.docker.info()
    with pytest.raises(LimitRefused, match="The host has"):
        hosted.docker.resize(hungry.name, host.memory_bytes + 1, 1)
    with pytest.raises(LimitRefused, match=f"and {host.cpus} cores"):
        hosted.docker.resize(hungry.name, 512 * MIB, host.cpus + 1)

    assert hosted.docker.require(hungry.name).memory_bytes == 512 * MIB


def test_usage_is_what_the_process_holds(hosted: Tenants, hungry: ContainerSpec) -> None:
    started = time.monotonic()
    usage = hosted.docker.usage(hungry.name)
    took = time.monotonic() - started

    assert 95 * MIB < usage.memory_bytes < 450 * MIB
    assert usage.cpu_seconds > 0.05
    assert took < 0.2


def test_cpu_seconds_count_up(hosted: Tenants) -> None:
    spec = hosted.spec("sh", "-c", "while true; do :; done")
    hosted.docker.ensure_running(spec)
    started, first = time.monotonic(), hosted.docker.usage(spec.name).cpu_seconds
    time.sleep(2)
    used, passed = hosted.docker.usage(spec.name).cpu_seconds - first, time.monotonic() - started
    hosted.docker.remove(spec.name)

    assert 0 < used < 0.7 * passed  # it may use half a core


def test_a_container_that_does_not_run_has_no_usage(hosted: Tenants) -> None:
    with pytest.raises(ContainerMissing):
        hosted.docker.usage("berth-none")
    with pytest.raises(ContainerMissing):
        hosted.docker.resize("berth-none", 64 * MIB, 1)
