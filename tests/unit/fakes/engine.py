"""A Docker Engine in memory. What its one-off containers run does to the databases what Odoo would do."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hosting.engines.docker import (
    AddressTaken,
    ContainerMissing,
    ContainerSpec,
    ContainerState,
    EngineError,
    HostInfo,
    ImageInfo,
    ImagesUse,
    LimitRefused,
    Limits,
)
from hosting.engines.docker.cgroups import Usage
from hosting.engines.docker.streams import forever
from portal.commands import Output, discard
from tests.unit.fakes.world import ODOO_IMAGE, Container, Data, Killed, World

KeepGoing = Callable[[], None]


class FakeEngine:
    def __init__(self, world: World) -> None:
        self.world = world

    # --- containers -------------------------------------------------------------------------------------------------
    def inspect(self, name: str) -> ContainerState | None:
        self.world.happen("inspect")
        container = self.world.containers.get(name)
        return None if container is None else self._state(name, container)

    def builders(self, *, older_than_s: float = 0) -> tuple[str, ...]:
        self.world.happen("list")
        return tuple(name for name in self.world.containers if not name.startswith("berth-"))

    def list(self, labels: Mapping[str, str] | None = None) -> tuple[ContainerState, ...]:
        self.world.happen("list")
        return tuple(self._state(name, container) for name, container in sorted(self.world.containers.items()))

    def ensure_running(self, spec: ContainerSpec) -> ContainerState:
        self.world.happen(f"start {_role(spec.name)}")
        self._check(spec)
        if spec.argv[0] == "pg_dump":
            return self._feed(spec)
        container = self.world.containers.get(spec.name)
        if container is not None and _but_size(container.spec) == _but_size(spec):
            container.spec = spec
        if container is None or container.spec != spec:
            container = self.world.containers[spec.name] = Container(spec, running=False)
            self.world.happen(f"started {_role(spec.name)}")
        if not container.running and spec.env["PGDATABASE"] in self._being_updated():
            self.world.wrongs.append(f"{spec.name} was started on a database that is being worked on")
        container.running = True
        return self._state(spec.name, container)

    def _feed(self, spec: ContainerSpec) -> ContainerState:
        """A dump into a pipe has ended before it is asked for."""
        pipe = next(Path(mount.source) / "dump" for mount in spec.mounts)
        assert pipe.is_fifo()
        pipe.unlink()
        self.world.containers[spec.name] = Container(spec)
        self._program(spec, discard, lambda: None)
        self.world.containers[spec.name].running = False
        return self._state(spec.name, self.world.containers[spec.name])

    def addresses(self, name: str) -> set[str]:
        self.world.happen("ask the network")
        running = (container for container in self.world.containers.values() if container.running)
        return {container.spec.address for container in running if container.spec.address}

    def resize(self, name: str, memory_bytes: int, cpus: float) -> Limits:
        self.world.happen(f"resize {_role(name)}")
        container = self.world.containers[name]
        if memory_bytes < self.world.used_bytes:
            raise LimitRefused(f"{name} uses {self.world.used_bytes} bytes.")
        old = Limits(container.spec.memory_bytes, container.spec.cpus)
        container.spec = replace(container.spec, memory_bytes=memory_bytes, cpus=cpus)
        return old

    def weigh(self, name: str, *, later: bool) -> None:
        self.world.happen(f"weigh {_role(name)}")
        if name not in self.world.containers:
            raise ContainerMissing(name)
        container = self.world.containers[name]
        container.spec = replace(container.spec, later=later)

    def usage(self, name: str) -> Usage:
        self.world.happen("ask for memory")
        if name not in self.world.containers or not self.world.containers[name].running:
            raise ContainerMissing(name)
        return Usage(memory_bytes=self.world.used_bytes, cpu_seconds=0)

    def stop(self, name: str, timeout: float, *, keep_going: KeepGoing) -> None:
        self.world.happen(f"stop {_role(name)}")
        keep_going()
        if name in self.world.containers:
            self.world.containers[name].running = False

    def remove(self, name: str) -> None:
        self.world.happen(f"remove {_role(name)}")
        self.world.containers.pop(name, None)

    def run_once(
        self, spec: ContainerSpec, *, timeout: float, output: Output = discard, keep_going: KeepGoing, stdin: Any = None
    ) -> int:
        program = Path(spec.argv[0]).name
        self.world.happen(f"run {program}")
        self.world.containers.pop(spec.name, None)
        self._check(spec)
        self.world.containers[spec.name] = Container(spec)
        try:
            output(f"{program} begins\n")
            exit_code = self._program(spec, output, keep_going)
        except Killed:
            raise  # nobody is there to remove it
        except BaseException:
            self.world.containers.pop(spec.name)
            raise
        self.world.containers.pop(spec.name)
        return exit_code

    def logs(self, name: str, tail: int = 200) -> str:
        return "what the container printed"

    def read_file(self, name: str, path: str, limit: int = 0) -> bytes:
        self.world.happen("read build file")
        if name not in self.world.containers:
            raise ContainerMissing(name)
        labels = self.world.images[self.world.containers[name].spec.image_id].labels
        return json.dumps({"commit": labels["berth.commit"], "build": labels["berth.build"]}).encode()

    def info(self) -> HostInfo:
        self.world.happen("ask the engine")
        return HostInfo("20.10.24", 2, live_restore=True, memory_bytes=2**34, cpus=4, root="/nonexistent")

    # --- images -----------------------------------------------------------------------------------------------------
    def build(self, context: Path, dockerfile: str, *, tag: str, labels: Mapping[str, str], **options: Any) -> str:
        self.world.happen("build image")
        options["output"]("Step 1/1\n")
        options["keep_going"]()
        image_id = f"sha256:{labels['berth.build']}"
        self.world.images[image_id] = ImageInfo(id=image_id, tags=(tag,), labels=dict(labels), size=1)
        return image_id

    def image(self, ref: str) -> ImageInfo | None:
        self.world.happen("look at image")
        return next((image for image in self.world.images.values() if ref == image.id or ref in image.tags), None)

    def images(self, labels: Mapping[str, str] | None = None) -> tuple[ImageInfo, ...]:
        return tuple(image for image in self.world.images.values() if image.id != ODOO_IMAGE)

    def tag(self, image_id: str, name: str) -> None:
        self.world.happen("tag image")
        found = self.world.images[image_id]
        self.world.images[image_id] = replace(found, tags=(*found.tags, name))

    def untag(self, name: str) -> None:
        self.world.happen("untag image")
        for found in list(self.world.images.values()):
            if name in found.tags:
                self.world.images[found.id] = replace(found, tags=tuple(tag for tag in found.tags if tag != name))

    def pull(self, ref: str, *, timeout: float, keep_going: KeepGoing = forever, **_options: Any) -> ImageInfo:
        self.world.happen("pull image")
        keep_going()
        pulled = self.world.registry.get(ref)
        if pulled is None:
            raise EngineError(f"The registry has no image {ref}.")
        for found in list(self.world.images.values()):  # the name goes over to what was pulled
            self.world.images[found.id] = replace(found, tags=tuple(tag for tag in found.tags if tag != ref))
        before = self.world.images.get(pulled, ImageInfo(id=pulled, tags=(), labels={}, size=1))
        self.world.images[pulled] = replace(before, tags=(*before.tags, ref), digest=f"odoo@{pulled}")
        return self.world.images[pulled]

    def used(self) -> ImagesUse:
        self.world.happen("ask what images take")
        tagged = {image.tags[0]: image.size for image in self.world.images.values() if image.tags}
        return ImagesUse(images=tagged, shared=1000, left=10)

    def prune_builds(self, *, older_than_s: float) -> Sequence[str]:
        return []

    def remove_image(self, image_id: str) -> None:
        self.world.happen("remove image")
        if any(container.spec.image_id == image_id for container in self.world.containers.values()):
            raise EngineError("in use")
        self.world.images.pop(image_id, None)

    # --- inside -----------------------------------------------------------------------------------------------------
    def _state(self, name: str, container: Container) -> ContainerState:
        spec = container.spec
        return ContainerState(
            name=name,
            id=name,
            image_id=spec.image_id,
            running=container.running,
            exit_code=None if container.running else 0,
            oom_killed=False,
            address=spec.address,
            labels=spec.labels,
            started_at=datetime.now(UTC) - timedelta(hours=1),
            pid=1 if container.running else None,
            restart_count=container.restarts,
            memory_bytes=spec.memory_bytes,
            cpus=spec.cpus,
            later=spec.later,
        )

    def _check(self, spec: ContainerSpec) -> None:
        for mount in spec.mounts:
            if not Path(mount.source).exists():
                raise EngineError(f"{mount.source} does not exist")
        for name, container in self.world.containers.items():
            if spec.address and name != spec.name and container.running and container.spec.address == spec.address:
                raise AddressTaken(f"{name} has {spec.address}")

    def _being_updated(self) -> set[str]:
        """Databases on which a one-off works."""
        running = (c for name, c in self.world.containers.items() if name.endswith("-run") and c.running)
        return {container.spec.env["PGDATABASE"] for container in running if container.spec.argv[0] == "odoo"}

    def _program(self, spec: ContainerSpec, output: Output, keep_going: KeepGoing) -> int:
        program = spec.argv[0]
        exchange = next((Path(mount.source) for mount in spec.mounts if mount.target.endswith("berth-copy")), None)
        if program == "odoo":
            with self._alone(spec) as data:
                return self._odoo(spec, data, output, keep_going)
        keep_going()
        if program == "pg_dump":
            assert exchange is not None
            (exchange / "dump").write_text(json.dumps(vars(self._data(spec))))
        elif program == "pg_restore" and (plain := _option(spec, "--file")):
            assert exchange is not None
            self._inside(spec, plain).write_text((exchange / "dump").read_text())
        elif program == "pg_restore":
            assert exchange is not None
            held, data = json.loads((exchange / "dump").read_text()), self._data(spec)
            data.modules, data.parameters, data.rows = held["modules"], held["parameters"], tuple(held["rows"])
            data.jobs, data.files, data.switched_on = held["jobs"], tuple(held["files"]), held["switched_on"]
        elif program == "python3":
            return self._unpack(spec)
        elif program == "find":
            names = ["base", "web", *self.world.modules_of(spec.image_id)]
            output("".join(f"/addons/{name}/__manifest__.py\n" for name in names))
        self.world.happen(f"{program} ends")
        return 0

    def _unpack(self, spec: ContainerSpec) -> int:
        """As hosting/inside/unpack.py, of a dump whose last line is a database in JSON."""
        with zipfile.ZipFile(self._inside(spec, spec.argv[2])) as archive:
            held, data = json.loads(archive.read("dump.sql").splitlines()[-1].removeprefix(b"-- ")), self._data(spec)
            data.modules, data.parameters, data.rows = held["modules"], held["parameters"], tuple(held["rows"])
            data.active, data.files, data.jobs = held["active"], tuple(held["files"]), held["jobs"]
            for name in data.files:
                file = self._inside(spec, spec.argv[3]) / name
                file.parent.mkdir()
                file.write_bytes(archive.read(f"filestore/{name}"))
        self.world.happen("python3 ends")
        return 0

    def _inside(self, spec: ContainerSpec, path: str) -> Path:
        """Where a path within a container is on the machine."""
        return next(
            Path(mount.source) / path[len(mount.target) + 1 :] for mount in spec.mounts if path.startswith(mount.target)
        )

    def _data(self, spec: ContainerSpec) -> Data:
        name = spec.env["PGDATABASE"]
        return next(found[name] for found in self.world.databases.values() if name in found)

    @contextmanager
    def _alone(self, spec: ContainerSpec) -> Iterator[Data]:
        """Odoo at work on a database wants it for itself."""
        others = [name for name in self.world.disturbing(spec.env["PGDATABASE"]) if name != spec.name]
        if others:
            self.world.wrongs.append(f"{spec.argv} ran while {others} used the database")
        yield self._data(spec)

    def _odoo(self, spec: ContainerSpec, data: Data, output: Output, keep_going: KeepGoing) -> int:
        words = {word.partition("=")[0]: word.partition("=")[2] for word in spec.argv}
        carried = {"base": "18.0.1.3"} | self.world.modules_of(spec.image_id)
        if "neutralize" in words:
            self.world.happen("neutralize")
            data.parameters["database.is_neutralized"] = "true"
        for option, doing in (("--init", "install"), ("--update", "update")):
            for name in filter(None, words.get(option, "").split(",")):
                self.world.happen(f"{doing} {name}")
                keep_going()
                data.modules[name] = carried[name]
                data.rows += (f"{doing} {name} {carried[name]}",)
                output(f"2026-11-21 20:56:29,859 11 INFO {data.owner} odoo.modules.loading: {doing} {name}\n")
        if "--test-enable" in words:
            output(
                f"2026-11-21 20:56:29,859 11 INFO {data.owner} odoo.tests.result: "
                f"0 failed, 0 error(s) of 2 tests when loading database '{data.owner}'\n"
            )
        self.world.happen("odoo ends")
        return 0


def _but_size(spec: ContainerSpec) -> ContainerSpec:
    return replace(spec, memory_bytes=0, cpus=0, later=False)


def _option(spec: ContainerSpec, name: str) -> str:
    """The value of an option in a container's command line, "" where it isn't there."""
    return next((word.partition("=")[2] for word in spec.argv if word.startswith(f"{name}=")), "")


def _role(name: str) -> str:
    return re.sub(r"-\d$", "", name).rpartition("-")[2]
