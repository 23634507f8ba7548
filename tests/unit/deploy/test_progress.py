"""What the set-up says, and how it fails."""

from io import StringIO

import pytest

from deploy.progress import Progress, SetupError
from portal.commands import CommandError


def test_a_step_is_shown_with_its_times() -> None:
    times, out = iter([100.0, 112.3, 114.3]), StringIO()
    progress = Progress(out, clock=lambda: next(times))
    with progress.step("PostgreSQL"):
        pass
    assert out.getvalue() == "[  12.3 s] PostgreSQL ...\n[  14.3 s] PostgreSQL: done in 2.0 s\n"


def test_a_failing_command_says_step_command_and_output() -> None:
    with pytest.raises(SetupError) as caught, Progress(StringIO()).step("front-end files"):
        raise CommandError(["npm", "ci"], 1, "no such package")
    message = str(caught.value)
    assert "front-end files: `npm ci` ended with exit code 1." in message
    assert "no such package" in message
    assert "run the same command again" in message


def test_an_unforeseen_failure_names_the_step_and_the_place() -> None:
    progress = Progress(StringIO())
    with pytest.raises(SetupError, match=r"(?s)static files: .*KeyError: 'manifest'"), progress.step("static files"):
        raise KeyError("manifest")


def test_output_in_pieces_is_said_in_lines() -> None:
    out = StringIO()
    stream = Progress(out, clock=lambda: 0.0).stream()
    for piece in ("Build", "ing\nSte", "p 1\n"):
        stream(piece)
    assert [line.split("s]   ")[1] for line in out.getvalue().splitlines()] == ["Building", "Step 1"]


def test_of_a_long_output_only_the_wanted_lines_are_said() -> None:
    out = StringIO()
    Progress(out, clock=lambda: 0.0).stream("Building")("Building berth-base\nStep 1/18 : FROM x\n")
    assert out.getvalue() == "[   0.0 s]   Building berth-base\n"
