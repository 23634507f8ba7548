"""What is inside a container: its output, its files, a command in it."""

import base64
import io
import json
import math
import tarfile
import time

import requests

from hosting.engines.docker.connection import REQUEST_TIMEOUT, raise_for_status
from hosting.engines.docker.containers import Containers
from hosting.engines.docker.errors import ContainerMissing, FileRefused, TimedOut
from hosting.engines.docker.states import KILLED
from hosting.engines.docker.streams import forever
from hosting.engines.docker.wire import Wire

FILE_LIMIT = 1024 * 1024
OUTPUT_LIMIT = 1_000_000
# os.ModeType of Go, in which the engine words a file's kind: folder, link, pipe, socket, device, irregular.
_NOT_REGULAR = 0x8F280000


class Inside(Containers):
    def logs(self, name: str, tail: int = 200) -> str:
        """The last `tail` lines that the container printed. Raises ContainerMissing."""
        with self.asking(f"read the output of container {name}", missing=ContainerMissing):
            output: bytes = self.api.logs(name, stdout=True, stderr=True, tail=tail)
        return output.decode(errors="replace")

    def read_file(self, name: str, path: str, limit: int = FILE_LIMIT) -> bytes:
        """The content of one regular file inside a container, running or not.

        Raises ContainerMissing, and FileRefused for anything else than a regular file of at most `limit` bytes: a
        link is never followed.
        """
        with self.asking(f"read {path} in container {name}", missing=FileRefused):
            response = self.api.get(
                self.path(f"/containers/{name}/archive"), params={"path": path}, stream=True, timeout=REQUEST_TIMEOUT
            )
            with response:
                if response.status_code == requests.codes.not_found:
                    self.require(name)
                raise_for_status(response)
                stat = json.loads(base64.b64decode(response.headers["X-Docker-Container-Path-Stat"]))
                if stat["mode"] & _NOT_REGULAR or stat["size"] > limit:
                    raise FileRefused(f"{path} in container {name} is no regular file of at most {limit} bytes.")
                # A tar's frame around one file is under 64 KB; more means that the file grew meanwhile.
                archive = response.raw.read(limit + 65536)
        return _only_file(archive, path)

    def execute(self, name: str, argv: tuple[str, ...], *, timeout: float, user: str = "odoo") -> tuple[int, str]:
        """Run a command in a running container; return its exit code and output (the last million characters).

        It is killed after `timeout` seconds, by the image's own `timeout` (coreutils or busybox): the engine has no
        way to. Raises ContainerMissing, TimedOut.
        """
        seconds = math.ceil(timeout)
        limited = ["timeout", "-s", "KILL", str(seconds), *argv]
        with self.asking(f"run {argv[0]} in container {name}", missing=ContainerMissing):
            ticket = self.api.exec_create(name, limited, user=user)["Id"]
        started, output = time.monotonic(), ""
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        with Wire(self.url, f"/v{self.api_version}/exec/{ticket}/start", body) as wire:
            for text in wire.talk(stdin=None, deadline=started + seconds + 10, keep_going=forever):
                output = (output + text)[-OUTPUT_LIMIT:]
        with self.asking(f"read the exit code of {argv[0]} in container {name}", missing=ContainerMissing):
            exit_code: int = self.api.exec_inspect(ticket)["ExitCode"]
        if exit_code == KILLED and time.monotonic() - started >= seconds:
            raise TimedOut(f"{argv[0]} in container {name} was killed after {seconds} s. Output: {output[-800:]}")
        return exit_code, output


def _only_file(archive: bytes, path: str) -> bytes:
    """The one file of a tar. Raises FileRefused."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = tar.next()
            content = tar.extractfile(member) if member is not None and member.isreg() else None
            if content is not None:
                return content.read()
    except tarfile.TarError as error:
        raise FileRefused(f"{path} could not be read: {error}. It may have changed meanwhile; try again.") from error
    raise FileRefused(f"{path} is no regular file.")
