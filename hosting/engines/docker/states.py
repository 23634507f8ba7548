"""What the engine has, read off its answers. Nothing here speaks to the engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hosting.engines.docker.specs import LATER_WEIGHT

KILLED = 128 + 9  # the exit code of what ended by SIGKILL


@dataclass(frozen=True)
class ContainerState:
    """A container as it is. `address` is None without a network, `exit_code` while it runs or before its first start,
    `started_at` (UTC) and `pid` (on the host) before its first start and, for `pid`, after its end.
    """

    name: str
    id: str
    image_id: str
    running: bool
    exit_code: int | None
    oom_killed: bool
    address: str | None
    labels: Mapping[str, str]
    started_at: datetime | None
    pid: int | None
    restart_count: int
    memory_bytes: int
    cpus: float
    later: bool  # see ContainerSpec


@dataclass(frozen=True)
class ImageInfo:
    """An image: `size` in bytes, shared layers included. `digest` is a registry's name for it, where one has it."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    digest: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImagesUse:
    """Bytes on disk: of each image alone, by its tags; of layers that they share; of layers that no image uses."""

    images: Mapping[str, int]
    shared: int
    left: int


@dataclass(frozen=True)
class HostInfo:
    """The engine and the machine under it; `memory_bytes` and `cpus` are the machine's."""

    version: str
    cgroup_version: int
    live_restore: bool
    memory_bytes: int
    cpus: int
    root: str


def images_use(images: Iterable[Mapping[str, Any]], label: str, value: str) -> ImagesUse:
    """Read the images that bear a label off the answer to `GET /system/df`. Those of one base share its layers."""
    ours = [image for image in images if (image["Labels"] or {}).get(label) == value]
    tagged = [image for image in ours if image["RepoTags"]]
    return ImagesUse(
        images={image["RepoTags"][0]: image["Size"] - max(0, image["SharedSize"]) for image in tagged},
        shared=max((image["SharedSize"] for image in tagged), default=0),
        left=sum(image["Size"] - max(0, image["SharedSize"]) for image in ours if not image["RepoTags"]),
    )


def container_state(answer: Mapping[str, Any]) -> ContainerState:
    """Read the answer to `GET /containers/NAME/json`."""
    state, host = answer["State"], answer["HostConfig"]
    started_at = _moment(state["StartedAt"])
    endpoints = answer["NetworkSettings"]["Networks"].values()
    addresses = [_address(endpoint) for endpoint in endpoints]
    return ContainerState(
        name=answer["Name"].lstrip("/"),
        id=answer["Id"],
        image_id=answer["Image"],
        running=state["Running"],
        exit_code=None if state["Running"] or started_at is None else state["ExitCode"],
        oom_killed=state["OOMKilled"],
        address=next((address for address in addresses if address), None),
        labels=answer["Config"]["Labels"] or {},
        started_at=started_at,
        pid=state["Pid"] or None,
        restart_count=answer["RestartCount"],
        memory_bytes=host["Memory"],
        cpus=host["NanoCpus"] / 1e9,
        later=host["CpuShares"] == LATER_WEIGHT,
    )


def image_info(answer: Mapping[str, Any]) -> ImageInfo:
    """Read the answer to `GET /images/REF/json`."""
    config = answer["Config"] or {}
    return ImageInfo(
        id=answer["Id"],
        tags=tuple(answer["RepoTags"] or ()),
        labels=config.get("Labels") or {},
        size=answer["Size"],
        digest=next(iter(answer.get("RepoDigests") or ()), ""),
        env=dict(line.partition("=")[::2] for line in config.get("Env") or ()),
    )


def host_info(answer: Mapping[str, Any]) -> HostInfo:
    """Read the answer to `GET /info`."""
    return HostInfo(
        version=answer["ServerVersion"],
        cgroup_version=int(answer["CgroupVersion"]),
        live_restore=answer["LiveRestoreEnabled"],
        memory_bytes=answer["MemTotal"],
        cpus=answer["NCPU"],
        root=answer["DockerRootDir"],
    )


def _address(endpoint: Mapping[str, Any]) -> str:
    """The address it has, or, while it is stopped, the one that it will ask for."""
    return str(endpoint["IPAddress"] or (endpoint["IPAMConfig"] or {}).get("IPv4Address", ""))


def _moment(text: str) -> datetime | None:
    """The engine's time, whose nanoseconds Python cuts to microseconds; its zero time is None."""
    return None if text.startswith("0001-") else datetime.fromisoformat(text)
