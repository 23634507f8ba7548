"""Memory and cores of production's containers, changed from its page under load.

Measured from the click to the moment when the engine says that all containers have their new limits. *Failed*: see
tests/load.py. *Restarts*: containers that are not the same process afterwards.
"""

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import docker

from deploy.bench import Figure
from tests.installation import Installation
from tests.portal import Portal

CHANGES = 20
AROUND = 20  # requests between two changes
PATIENCE_S = 30.0
POLL_S = 0.01
MIB = 1024 * 1024
SIZES = ((2048, 2.0), (2560, 1.5))  # in turn, in MB and cores: neither is what the demo begins with


class NotResized(Exception):
    """A container did not get its size, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    installation = Installation(Path(os.environ["BERTH_HOME"]))
    client: Any = docker.DockerClient(version="1.41").api
    installation.at_rest()  # a rollback of a moment ago moves scheduled actions to another container
    with installation, closing(client), Portal(installation) as portal, installation.load() as load:
        page, names = settings_page(installation), containers(installation)
        before = processes(client, names)
        load.wait_for(AROUND)
        seconds = []
        for number in range(CHANGES):
            seconds.append(change(portal, page, client, names, *SIZES[number % len(SIZES)]))
            load.wait_for(AROUND)
        after = processes(client, names)
    figures = load.figures()
    return {
        "changes": CHANGES,
        "median_ms": round(statistics.median(seconds) * 1000, 1),
        "slowest_ms": round(max(seconds) * 1000, 1),
        "requests": figures.requests,
        "failed": figures.failed,
        "restarts": sum(before[name] != after[name] for name in names),
        "p99_ms": figures.p99_ms,
    }


def settings_page(installation: Installation) -> str:
    """The address of production's settings, below which its resize is."""
    (branch,) = installation.query(
        "SELECT b.id, p.slug FROM projects_branch b JOIN projects_project p ON p.id = b.project_id "
        "WHERE p.slug = %s AND b.stage = 'production' AND b.deleted_at IS NULL",
        installation.demo()["project"],
    )
    return f"/{branch['slug']}/branches/{branch['id']}/"


def containers(installation: Installation) -> list[str]:
    """The names of those that serve production."""
    (pool,) = installation.query(
        "SELECT p.instance_id, p.generation, p.cron_workers FROM hosting_pool p JOIN hosting_instance i "
        "ON i.live_pool_id = p.id WHERE i.stage = 'production'"
    )
    name = f"berth-{installation.values['BERTH_INSTALLATION']}-i{pool['instance_id']}-g{pool['generation']}"
    return [f"{name}-{role}" for role in (["web", "cron"] if pool["cron_workers"] else ["web"])]


def change(portal: Portal, page: str, client: Any, names: list[str], memory_mb: int, cpus: float) -> float:
    """Ask for a size, and wait until all containers have it. Returns the seconds that took. Raises NotResized."""
    portal.page(f"{page}settings/")
    wanted = (memory_mb * MIB, round(cpus * 1e9))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as browser:  # which waits for the next page meanwhile
        clicked = browser.submit(portal.post, f"{page}resize/", memory_mb=str(memory_mb), cpus=str(cpus))
        while time.monotonic() - began < PATIENCE_S:
            limits = [client.inspect_container(name)["HostConfig"] for name in names]
            if all((each["Memory"], each["NanoCpus"]) == wanted for each in limits):
                took = time.monotonic() - began
                clicked.result()
                return took
            time.sleep(POLL_S)
    raise NotResized(f"asked for {memory_mb} MB and {cpus} cores: {portal.page(f'{page}settings/')[-2000:]}")


def processes(client: Any, names: list[str]) -> dict[str, tuple[int, int]]:
    """The process of each container, and how often the engine started it anew."""
    found = {name: client.inspect_container(name) for name in names}
    return {name: (each["State"]["Pid"], each["RestartCount"]) for name, each in found.items()}
