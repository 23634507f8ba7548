"""What a container shall be, as plain values, and the engine's words for it. Nothing here speaks to the engine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

INSTALLATION_LABEL = "berth.installation"
FINGERPRINT_LABEL = "berth.spec"
FINISHED_LABEL = "berth.finished"  # of an image that was built to its end, and of what is made of it

LOG_MAX_SIZE = "10m"
LOG_MAX_FILES = "3"
# The kernel, when the host runs out of memory, shall take a hosted container before PostgreSQL or the router.
OOM_SCORE = 500
WEIGHT, LATER_WEIGHT = 1024, 128  # of who serves, and of who can wait, where both want the cores


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host inside a container. `source` must exist: the engine refuses otherwise."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerSpec:
    """A container: `image_id` is an ID or digest (a tag could mean something else tomorrow), `argv` replaces the
    image's entrypoint and command, `network` None means no network at all, `cpus` may be a fraction of a core,
    `stop_timeout_s` is how long the engine waits between SIGTERM and SIGKILL when nobody says otherwise. What comes
    `later` gets few of the cores while others want them.
    """

    name: str
    image_id: str
    argv: tuple[str, ...]
    memory_bytes: int
    cpus: float
    pids: int
    env: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    address: str | None = None
    mounts: tuple[Mount, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = "odoo"
    restart: Literal["unless-stopped", "no"] = "unless-stopped"
    stop_timeout_s: int = 10
    init: bool = True
    later: bool = False


@dataclass(frozen=True)
class Limits:
    """Memory in bytes (no swap comes on top) and cores."""

    memory_bytes: int
    cpus: float

    def body(self) -> dict[str, int]:
        """The engine's words. All three together: one alone is refused or leaves the others behind."""
        return {"Memory": self.memory_bytes, "MemorySwap": self.memory_bytes, "NanoCpus": round(self.cpus * 1e9)}


def create_config(spec: ContainerSpec, *, installation: str, stdin: bool = False) -> dict[str, Any]:
    """The body of `POST /containers/create` for `spec`; `stdin`: with an input that is open until its writer leaves.

    https://docs.docker.com/engine/api/v1.41/#tag/Container/operation/ContainerCreate
    """
    config: dict[str, Any] = {
        "Image": spec.image_id,
        "Entrypoint": list(spec.argv),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in sorted(spec.env.items())],
        "User": spec.user,
        "StopTimeout": spec.stop_timeout_s,
        "OpenStdin": stdin,
        "StdinOnce": stdin,
        "HostConfig": _host_config(spec),
    }
    if spec.network is not None:
        endpoint = {"IPAMConfig": {"IPv4Address": spec.address}} if spec.address else {}
        config["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    config["Labels"] = {
        **spec.labels,
        INSTALLATION_LABEL: installation,
        FINGERPRINT_LABEL: _fingerprint({**config, "Labels": dict(spec.labels)}),
    }
    config["HostConfig"] |= Limits(spec.memory_bytes, spec.cpus).body() | weight(later=spec.later)
    return config


def weight(*, later: bool) -> dict[str, int]:
    return {"CpuShares": LATER_WEIGHT if later else WEIGHT}


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "NetworkMode": spec.network or "none",
        "Mounts": [_mount(mount) for mount in spec.mounts],
        "Init": spec.init,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "CgroupnsMode": "private",
        "IpcMode": "private",
        "PidsLimit": spec.pids,
        "OomScoreAdj": OOM_SCORE,
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "RestartPolicy": {"Name": spec.restart},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_MAX_SIZE, "max-file": LOG_MAX_FILES}},
    }


def _mount(mount: Mount) -> dict[str, Any]:
    return {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _fingerprint(config: Mapping[str, Any]) -> str:
    """A hash of all that can't change in place. Memory, CPU and weight can, and are no part of it."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
