"""The code of a hosted database, at work in its container."""

from contextlib import closing

import docker

from tests.installation import Installation

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close(); print('reached')"


class Tenant:
    """A container of a hosted database, from inside."""

    def __init__(self, installation: Installation, instance: int) -> None:
        (pool,) = installation.query(
            "SELECT p.* FROM hosting_pool p JOIN hosting_instance i ON i.live_pool_id = p.id WHERE i.id = %s", instance
        )
        own = installation.values["BERTH_INSTALLATION"]
        self.container = f"berth-{own}-i{instance}-g{pool['generation']}-web"
        self.address, self.log = str(pool["web_address"]), f"odoo-g{pool['generation']}-serve.log"

    def run(self, *argv: str) -> str:
        """Output of a command, as the tenant's user."""
        with closing(docker.DockerClient(version="1.41")) as client:
            output = client.containers.get(self.container).exec_run(list(argv), user="odoo").output
            return bytes(output).decode()  # type: ignore[arg-type]

    def reaches(self, host: str, port: int) -> bool:
        return self.run("python3", "-c", CONNECT, host, str(port)).strip() == "reached"
