"""A container like the one that serves production, on the same database, for what would happen without Berth."""

import contextlib
import http.client
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import docker

from tests.installation import Installation

STOP_S = 10  # what `docker restart` and `docker stop` give a container unless told otherwise
ANSWER_S = 180


class Beside:
    """A context manager. It has no label and no name of the installation's, which would remove it as nobody's."""

    def __init__(self, installation: Installation) -> None:
        self._host = str(urlsplit(installation.demo()["production_url"]).hostname)
        own = installation.values["BERTH_INSTALLATION"]
        (pool,) = installation.query(
            "SELECT p.instance_id, p.generation FROM hosting_pool p JOIN hosting_instance i ON i.live_pool_id = p.id "
            "WHERE i.hostname = %s",
            self._host,
        )
        self._name = f"bench-{own}-beside"
        self._client: Any = docker.DockerClient(version="1.41").api
        self._model = self._client.inspect_container(f"berth-{own}-i{pool['instance_id']}-g{pool['generation']}-web")
        self.address = ""

    def __enter__(self) -> Self:
        self._remove()
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()
        self._client.close()

    def restart(self) -> None:
        self._client.restart(self._name, timeout=STOP_S)
        self.wait()

    def replace(self) -> str:
        """Stop the old one, and start another in its place; its address, once it runs."""
        self._client.stop(self._name, timeout=STOP_S)
        self._remove()
        self._start(wait=False)
        return self.address

    def wait(self) -> None:
        """Until it answers. Raises TimeoutError."""
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            if self._answers("/web/login", 8069) and self._answers("/websocket/health", 8072):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self._name} did not answer within {ANSWER_S} s")

    def _start(self, *, wait: bool = True) -> None:
        config = {key: self._model["Config"][key] for key in ("Entrypoint", "Cmd", "Env", "User")}
        host_config = self._model["HostConfig"]
        self._client.create_container_from_config(
            {"Image": self._model["Image"], "HostConfig": host_config, **config}, self._name
        )
        self._client.start(self._name)
        networks = self._client.inspect_container(self._name)["NetworkSettings"]["Networks"]
        self.address = str(networks[host_config["NetworkMode"]]["IPAddress"])
        if wait:
            self.wait()

    def _answers(self, path: str, port: int) -> bool:
        connection = http.client.HTTPConnection(self.address, port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path, headers={"Host": self._host})
            return connection.getresponse().status == 200
        return False

    def _remove(self) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            self._client.remove_container(self._name, force=True)
