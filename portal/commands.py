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
from dataclasses import dataclass
from pathlib import Path

Output = Callable[[str], None]


def discard(_text: str) -> None:
    """An `Output` for callers who only want the result."""


class CommandError(Exception):
    """A program ended with another exit code than 0, could not be started, or ran into its time limit."""

    def __init__(self, argv: Sequence[str], exit_code: int | None, output: str, reason: str = "") -> None:
        self.argv, self.exit_code, self.output = list(argv), exit_code, output
        self.reason = reason or f"ended with exit code {exit_code}"
        super().__init__(f"{argv[0]} {self.reason}: {output.strip()[-800:]}")


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
    exception raised by it kills the program (that is how a story is cancelled). The whole process group is killed, so
    that no grandchild is left behind.

    Raises CommandError.
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
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        for text in _read(process, deadline=started + timeout, keep_going=keep_going):
            kept = (kept + text)[-limit:]
            output(text)
        exit_code = process.wait(timeout=max(1.0, started + timeout - time.monotonic()))
    except _TimeUp as error:
        raise CommandError(argv, None, kept, f"was still running after {timeout:.0f} s and was stopped") from error
    finally:
        _kill(process)
    if check and exit_code != 0:
        raise CommandError(argv, exit_code, kept)
    return Result(exit_code=exit_code, output=kept, seconds=time.monotonic() - started)


class _TimeUp(Exception):
    pass


def _read(process: "subprocess.Popen[bytes]", *, deadline: float, keep_going: Callable[[], None]) -> Iterator[str]:
    """Yield the program's output in pieces until it closes its end."""
    assert process.stdout is not None
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            keep_going()
            if time.monotonic() > deadline:
                raise _TimeUp
            if not selector.select(timeout=0.25):
                continue
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                return
            yield decode(piece)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
