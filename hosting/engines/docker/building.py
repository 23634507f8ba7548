"""The pure half of image builds: what is sent to the engine's classic builder, and what its answers mean."""

import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hosting.engines.docker.errors import BuildFailed
from hosting.engines.docker.specs import FINGERPRINT_LABEL, FINISHED_LABEL, LATER_WEIGHT
from hosting.engines.docker.states import KILLED

DOCKERFILE = "Dockerfile.berth"
_CPU_PERIOD = 100_000
_TAIL_LINES = 50
_FROM = re.compile(r"^[ \t]*FROM\s+(?P<image>\S+)([ \t]+AS\s+(?P<stage>\S+))?[ \t]*$", re.IGNORECASE | re.MULTILINE)
_FAILED_COMMAND = re.compile(r"The command '(?P<command>.*)' returned a non-zero code: (?P<code>\d+)", re.DOTALL)


def build_params(
    *, tag: str, labels: Mapping[str, str], memory_bytes: int, cpus: float, network: str
) -> dict[str, str | int]:
    """The query of `POST /build`. docker-py's own `build` has no way to say a CPU quota.

    https://docs.docker.com/engine/api/v1.41/#tag/Image/operation/ImageBuild
    """
    return {
        "t": tag,
        "dockerfile": DOCKERFILE,
        "rm": "1",
        "forcerm": "1",
        "pull": "0",
        "memory": memory_bytes,
        "memswap": memory_bytes,
        "cpuperiod": _CPU_PERIOD,
        "cpuquota": round(cpus * _CPU_PERIOD),
        "cpushares": LATER_WEIGHT,
        "networkmode": network,
        "labels": json.dumps({**labels, FINISHED_LABEL: "yes"}, sort_keys=True),
    }


def base_images(dockerfile: str) -> list[str]:
    """The images that a Dockerfile starts from. Those that the engine lacks it would look for on the Internet."""
    found, stages = [], {"scratch"}
    for match in _FROM.finditer(dockerfile):
        if match["image"] not in stages:
            found.append(match["image"])
        if match["stage"]:
            stages.add(match["stage"])
    return found


def with_labels(dockerfile: str, labels: Mapping[str, str]) -> str:
    """`dockerfile` with labels on every step, so that also what a failed build leaves tells whose it is."""
    words = " ".join(f'{name}="{value}"' for name, value in labels.items())
    return _FROM.sub(lambda match: f"{match[0]}\nLABEL {words}", dockerfile)


def is_builder(labels: Mapping[str, str]) -> bool:
    """Of a container: it is neither one of ours nor made of a finished image."""
    return FINGERPRINT_LABEL not in labels and labels.get(FINISHED_LABEL) != "yes"


def pack(folder: Path, dockerfile: str, target: BinaryIO) -> None:
    """Write `folder` and the text of the Dockerfile as a tar. Links stay links; owners are root. Times stay: Odoo knows
    its bundles by them, and the builder's cache doesn't look at them.
    """
    with tarfile.open(fileobj=target, mode="w") as tar:
        for path in sorted(folder.iterdir()):
            if path.name != DOCKERFILE:
                tar.add(path, path.name, filter=_anonymous)
        tar.addfile(*_text(DOCKERFILE, dockerfile))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Keep folders, files and symbolic links; sockets, pipes and devices have no place in an image."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member if member.isdir() or member.isfile() or member.issym() or member.islnk() else None


def _text(name: str, text: str) -> tuple[tarfile.TarInfo, io.BytesIO]:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    return member, io.BytesIO(content)


class BuildLog:
    """Listens to the builder's events: words for people, the image at the end, or the failure."""

    def __init__(self) -> None:
        self._image_id = ""
        self._lines: list[str] = []

    def hear(self, event: Mapping[str, Any]) -> str:
        """The text of an event, "" where it has none. Raises BuildFailed."""
        if "error" in event:
            raise self._failure(event)
        self._image_id = event.get("aux", {}).get("ID", self._image_id)
        text = event_text(event)
        self._lines = ("".join(self._lines) + text).splitlines(keepends=True)[-_TAIL_LINES:]
        return text

    def finished(self) -> str:
        """The image's ID. Raises BuildFailed where the engine ended without one."""
        if not self._image_id:
            raise BuildFailed("The engine ended the build without an image. Try again.", tail="".join(self._lines))
        return self._image_id

    def _failure(self, event: Mapping[str, Any]) -> BuildFailed:
        message, code = event["error"], event.get("errorDetail", {}).get("code")
        found = _FAILED_COMMAND.search(message)
        command, exit_code = (found["command"], int(found["code"])) if found else ("", code)
        what = f"{command} ended with exit code {exit_code}" if found else message
        advice = " It was killed, probably for want of memory." if exit_code == KILLED else ""
        return BuildFailed(
            f"The image was not built: {what.rstrip('.')}.{advice} The images made before are as they were; "
            "correct the cause and build again.",
            command=command,
            exit_code=exit_code,
            tail="".join(self._lines),
        )


def event_text(event: Mapping[str, Any]) -> str:
    """What an event of a build or a pull says to people. Progress bars are left out: one line per state is enough."""
    if "stream" in event:
        return str(event["stream"])
    if "status" in event and not event.get("progressDetail"):
        return ": ".join(filter(None, (event.get("id"), event["status"]))) + "\n"
    return ""
