"""Hosted containers for tests, in a tiny image of their own: Debian's static busybox and a user `odoo`."""

import io
import os
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosting.engines import firewall
from hosting.engines.docker import ContainerSpec, Docker, EngineError, SubnetTaken
from portal.commands import run
from tests.engine.outside import namespace

URL = os.environ.get("BERTH_DOCKER_URL", "unix:///var/run/docker.sock")
MIB = 1024 * 1024
OWNER_LABEL = "berth.test"

_BUSYBOX = Path("/bin/busybox")  # package busybox-static
_APPLETS = ("cat", "echo", "grep", "head", "id", "ls", "nc", "nslookup", "sh", "sleep", "timeout", "wget", "yes")


@dataclass(frozen=True)
class Tenants:
    """An engine with the two networks of an installation and an image. Nothing runs yet; the firewall is open."""

    docker: Docker
    image_id: str
    prod: firewall.Bridge
    lab: firewall.Bridge

    def network(self, bridge: firewall.Bridge) -> str:
        return f"berth-{self.docker.installation}-{'prod' if bridge is self.prod else 'lab'}"

    def address(self, bridge: firewall.Bridge, number: int) -> str:
        return f"{bridge.gateway.rpartition('.')[0]}.{number}"

    def spec(self, *argv: str, **changes: Any) -> ContainerSpec:
        """A small container without network that sleeps, if not told otherwise."""
        values: dict[str, Any] = {
            "name": f"berth-{self.docker.installation}-run-{secrets.token_hex(3)}",
            "image_id": self.image_id,
            "argv": argv or ("sleep", "1000"),
            "memory_bytes": 64 * MIB,
            "cpus": 0.5,
            "pids": 50,
            "stop_timeout_s": 1,
        }
        return ContainerSpec(**{**values, **changes})


@contextmanager
def tenants(installation: str) -> Iterator[Tenants]:
    _remove_leftovers()
    with Docker(URL, installation) as engine:
        try:
            yield _networks(engine, _image(engine))
        finally:
            _remove_all(engine)


def _networks(engine: Docker, image_id: str) -> Tenants:
    """Two small networks where nobody else is."""
    for _ in range(20):
        part = f"10.{secrets.randbelow(100) + 120}.{secrets.randbelow(256)}"
        inst = engine.installation
        prod = firewall.Bridge(f"br{inst}p", f"{part}.0/25", f"{part}.1", (5441,))
        lab = firewall.Bridge(f"br{inst}l", f"{part}.128/25", f"{part}.129", (5442, 1025), (25, 465, 587))
        made = Tenants(engine, image_id, prod, lab)
        with suppress(SubnetTaken):
            for bridge in (prod, lab):
                engine.ensure_network(made.network(bridge), bridge.name, bridge.subnet, bridge.gateway)
            return made
    raise AssertionError("No free subnet was found.")


def _image(engine: Docker) -> str:
    """Import the image; its label tells a later run whose it was, and containers inherit it."""
    ref = f"berth-{engine.installation}/test:1"
    labels = {"berth.installation": engine.installation, OWNER_LABEL: str(os.getpid())}
    changes = [f"LABEL {name}={value}" for name, value in labels.items()]
    engine.api.import_image_from_data(_root_files(), repository=ref, changes=changes)
    image = engine.image(ref)
    assert image is not None
    return image.id


def _root_files() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(_BUSYBOX, "bin/busybox")
        setuid = tar.gettarinfo(str(_BUSYBOX), "bin/setuid/busybox")
        setuid.type, setuid.mode = tarfile.REGTYPE, 0o4755
        with _BUSYBOX.open("rb") as content:
            tar.addfile(setuid, content)
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        _add_file(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\nodoo:x:101:101::/:/bin/sh\n")
        _add_file(tar, "etc/group", b"root:x:0:\nodoo:x:101:\n")
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return target.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _remove_all(engine: Docker) -> None:
    firewall.remove(engine.installation)
    run(["ip", "netns", "del", namespace(engine.installation)], timeout=10, check=False)
    for container in engine.list():
        engine.remove(container.id)
    for name in ("prod", "lab"):
        engine.remove_network(f"berth-{engine.installation}-{name}")
    for _ in range(2):  # what failed builds left hangs on our image, and goes after the images that use it
        for image in engine.images():
            with suppress(EngineError):
                engine.remove_image(image.id)
        engine.prune_builds(older_than_s=0)


def _remove_leftovers() -> None:
    """What test runs left whose process is gone."""
    with Docker(URL, "none") as engine:
        labels = [image["Labels"] for image in engine.api.images(filters={"label": OWNER_LABEL})]
    for label in labels:
        if not Path(f"/proc/{label[OWNER_LABEL]}").exists():
            with Docker(URL, label["berth.installation"]) as engine:
                _remove_all(engine)
