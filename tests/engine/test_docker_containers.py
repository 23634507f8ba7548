import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hosting.engines.docker import (
    AddressTaken,
    ContainerSpec,
    Docker,
    EngineError,
    ImageMissing,
    Mount,
    NetworkMissing,
    create_config,
)
from tests.engine.tenants import MIB, Tenants

pytestmark = pytest.mark.engine

# A program that needs to be root by its setuid bit, and what it says when it isn't.
SU, NO_ROOT = ("/bin/setuid/busybox", "su", "-c", "id"), "must be suid to work properly"


@pytest.fixture
def web(hosted: Tenants) -> Iterator[ContainerSpec]:
    """A web container in production's network, not yet made."""
    spec = hosted.spec(
        name=f"berth-{hosted.docker.installation}-i42-g7-web",
        network=hosted.network(hosted.prod),
        address=hosted.address(hosted.prod, 17),
        labels={"berth.instance": "i42"},
    )
    yield spec
    hosted.docker.remove(spec.name)


def test_a_container_runs_as_told(hosted: Tenants, web: ContainerSpec) -> None:
    state = hosted.docker.ensure_running(web)

    assert (state.running, state.exit_code, state.restart_count, state.oom_killed) == (True, None, 0, False)
    assert (state.image_id, state.address) == (hosted.image_id, hosted.address(hosted.prod, 17))
    assert (state.memory_bytes, state.cpus) == (64 * MIB, 0.5)
    assert state.labels["berth.instance"] == "i42"
    assert state.labels["berth.installation"] == hosted.docker.installation


def test_asking_twice_changes_nothing(hosted: Tenants, web: ContainerSpec) -> None:
    first = hosted.docker.ensure_running(web)

    assert hosted.docker.ensure_running(web) == first


def test_a_stopped_container_is_started_again_with_its_address(hosted: Tenants, web: ContainerSpec) -> None:
    first = hosted.docker.ensure_running(web)
    hosted.docker.stop(web.name, 1)
    stopped = hosted.docker.require(web.name)
    again = hosted.docker.ensure_running(web)

    assert (stopped.running, stopped.pid, stopped.address) == (False, None, first.address)
    assert (again.id, again.running, again.address) == (first.id, True, first.address)


def test_one_that_differs_is_replaced(hosted: Tenants, web: ContainerSpec) -> None:
    first = hosted.docker.ensure_running(web)
    second = hosted.docker.ensure_running(replace(web, env={"ODOO_STAGE": "production"}))

    assert second.id != first.id
    assert second.running


def test_one_that_differs_in_memory_alone_keeps_its_process(hosted: Tenants, web: ContainerSpec) -> None:
    first = hosted.docker.ensure_running(web)
    second = hosted.docker.ensure_running(replace(web, memory_bytes=128 * MIB, cpus=1))

    assert (second.id, second.pid, second.memory_bytes, second.cpus) == (first.id, first.pid, 128 * MIB, 1)


def test_it_has_no_capabilities_and_can_gain_none(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(web)
    for user in ("odoo", "root"):
        _, status = hosted.docker.execute(
            web.name, ("grep", "-E", "Cap|NoNewPrivs", "/proc/self/status"), timeout=5, user=user
        )
        words = dict(line.split() for line in status.splitlines())

        assert words.pop("NoNewPrivs:") == "1"
        assert set(words.values()) == {"0" * 16}, user


def test_a_setuid_program_gives_nobody_another_user(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(web)
    _, mode = hosted.docker.execute(web.name, ("ls", "-l", SU[0]), timeout=5)
    _, output = hosted.docker.execute(web.name, SU, timeout=5)

    assert mode.startswith("-rwsr-xr-x")
    assert NO_ROOT in output


def test_without_our_settings_the_setuid_program_would_have_worked(hosted: Tenants, web: ContainerSpec) -> None:
    config = create_config(replace(web, network=None, restart="no"), installation=hosted.docker.installation)
    del config["HostConfig"]["SecurityOpt"], config["HostConfig"]["CapDrop"]
    config["Entrypoint"] = list(SU)
    hosted.docker.create(web, config)
    hosted.docker.start(web)
    hosted.docker.stop(web.name, 5)

    assert NO_ROOT not in hosted.docker.logs(web.name)


def test_processes_are_limited(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(replace(web, pids=10))
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 30 & done"
    _, output = hosted.docker.execute(web.name, ("sh", "-c", script), timeout=10)

    assert "can't fork" in output


def test_it_has_no_ipv6(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(web)
    _, output = hosted.docker.execute(web.name, ("cat", "/proc/net/if_inet6"), timeout=5)

    assert "eth0" not in output


def test_stopping_is_patient_and_then_it_is_not(hosted: Tenants, web: ContainerSpec) -> None:
    deaf = replace(web, argv=("sh", "-c", "trap '' TERM; while true; do sleep 1; done"))
    polite = replace(web, argv=("sh", "-c", "trap 'exit 5' TERM; while true; do sleep 0.1; done"))

    hosted.docker.ensure_running(deaf)
    hosted.docker.stop(web.name, 1)
    assert hosted.docker.require(web.name).exit_code == 137

    hosted.docker.ensure_running(polite)
    hosted.docker.stop(web.name, 10)
    assert hosted.docker.require(web.name).exit_code == 5


def test_whoever_waits_for_a_stop_is_asked_to_go_on(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(replace(web, argv=("sh", "-c", "trap '' TERM; while true; do sleep 1; done")))
    asked: list[int] = []
    hosted.docker.stop(web.name, 2, keep_going=lambda: asked.append(1))

    assert len(asked) >= 5


def test_stopping_and_removing_what_is_gone_is_no_error(hosted: Tenants) -> None:
    hosted.docker.stop("berth-none", 1)
    hosted.docker.remove("berth-none")

    assert hosted.docker.inspect("berth-none") is None


def test_it_lists_its_own_containers_by_label(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(web)

    assert [state.name for state in hosted.docker.list({"berth.instance": "i42"})] == [web.name]
    assert hosted.docker.list({"berth.instance": "i43"}) == ()
    with Docker(hosted.docker.url, "ffffff") as stranger:
        assert stranger.list({"berth.instance": "i42"}) == ()


def test_a_restart_by_the_engine_is_counted(hosted: Tenants, web: ContainerSpec) -> None:
    hosted.docker.ensure_running(replace(web, argv=("sh", "-c", "sleep 0.2; exit 1")))
    until = time.monotonic() + 10
    while not hosted.docker.require(web.name).restart_count and time.monotonic() < until:
        time.sleep(0.1)

    assert hosted.docker.require(web.name).restart_count >= 1


def test_an_image_that_is_not_there_is_named(hosted: Tenants, web: ContainerSpec) -> None:
    with pytest.raises(ImageMissing, match="No such image"):
        hosted.docker.ensure_running(replace(web, image_id=f"sha256:{'0' * 64}"))

    assert hosted.docker.inspect(web.name) is None


def test_a_network_that_is_not_there_is_named_and_nothing_stays(hosted: Tenants, web: ContainerSpec) -> None:
    with pytest.raises(NetworkMissing, match="berth-none"):
        hosted.docker.ensure_running(replace(web, network="berth-none"))

    assert hosted.docker.inspect(web.name) is None


def test_an_address_is_held_by_one_container_alone(hosted: Tenants, web: ContainerSpec) -> None:
    first = hosted.docker.ensure_running(web)
    with pytest.raises(AddressTaken, match=f"{first.address}.*allot another"):
        hosted.docker.ensure_running(replace(web, name=f"{web.name}-2"))

    assert hosted.docker.inspect(f"{web.name}-2") is None
    assert hosted.docker.require(web.name).pid == first.pid


def test_a_mount_whose_source_is_missing_is_refused(hosted: Tenants, web: ContainerSpec, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="bind source path does not exist"):
        hosted.docker.ensure_running(replace(web, mounts=(Mount(str(tmp_path / "none"), "/data"),)))


def test_a_read_only_mount_can_not_be_written(hosted: Tenants, web: ContainerSpec, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("hello")
    hosted.docker.ensure_running(replace(web, mounts=(Mount(str(tmp_path), "/conf"),), user="root"))

    assert hosted.docker.execute(web.name, ("cat", "/conf/conf"), timeout=5, user="root") == (0, "hello")
    assert hosted.docker.execute(web.name, ("sh", "-c", "echo x > /conf/conf"), timeout=5, user="root")[0] != 0


def test_it_tells_the_engine_and_the_host(hosted: Tenants) -> None:
    hosted.docker.ping()
    info = hosted.docker.info()

    assert info.version == hosted.docker.version()
    assert info.memory_bytes > 512 * MIB
    assert info.cgroup_version in (1, 2)
