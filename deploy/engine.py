"""Docker Engine: used as it is where it runs, started with live-restore where it doesn't."""

import json
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import DockerException

from deploy.daemons import runs, start_daemon, wait_until
from deploy.packages import which
from deploy.progress import Progress, SetupError
from portal.commands import run

DEFAULT_URL = "unix:///var/run/docker.sock"
API_VERSION = "1.41"  # of Docker Engine 20.10, the oldest that we run on
LOG = Path("/var/log/berth-dockerd.log")  # the engine outlives an installation, and may serve several
PID_FILES = {  # and the program whose process each names; containerd is the engine's own
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
START_TIMEOUT = 90.0  # seconds; the first start on a slow disk takes its time


def info(url: str) -> dict[str, Any] | None:
    """What the engine says of itself, None where none answers."""
    try:
        with closing(_client(url)) as client:
            return dict(client.info())
    except (DockerException, requests.RequestException):
        return None


def unhandy(answer: Mapping[str, Any]) -> list[str]:
    """What an operator should know of an engine that Berth found running. It is said, not changed."""
    said = []
    if not answer.get("LiveRestoreEnabled"):
        said.append(
            'a restart of this engine stops all databases: put {"live-restore": true} in /etc/docker/daemon.json'
        )
    if (answer.get("Swarm") or {}).get("LocalNodeState") == "active":
        said.append("this engine is part of a Swarm, which switches live-restore off")
    if answer.get("Driver") == "vfs":
        said.append("this engine copies whole images (storage driver vfs): builds will be slow and large")
    if not answer.get("MemoryLimit", True):
        said.append("this engine can't limit memory, so one database may take it all: enable the memory cgroup")
    return said


def ensure(url: str, progress: Progress) -> None:
    """Raises SetupError."""
    answer = info(url)
    if answer is None:
        _start(url, progress)
        answer = info(url) or {}
    for line in unhandy(answer):
        progress.say(line)


def taken_subnets(url: str) -> list[IPv4Network]:
    """The networks that this machine's routes and the engine's own networks use."""
    routes = json.loads(run(["ip", "-json", "-4", "route"], timeout=10).output or "[]")
    named = [route["dst"] for route in routes if route.get("dst") != "default"]
    with closing(_client(url)) as client:
        for network in client.networks.list():
            named += [part["Subnet"] for part in network.attrs["IPAM"]["Config"] or [] if "Subnet" in part]
    return [IPv4Network(name, strict=False) for name in named if ":" not in name]


def _client(url: str) -> docker.DockerClient:
    client = docker.DockerClient(base_url=url, version=API_VERSION, timeout=30)
    client.api.trust_env = False
    return client


def _is_of(program: str, process: Path) -> bool:
    """Raises OSError for one that is dead, but whose parent has not noticed. dockerd itself takes that for alive."""
    return (process / "exe").readlink().name.startswith(program)  # "... (deleted)" where a newer one was installed


def _start(url: str, progress: Progress) -> None:
    if url != DEFAULT_URL:
        raise SetupError(
            f"No engine answers at {url} (BERTH_DOCKER_URL).", left="Nothing was started.", todo="start that engine."
        )
    if Path("/run/systemd/system").is_dir():
        progress.say("starting Docker Engine by systemd (systemctl start docker)")
        run(["systemctl", "start", "docker"], timeout=START_TIMEOUT)
    else:
        progress.say(f"starting Docker Engine: dockerd --live-restore (log: {LOG})")
        for pid_file, program in PID_FILES.items():
            if runs(pid_file, partial(_is_of, program)) is None:
                pid_file.unlink(missing_ok=True)  # left from before the machine stopped, or it died
        start_daemon([which("dockerd") or "dockerd", "--live-restore"], log=LOG)
    if not wait_until(lambda: info(url) is not None, START_TIMEOUT):
        raise SetupError(
            f"Docker Engine did not answer within {START_TIMEOUT:.0f} s.",
            left="It may still be starting; nothing of Berth was started.",
            todo=f"read {LOG} (or journalctl -u docker), then run bin/up again.",
        )
