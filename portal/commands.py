"""The one way in which Berth runs a program: an argument list, a time limit, output as it comes.

Everything that shells out (git, iptables, restic ...) goes through `run`, so that no shell string, no forgotten
timeout and no lost output can exist.
"""

import codecs
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

Output = Callable[[str], None]

PULSE = 0.25  # seconds


def discard(_text: str) -> None:
    """An `Output` for callers who only want the result."""


class CommandError(Exception):
    """A program ended with another exit code than 0, could not be started, or ran into its time limit."""

    transient: ClassVar[bool] = False  # what a program's own errors mean, its caller knows

    def __init__(self, argv: Sequence[str], exit_code: int | None, output: str, reason: str = "") -> None:
        self.argv, self.exit_code, self.output = list(argv), exit_code, output
        self.reason = reason or f"ended with exit code {exit_code}"
        super().__init__(f"{argv[0]} {self.reason}: {output.strip()[-800:]}")


class TimeUp(CommandError):
    """It was still running at its time limit. With more time it may end."""

    transient = True


@dataclass(frozen=True)
class Result:
    exit_code: int
    output: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    output: Output = discard,
    check: bool = True,
    keep_going: Callable[[], None] = lambda: None,
    limit: int = 4_000_000,
) -> Result:
    """Run `argv` and return its combined stdout and stderr, of which at most the last `limit` characters are kept.

    `timeout` is in seconds. `output` gets the text as it comes. `keep_going` is called about four times a second; an
    exception raised by it kills the program (that is how a story is cancelled). The whole process group is killed then,
    and when the time is up, so that no grandchild is left behind.

    Raises CommandError, TimeUp.
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(argv, None, str(error), "could not be started") from error
    kept = ""
    try:
        for text in _talk(process, stdin, deadline=started + timeout, keep_going=keep_going):
            kept = (kept + text)[-limit:]
            output(text)
        exit_code = _wait(process, deadline=started + timeout, keep_going=keep_going)
    except BaseException as error:
        _kill(process)
        if isinstance(error, _TimeUp):
            reason = f"was still running after {timeout:.0f} s and was stopped"
            raise TimeUp(argv, None, kept, reason) from error
        raise
    finally:
        _close(process)
    if check and exit_code != 0:
        raise CommandError(argv, exit_code, kept)
    return Result(exit_code=exit_code, output=kept, seconds=time.monotonic() - started)


class _TimeUp(Exception):
    pass


def _talk(
    process: "subprocess.Popen[bytes]", stdin: bytes | None, *, deadline: float, keep_going: Callable[[], None]
) -> Iterator[str]:
    """Write its input as the program takes it, and yield its output in pieces until it closes its end."""
    assert process.stdout is not None
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = memoryview(stdin or b"")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while True:
            keep_going()
            if time.monotonic() > deadline:
                raise _TimeUp
            for key, _events in selector.select(timeout=PULSE):
                if key.fileobj is process.stdout:
                    piece = os.read(process.stdout.fileno(), 65536)
                    if not piece:
                        return
                    yield decode(piece)
                elif process.stdin is not None:
                    rest = _write(process.stdin, rest)
                    if not rest:
                        selector.unregister(process.stdin)
                        process.stdin.close()


def _write(stdin: IO[bytes], rest: memoryview) -> memoryview:
    """Write what fits; what is left. Nothing is, for a program that wants no more."""
    try:
        return rest[os.write(stdin.fileno(), rest) :]
    except BrokenPipeError:
        return rest[:0]


def _wait(process: "subprocess.Popen[bytes]", *, deadline: float, keep_going: Callable[[], None]) -> int:
    """The exit code: who closes his output has not always ended."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=PULSE)
        keep_going()
        if time.monotonic() > deadline:
            raise _TimeUp


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End its whole group, before its end is taken note of: until then the group's number can be no other's."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _close(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
