"""Containers that run once: install, update, restore, neutralise."""

import time
from contextlib import suppress
from dataclasses import replace

from hosting.engines.docker.containers import Containers
from hosting.engines.docker.errors import EngineError, OutOfMemory, TimedOut
from hosting.engines.docker.specs import ContainerSpec, create_config
from hosting.engines.docker.states import ContainerState
from hosting.engines.docker.streams import PULSE, KeepGoing, forever
from hosting.engines.docker.wire import Wire
from portal.commands import Output, discard

KILLED = 128 + 9
_OOM_REPORT = 2.0


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
        second; what it raises kills the container. What an earlier attempt left under this name is removed first.
        Raises TimedOut, OutOfMemory, ImageMissing, NetworkMissing, AddressTaken.
        """
        deadline, spec = time.monotonic() + timeout, replace(spec, restart="no")
        self.remove(spec.name)
        self.create(spec, create_config(spec, installation=self.installation, stdin=stdin is not None))
        try:
            # Attached before it starts, so that no line is lost.
            with Wire(self.url, self._attach(spec.name, stdin=stdin is not None)) as wire:
                self.start(spec)
                for text in wire.talk(stdin=stdin, deadline=deadline, keep_going=keep_going):
                    output(text)
            state = self._ended(spec.name, deadline=deadline, keep_going=keep_going)
        except TimedOut as error:
            raise TimedOut(f"{spec.name} was still running after {timeout:.0f} s and was killed.") from error
        finally:
            # An engine that is gone now would hide what went wrong before; the next attempt removes the rest.
            with suppress(EngineError):
                self.remove(spec.name)
        if state.oom_killed and state.exit_code:
            raise OutOfMemory(
                f"{spec.name} needed more than its {spec.memory_bytes // 1024 // 1024} MB of memory and was killed by "
                "the kernel. Give it more memory, or load less at once."
            )
        return state.exit_code or 0

    def _attach(self, name: str, *, stdin: bool) -> str:
        return f"/v{self.api_version}/containers/{name}/attach?stream=1&stdout=1&stderr=1&stdin={int(stdin)}"

    def _ended(self, name: str, *, deadline: float, keep_going: KeepGoing) -> ContainerState:
        """Wait for the end: closing its output doesn't end a process. Raises TimedOut."""
        while (state := self.require(name)).running:
            keep_going()
            if time.monotonic() > deadline:
                raise TimedOut("The time limit was reached.")
            time.sleep(PULSE)
        # The engine learns of an out-of-memory kill a moment after the end.
        patience = time.monotonic() + _OOM_REPORT
        while state.exit_code == KILLED and not state.oom_killed and time.monotonic() < patience:
            time.sleep(PULSE)
            state = self.require(name)
        return state
