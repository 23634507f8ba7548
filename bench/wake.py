"""Waking: from the first request to a sleeping database to its answer, beside the bare start of the same container.

A development database of the demo is put to sleep by making it look idle; then one request, or fifty at once, wake it.
The bare start is `docker start` of a container like it until it answers the same request: what no router can save. That
one has served and was stopped too, and both lie for as long before they are timed: a container that was never started
before, or was stopped a moment ago, comes up to a quarter faster.
"""

import contextlib
import http.client
import os
import secrets
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

from deploy.bench import Figure
from tests.installation import STATIC_FILE, Installation
from tests.rows import BuildRow

ROUNDS = 10
CLIENTS = 50
BRANCH = "bench-wake"
PATH = "/web/login"
ASLEEP_S = 300
LIES_S = 10
ANSWER_S = 120
IDLE = """
    UPDATE hosting_instance SET last_request_at = now() - interval '1 day', created_at = now() - interval '1 day'
    WHERE id = %s
"""
STANDING = "SELECT i.door, p.state FROM hosting_instance i JOIN hosting_pool p ON p.id = i.live_pool_id WHERE i.id = %s"
BUILT = "UPDATE builds_build SET finished_at = now() - interval '1 day' WHERE instance_id = %s"


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        build = built(installation)
        waking, bare = [], []
        for _ in range(ROUNDS):
            put_to_sleep(installation, build)
            time.sleep(LIES_S)
            waking.append(timed(installation, build)[0])
            bare.append(bare_start(installation, build))
        put_to_sleep(installation, build)
        with ThreadPoolExecutor(CLIENTS) as clients:
            asked = [clients.submit(timed, installation, build) for _ in range(CLIENTS)]
            together = [request.result() for request in asked]
    return {
        "rounds": ROUNDS,
        "wake_ms": round(statistics.median(waking) * 1000),
        "longest_wake_ms": round(max(waking) * 1000),
        "bare_start_ms": round(statistics.median(bare) * 1000),
        "ratio": round(statistics.median(waking) / statistics.median(bare), 3),
        "concurrent": CLIENTS,
        "lost": sum(status != 200 for _seconds, status in together),
        "longest_of_concurrent_ms": round(max(seconds for seconds, _status in together) * 1000),
        "stories_of_concurrent": stories(installation, build),
    }


def built(installation: Installation) -> BuildRow:
    """A development build of the demo, which is awake. Raises TimeoutError."""
    sha = installation.push({STATIC_FILE: f"{secrets.token_hex(4)}\n"}, "Be woken", BRANCH)
    return installation.wait_for_build(sha)


def put_to_sleep(installation: Installation, build: BuildRow) -> None:
    """Return when it is asleep and nobody works on it. Raises TimeoutError."""
    deadline = time.monotonic() + ASLEEP_S
    while time.monotonic() < deadline:
        (row,) = installation.query(STANDING, build.instance)
        working = installation.query(
            "SELECT id FROM portal_story WHERE subject = %s AND state <> 'done'", f"i{build.instance}"
        )
        if (row["door"], row["state"], working) == ("asleep", "asleep", []):
            return
        for change in (IDLE, BUILT):
            installation.query(change, build.instance)
        time.sleep(1)
    raise TimeoutError(f"i{build.instance} did not fall asleep within {ASLEEP_S} s")


def timed(installation: Installation, build: BuildRow) -> tuple[float, int]:
    """Seconds and status of one request by something else than a browser."""
    began = time.monotonic()
    parts = urlsplit(installation.demo()["production_url"])
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=90)
    with contextlib.closing(connection):
        connection.request("GET", PATH, headers={"Host": f"{installation.hostname(build)}:{parts.port}"})
        response = connection.getresponse()
        response.read()
    return time.monotonic() - began, response.status


def bare_start(installation: Installation, build: BuildRow) -> float:
    """Seconds from `docker start` of a container like the one that was woken, stopped like it, to its first answer."""
    client: Any = docker.DockerClient(version="1.41").api
    own = installation.values["BERTH_INSTALLATION"]
    (pool,) = installation.query("SELECT generation FROM hosting_pool WHERE id = %s", build.pool)
    model = client.inspect_container(f"berth-{own}-i{build.instance}-g{pool['generation']}-web")
    name, network = f"bench-{own}-wake", model["HostConfig"]["NetworkMode"]
    config = {key: model["Config"][key] for key in ("Entrypoint", "Cmd", "Env", "User")}
    remove(client, name)
    try:
        host_config = model["HostConfig"]
        client.create_container_from_config({"Image": model["Image"], "HostConfig": host_config, **config}, name)
        start(client, name, network, installation.hostname(build))
        client.stop(name)
        time.sleep(LIES_S)
        return start(client, name, network, installation.hostname(build))
    finally:
        remove(client, name)
        client.close()


def start(client: Any, name: str, network: str, host: str) -> float:
    """Seconds to the first answer."""
    began = time.monotonic()
    client.start(name)
    wait_for_answer(client.inspect_container(name)["NetworkSettings"]["Networks"][network]["IPAddress"], host)
    return time.monotonic() - began


def remove(client: Any, name: str) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        client.remove_container(name, force=True)


def wait_for_answer(address: str, host: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(address, 8069, timeout=30)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", PATH, headers={"Host": host})
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{host} did not answer within {ANSWER_S} s")


def stories(installation: Installation, build: BuildRow) -> int:
    """Wake-ups that the requests at once began: one is enough."""
    (row,) = installation.query(
        "SELECT count(*) AS number FROM portal_story WHERE kind = 'wake' AND object_id = %s AND id > "
        "(SELECT max(id) FROM portal_story WHERE kind = 'sleep' AND object_id = %s)",
        build.instance,
        build.instance,
    )
    return int(row["number"])
