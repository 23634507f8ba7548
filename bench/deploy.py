"""Deploys under steady load, beside `docker restart` of the same image under the same load in the same run.

Each deploy is a push of another content of the demo's static file. That file and the login page are requested all the
time, by clients that keep their connections and by others that don't. *Failed*: see tests/load.py.
"""

import contextlib
import http.client
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

from deploy.bench import Figure
from tests.installation import Installation
from tests.load import Figures, Load

DEPLOYS = 5
CLIENTS, PAUSE_S = 4, 0.05  # the load: each client waits that long between two requests
AROUND = 40  # requests before the first deploy, between two of them, and after the last
STOP_S = 10  # what `docker restart` gives a container unless told otherwise
ANSWER_S = 180
STATIC = "/berth_hello/static/src/version.txt"
PATHS = ("/web/login", STATIC)


class NotServed(Exception):
    """What was pushed did not become what is served, so the figures would mean nothing."""


def main() -> dict[str, Figure]:
    installation = Installation(Path(os.environ["BERTH_HOME"]))
    with installation:
        deploys, seconds = measure_deploys(installation)
        restarts = measure_restarts(installation)
    return {
        **figures(deploys),
        "deploys": DEPLOYS,
        "seconds_per_deploy": round(seconds / DEPLOYS, 2),
        **{f"restart_{name}": figure for name, figure in figures(restarts).items()},
        "restarts": DEPLOYS,
    }


def figures(counted: Figures) -> dict[str, Figure]:
    return {
        "requests": counted.requests,
        "failed": counted.failed,
        "longest_gap_ms": counted.longest_gap_ms,
        "p50_ms": counted.p50_ms,
        "p99_ms": counted.p99_ms,
    }


def measure_deploys(installation: Installation) -> tuple[Figures, float]:
    """The load's figures, and the seconds from each push to the end of its build, summed. Raises NotServed."""
    seconds = 0.0
    with installation.load(PATHS, clients=CLIENTS, pause=PAUSE_S) as load:
        load.wait_for(AROUND)
        for number in range(1, DEPLOYS + 1):
            began = time.monotonic()
            text = f"deploy {number} of a benchmark, {secrets.token_hex(4)}"
            sha = installation.push_static(text)
            build = installation.wait_for_build(sha)
            seconds += time.monotonic() - began
            if build.result != "success":
                raise NotServed(str(build))
            check_served(installation.demo()["production_url"], text, sha)
            load.wait_for(AROUND)
    return load.figures(), seconds


def check_served(url: str, text: str, sha: str) -> None:
    """The pushed content, and the pushed commit in the router's header. Raises NotServed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", STATIC, headers={"Host": parts.netloc})
        response = connection.getresponse()
        content, commit = response.read().decode().strip(), response.getheader("X-Berth-Commit")
    if content != text or commit != sha:
        raise NotServed(f"pushed {sha} with {text!r}, served was {commit} with {content!r}")


def measure_restarts(installation: Installation) -> Figures:
    host = urlsplit(installation.demo()["production_url"]).hostname
    with beside_production(installation) as (client, container, address):
        url = f"http://{host}:8069"
        wait_for_answer(address, str(host))
        with Load(url, PATHS, clients=CLIENTS, pause=PAUSE_S, address=address) as load:
            for _ in range(DEPLOYS):
                load.wait_for(AROUND)
                client.restart(container, timeout=STOP_S)
                wait_for_answer(address, str(host))
            load.wait_for(AROUND)
    return load.figures()


@contextlib.contextmanager
def beside_production(installation: Installation) -> Iterator[tuple[Any, str, str]]:
    """A second container like the one that serves, on the same database: the engine's client, its name, its address.

    It has no label and no name of the installation's, which would remove it as belonging to nothing.
    """
    (pool,) = installation.query(
        "SELECT p.instance_id, p.generation FROM hosting_pool p JOIN hosting_instance i ON i.live_pool_id = p.id "
        "WHERE i.hostname = %s",
        urlsplit(installation.demo()["production_url"]).hostname,
    )
    own = installation.values["BERTH_INSTALLATION"]
    client: Any = docker.DockerClient(version="1.41").api
    model = client.inspect_container(f"berth-{own}-i{pool['instance_id']}-g{pool['generation']}-web")
    name, network = f"bench-{own}-restart", model["HostConfig"]["NetworkMode"]
    config = {key: model["Config"][key] for key in ("Entrypoint", "Cmd", "Env", "User")}
    remove(client, name)
    try:
        client.create_container_from_config(
            {"Image": model["Image"], "HostConfig": model["HostConfig"], **config}, name
        )
        client.start(name)
        networks = client.inspect_container(name)["NetworkSettings"]["Networks"]
        yield client, name, networks[network]["IPAddress"]
    finally:
        remove(client, name)
        client.close()


def remove(client: Any, name: str) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        client.remove_container(name, force=True)


def wait_for_answer(address: str, host: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(address, 8069, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/web/login", headers={"Host": host})
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{host} did not answer within {ANSWER_S} s")
