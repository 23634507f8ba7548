from datetime import UTC, datetime
from typing import Any

from hosting.engines.docker.states import ContainerState, ImageInfo, container_state, host_info, image_info


def answer(**state: Any) -> dict[str, Any]:
    return {
        "Id": "7609e5",
        "Name": "/berth-a1b2c3-i42-g7-web",
        "Image": "sha256:0123",
        "RestartCount": 2,
        "State": {
            "Running": True,
            "OOMKilled": False,
            "Pid": 4711,
            "ExitCode": 0,
            "StartedAt": "2026-11-21T22:26:14.283638117Z",
            **state,
        },
        "Config": {"Labels": {"berth.instance": "i42"}},
        "HostConfig": {"Memory": 67108864, "NanoCpus": 500000000, "CpuShares": 128},
        "NetworkSettings": {
            "Networks": {
                "berth-a1b2c3-prod": {"IPAddress": "10.213.0.17", "IPAMConfig": {"IPv4Address": "10.213.0.17"}}
            }
        },
    }


def test_it_reads_a_running_container() -> None:
    assert container_state(answer()) == ContainerState(
        name="berth-a1b2c3-i42-g7-web",
        id="7609e5",
        image_id="sha256:0123",
        running=True,
        exit_code=None,
        oom_killed=False,
        address="10.213.0.17",
        labels={"berth.instance": "i42"},
        started_at=datetime(2026, 11, 21, 22, 26, 14, 283638, tzinfo=UTC),
        pid=4711,
        restart_count=2,
        memory_bytes=67108864,
        cpus=0.5,
        later=True,
    )


def test_it_reads_one_that_was_killed_for_memory() -> None:
    state = container_state(answer(Running=False, OOMKilled=True, Pid=0, ExitCode=137))

    assert (state.running, state.oom_killed, state.exit_code, state.pid) == (False, True, 137, None)


def test_a_container_that_never_started_has_no_exit_code() -> None:
    state = container_state(answer(Running=False, Pid=0, ExitCode=0, StartedAt="0001-01-01T00:00:00Z"))

    assert (state.started_at, state.exit_code) == (None, None)


def test_a_stopped_container_keeps_the_address_that_it_will_ask_for() -> None:
    stopped = answer(Running=False)
    stopped["NetworkSettings"]["Networks"]["berth-a1b2c3-prod"]["IPAddress"] = ""

    assert container_state(stopped).address == "10.213.0.17"


def test_a_container_without_network_has_no_address() -> None:
    lonely = answer()
    lonely["NetworkSettings"]["Networks"] = {"none": {"IPAddress": "", "IPAMConfig": None}}

    assert container_state(lonely).address is None


def test_it_reads_an_image_without_tags_or_labels() -> None:
    read = image_info({"Id": "sha256:0123", "RepoTags": None, "Config": {"Labels": None}, "Size": 12})

    assert read == ImageInfo(id="sha256:0123", tags=(), labels={}, size=12)


def test_it_reads_the_host() -> None:
    read = host_info(
        {
            "ServerVersion": "20.10.24",
            "CgroupVersion": "2",
            "LiveRestoreEnabled": True,
            "MemTotal": 1000,
            "NCPU": 2,
            "DockerRootDir": "/var/lib/docker",
        }
    )

    assert (read.version, read.cgroup_version, read.memory_bytes, read.cpus) == ("20.10.24", 2, 1000, 2)
