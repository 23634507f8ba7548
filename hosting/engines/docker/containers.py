"""Containers that stay: look, start, stop, remove, resize."""

import time
from collections.abc import Mapping
from typing import Any

from hosting.engines.docker import cgroups
from hosting.engines.docker.connection import REQUEST_TIMEOUT, Connection
from hosting.engines.docker.errors import (
    AddressTaken,
    ContainerMissing,
    EngineError,
    ImageMissing,
    LimitRefused,
    NetworkMissing,
)
from hosting.engines.docker.specs import (
    FINGERPRINT_LABEL,
    INSTALLATION_LABEL,
    ContainerSpec,
    Limits,
    create_config,
    weight,
)
from hosting.engines.docker.states import ContainerState, container_state
from hosting.engines.docker.streams import PULSE, KeepGoing, forever, in_background

_MARGIN = 64 * 1024 * 1024


class Containers(Connection):
    def inspect(self, name: str) -> ContainerState | None:
        """The container as it is, or None where there is none."""
        try:
            with self.asking(f"look at container {name}", missing=ContainerMissing):
                return container_state(self.api.inspect_container(name))
        except ContainerMissing:
            return None

    def require(self, name: str) -> ContainerState:
        """The container as it is. Raises ContainerMissing."""
        state = self.inspect(name)
        if state is None:
            raise ContainerMissing(f"There is no container {name} in the engine. Start the database again.")
        return state

    def list(self, labels: Mapping[str, str] | None = None) -> tuple[ContainerState, ...]:
        """This installation's containers, running or not, that bear all of `labels`."""
        wanted = {**(labels or {}), INSTALLATION_LABEL: self.installation}
        filters = {"label": [f"{name}={value}" for name, value in wanted.items()]}
        with self.asking("list containers"):
            found = self.api.containers(all=True, quiet=True, filters=filters)
        states = (self.inspect(entry["Id"]) for entry in found)
        return tuple(sorted((state for state in states if state is not None), key=lambda state: state.name))

    def ensure_running(self, spec: ContainerSpec, *, keep_going: KeepGoing = forever) -> ContainerState:
        """Bring about a running container as in `spec`; calling it again changes nothing.

        One that differs in memory, CPU or weight alone is changed in place; one that differs otherwise is stopped
        (meanwhile `keep_going` is called four times a second) and replaced.
        Raises ImageMissing, NetworkMissing, AddressTaken, LimitRefused.
        """
        config = create_config(spec, installation=self.installation)
        state = self.inspect(spec.name)
        if state is not None and state.labels.get(FINGERPRINT_LABEL) != config["Labels"][FINGERPRINT_LABEL]:
            self.stop(spec.name, spec.stop_timeout_s, keep_going=keep_going)
            self.remove(spec.name)
            state = None
        if state is None:
            self.create(spec, config)
        elif (state.memory_bytes, state.cpus) != (spec.memory_bytes, spec.cpus):
            self.resize(spec.name, spec.memory_bytes, spec.cpus)
        if state is not None and state.later != spec.later:
            self.weigh(spec.name, later=spec.later)
        if state is None or not state.running:
            self.start(spec)
        return self.require(spec.name)

    def create(self, spec: ContainerSpec, config: dict[str, Any]) -> None:
        """Raises ImageMissing, and EngineError where the name is taken."""
        with self.asking(f"create container {spec.name}", missing=ImageMissing):
            self.post(f"/containers/create?name={spec.name}", config)

    def start(self, spec: ContainerSpec) -> None:
        """Start what `create` made; one that can't start is removed. Raises NetworkMissing, AddressTaken."""
        try:
            with self.asking(f"start container {spec.name}", missing=NetworkMissing):
                self.api.start(spec.name)
        except EngineError as error:
            self.remove(spec.name)
            if "Address already in use" in str(error):
                raise AddressTaken(f"{error} ({spec.address}). Nothing was started; allot another address.") from error
            raise

    def stop(self, name: str, timeout: float, *, keep_going: KeepGoing = forever) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds. A container that is stopped or gone is no error.

        When `keep_going` raises, the engine goes on stopping it.
        """
        try:
            with self.asking(f"stop container {name}", missing=ContainerMissing):
                in_background(lambda: self.api.stop(name, timeout=round(timeout)), keep_going=keep_going)
        except ContainerMissing:
            return

    def remove(self, name: str) -> None:
        """Kill and remove the container, with the volumes that only it has. One that is gone is no error."""
        try:
            with self.asking(f"remove container {name}", missing=ContainerMissing):
                self.api.remove_container(name, v=True, force=True)
        except ContainerMissing:
            return
        except EngineError as error:
            if "already in progress" not in str(error) or not self._goes(name):
                raise

    def _goes(self, name: str) -> bool:
        """Wait for somebody else's removal; whether the container is gone."""
        until = time.monotonic() + REQUEST_TIMEOUT
        while (there := self.inspect(name) is not None) and time.monotonic() < until:
            time.sleep(PULSE)
        return not there

    def resize(self, name: str, memory_bytes: int, cpus: float) -> Limits:
        """Change the limits of a container without a restart; return the old ones.

        Raises LimitRefused (and changes nothing) below the working set plus a margin, since the kernel would kill
        processes of the container, and above what the host has.
        """
        state, new = self.require(name), Limits(memory_bytes, cpus)
        self._check_room(state, new)
        with self.asking(f"resize container {name}", missing=ContainerMissing):
            self.post(f"/containers/{name}/update", new.body())
        return Limits(state.memory_bytes, state.cpus)

    def weigh(self, name: str, *, later: bool) -> None:
        """Let a container come before others where cores are short, or later. Raises ContainerMissing."""
        with self.asking(f"weigh container {name}", missing=ContainerMissing):
            self.post(f"/containers/{name}/update", weight(later=later))

    def usage(self, name: str) -> cgroups.Usage:
        """What the running container uses now. Raises ContainerMissing when there is none or it does not run."""
        state = self.require(name)
        try:
            if state.pid is None:
                raise ProcessLookupError(f"it ended with exit code {state.exit_code}")
            return cgroups.usage(state.pid)
        except OSError as error:
            raise ContainerMissing(f"Container {name} does not run: {error}. Start the database again.") from error

    def _check_room(self, state: ContainerState, new: Limits) -> None:
        host = self.info()
        if new.memory_bytes > host.memory_bytes or new.cpus > host.cpus:
            raise LimitRefused(
                f"The host has {_mb(host.memory_bytes)} and {host.cpus} cores; {_mb(new.memory_bytes)} and "
                f"{new.cpus:g} cores were asked for. The limits were left as they were; ask for less."
            )
        if state.pid is None:
            return
        used = self.usage(state.name).memory_bytes
        least = used + max(_MARGIN, used // 10)
        if new.memory_bytes < least:
            raise LimitRefused(
                f"{state.name} uses {_mb(used)} and needs a margin: at least {_mb(least)}, not "
                f"{_mb(new.memory_bytes)}. The limits were left as they were; ask for more."
            )


def _mb(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MB"
