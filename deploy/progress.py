"""What the set-up says while it works, and how it fails: what was wrong, what was left as it was, what to do."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from portal.commands import CommandError


class SetupError(Exception):
    """The set-up can't go on. `left`: what was left as it was; `todo`: the command to run or the thing to change."""

    def __init__(self, wrong: str, *, left: str, todo: str) -> None:
        self.wrong, self.left, self.todo = wrong, left, todo
        super().__init__(f"{wrong}\n  {left}\n  To do: {todo}")


class Progress:
    """Prints a line for each step, with the seconds since the start and the step's own."""

    def __init__(self, out: TextIO = sys.stdout, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock, self._start = out, clock, clock()

    def say(self, text: str) -> None:
        for line in text.splitlines():
            print(f"[{self._clock() - self._start:6.1f} s]   {line}", file=self._out, flush=True)

    def stream(self, wanted: str = "") -> "Stream":
        """An `Output` for programs: says whole lines of what comes in pieces, those that begin with `wanted`."""
        return Stream(self, wanted)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What fails inside becomes a SetupError that names the step."""
        began = self._clock()
        print(f"[{began - self._start:6.1f} s] {name} ...", file=self._out, flush=True)
        try:
            yield
        except SetupError:
            raise
        except CommandError as error:
            raise _failed(name, f"`{' '.join(error.argv)}` {error.reason}.\n{error.output.strip()[-2000:]}") from error
        except Exception as error:
            raise _failed(name, "".join(traceback.format_exception(error)[-6:])) from error
        now = self._clock()
        print(f"[{now - self._start:6.1f} s] {name}: done in {now - began:.1f} s", file=self._out, flush=True)


def _failed(step: str, what: str) -> SetupError:
    return SetupError(
        f"{step}: {what}",
        left="What the steps before did stays.",
        todo="mend what the output says, then run the same command again: it goes on from here.",
    )


class Stream:
    def __init__(self, progress: Progress, wanted: str) -> None:
        self._progress, self._wanted, self._rest = progress, wanted, ""

    def __call__(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.startswith(self._wanted):
                self._progress.say(line)


def main(program: Callable[[], int]) -> NoReturn:
    """Run a program of bin/; its failure is a message, not a traceback."""
    try:
        sys.exit(program())
    except SetupError as error:
        print(f"\nberth: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nberth: stopped. Running it again goes on from here.", file=sys.stderr)
    sys.exit(1)
