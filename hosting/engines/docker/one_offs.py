"""Containers that run once: install, update, restore, neutralise."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from hosting.engines.docker.containers import Containers
from hosting.engines.docker.errors import ContainerMissing, EngineError, EngineUnreachable, OutOfMemory, TimedOut
from hosting.engines.docker.specs import ContainerSpec, create_config
from hosting.engines.docker.states import KILLED, ContainerState
from hosting.engines.docker.streams import PULSE, KeepGoing, forever
from hosting.engines.docker.wire import Wire
from portal.commands import Output, discard

Answer = TypeVar("Answer")

# With live-restore a container outlives a restart of its engine, which takes seconds.
ENGINE_RESTART = 60.0
# The engine learns of a container's end, and of an out-of-memory kill, a moment later.
_END_REPORT = 2.0


class OneOffs(Containers):
    def run_once(
        self,
        spec: ContainerSpec,
        *,
        timeout: float,
        output: Output = discard,
        keep_going: KeepGoing = forever,
        stdin: bytes | None = None,
    ) -> int:
        """Run a container to its end and return its exit code, whatever it is; the container is always removed.

        `timeout` is in seconds. `output` gets stdout and stderr as they come. `keep_going` is called four times a
        second; what it raises kills the container. What an earlier attempt left under this name is removed first. A
        restart of the engine in the meantime is waited for.
        Raises TimedOut, OutOfMemory, ImageMissing, NetworkMissing, AddressTaken, EngineUnreachable.
        """
        deadline, spec = time.monotonic() + timeout, replace(spec, restart="no")
        self.remove(spec.name)
        self.create(spec, create_config(spec, installation=self.installation, stdin=stdin is not None))
        made = self.require(spec.name).id  # whoever comes after us, as we lost our claim, has another of this name
        try:
            heard = self._attend(spec, stdin=stdin, deadline=deadline, output=output, keep_going=keep_going)
            interrupted = self._is_up(spec.name)
            if interrupted and stdin is not None:
                raise EngineUnreachable(
                    f"The engine left {spec.name} without the rest of its input. It was killed; try again."
                )
            state = self._ended(spec.name, deadline=deadline, keep_going=keep_going)
            if interrupted and (missed := self._said(spec.name)[heard:]):
                output(missed.decode(errors="replace"))
        except TimedOut as error:
            raise TimedOut(f"{spec.name} was still running after {timeout:.0f} s and was killed.") from error
        finally:
            # An engine that is gone for good would hide what went wrong before; the next attempt removes the rest.
            with suppress(EngineError):
                _patiently(lambda: self.remove(made), keep_going=forever)
        if state.oom_killed and state.exit_code:
            raise OutOfMemory(
                f"{spec.name} needed more than its {spec.memory_bytes // 1024 // 1024} MB of memory and was killed by "
                "the kernel. Give it more memory, or load less at once."
            )
        return state.exit_code or 0

    def _attend(
        self, spec: ContainerSpec, *, stdin: bytes | None, deadline: float, output: Output, keep_going: KeepGoing
    ) -> int:
        """Start the container and pass on what it says, until its output ends. Returns how many bytes that were."""
        target = f"/v{self.api_version}/containers/{spec.name}/attach?stream=1&stdout=1&stderr=1"
        # Attached before it starts, so that no line is lost.
        with Wire(self.url, target if stdin is None else f"{target}&stdin=1") as wire:
            self.start(spec)
            for text in wire.talk(stdin=stdin, deadline=deadline, keep_going=keep_going):
                output(text)
        return wire.heard

    def _is_up(self, name: str) -> bool:
        """Whether the container outlives its output: the engine was restarted, or it closed its output itself."""
        until = time.monotonic() + _END_REPORT
        with suppress(EngineUnreachable):
            while self.require(name).running and time.monotonic() < until:
                time.sleep(PULSE / 5)
            return self.require(name).running
        return True

    def _ended(self, name: str, *, deadline: float, keep_going: KeepGoing) -> ContainerState:
        """Wait for the end. Raises TimedOut."""
        while (state := _patiently(lambda: self.require(name), keep_going=keep_going)).running:
            keep_going()
            if time.monotonic() > deadline:
                raise TimedOut("The time limit was reached.")
            time.sleep(PULSE)
        until = time.monotonic() + _END_REPORT
        while state.exit_code == KILLED and not state.oom_killed and time.monotonic() < until:
            time.sleep(PULSE)
            state = self.require(name)
        return state

    def _said(self, name: str) -> bytes:
        """All that the container said, from the engine's log."""
        with self.asking(f"read the output of container {name}", missing=ContainerMissing):
            said: bytes = self.api.logs(name, stdout=True, stderr=True)
        return said


def _patiently(ask: Callable[[], Answer], *, keep_going: KeepGoing) -> Answer:
    """Ask again while the engine restarts. Raises EngineUnreachable when it stays away."""
    until = time.monotonic() + ENGINE_RESTART
    while True:
        try:
            return ask()
        except EngineUnreachable:
            if time.monotonic() > until:
                raise
        keep_going()
        time.sleep(PULSE)
