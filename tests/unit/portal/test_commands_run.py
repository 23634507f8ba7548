"""Running programs: output as it comes, time limits that hold, nothing left behind."""

import os
import sys
import time
from pathlib import Path

import pytest

from portal.commands import CommandError, run


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def lives(process: Path) -> bool:
    """Whether a process runs; nobody may be there to take note of the end of an orphan."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_returns_what_the_program_printed_on_both_channels() -> None:
    result = run(python("import sys; print('out', flush=True); print('err', file=sys.stderr)"), timeout=20)
    assert (result.exit_code, result.output) == (0, "out\nerr\n")


def test_a_failure_says_program_exit_code_and_last_words() -> None:
    with pytest.raises(CommandError, match=r"ended with exit code 3: no way") as caught:
        run(["sh", "-c", "echo no way; exit 3"], timeout=20)
    assert (caught.value.exit_code, caught.value.output) == (3, "no way\n")


def test_a_failure_may_be_taken_as_an_answer() -> None:
    assert run(["false"], timeout=20, check=False).exit_code == 1


def test_an_argument_is_never_read_by_a_shell() -> None:
    assert run(["echo", "$(id); `id` | cat"], timeout=20).output == "$(id); `id` | cat\n"


def test_a_program_that_is_not_there_is_an_error_like_others() -> None:
    with pytest.raises(CommandError, match="could not be started"):
        run(["/nonexistent/program"], timeout=20)


def test_it_stops_what_runs_too_long() -> None:
    began = time.monotonic()
    with pytest.raises(CommandError, match="still running after 0 s and was stopped"):
        run(["sh", "-c", "echo begun; sleep 30"], timeout=0.5)
    assert time.monotonic() - began < 10


def test_it_stops_what_runs_on_after_closing_its_output() -> None:
    with pytest.raises(CommandError, match="still running"):
        run(["sh", "-c", "exec >&- 2>&-; sleep 30"], timeout=0.5)


def test_who_cancels_ends_it_even_when_it_has_closed_its_output() -> None:
    def keep_going() -> None:
        if time.monotonic() - began > 0.5:
            raise InterruptedError

    began = time.monotonic()
    with pytest.raises(InterruptedError):
        run(["sh", "-c", "exec >&- 2>&-; sleep 30"], timeout=60, keep_going=keep_going)
    assert time.monotonic() - began < 10


def test_grandchildren_end_with_a_program_that_was_stopped(tmp_path: Path) -> None:
    """Also where the program itself has ended, and only they keep its output open."""
    with pytest.raises(CommandError, match="still running"):
        run(["sh", "-c", f"sleep 30 & echo $! > {tmp_path}/pid"], timeout=0.5)
    process, deadline = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}"), time.monotonic() + 10
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lives(process)


def test_input_larger_than_a_pipe_comes_through_a_program_that_answers_meanwhile() -> None:
    given = os.urandom(500_000).hex().encode()
    assert run(["cat"], timeout=20, stdin=given).output.encode() == given


def test_a_program_that_wants_no_input_is_no_error() -> None:
    assert run(["true"], timeout=20, stdin=b"x" * 1_000_000).exit_code == 0


def test_a_program_that_never_reads_its_input_runs_into_the_limit() -> None:
    with pytest.raises(CommandError, match="still running"):
        run(["sleep", "30"], timeout=0.5, stdin=b"x" * 1_000_000)


def test_output_is_told_as_it_comes_and_only_its_end_is_kept() -> None:
    pieces: list[str] = []
    result = run(python("print('x' * 5000, end='äöü')"), timeout=20, output=pieces.append, limit=10)
    assert "".join(pieces) == "x" * 5000 + "äöü"
    assert result.output == "xxxxxxxäöü"


def test_the_environment_is_what_is_given_and_no_more() -> None:
    assert run(["/usr/bin/env"], timeout=20, env={"ONE": "1"}).output == "ONE=1\n"
