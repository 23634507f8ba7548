"""What `bin/up` says of a demo that was not deployed: whoever reads it may have no browser."""

import pytest

from builds.management.commands.demo import LAST_LINES, why
from tests.unit.fakes.stage import Scenery

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_says_the_cause_and_the_end_of_what_was_printed(stage: Scenery) -> None:
    build = stage.same()
    assert build.story is not None
    build.verdict, build.story.error_detail = "Failed", "\n".join(["the cause", *(f"line {n}" for n in range(30))])
    assert why(build).splitlines() == ["Failed", "the cause", *(f"line {n}" for n in range(30 - LAST_LINES, 30))]


def test_a_short_reason_is_said_once(stage: Scenery) -> None:
    build = stage.same()
    assert build.story is not None
    build.verdict, build.story.error_detail = "Failed", "the cause"
    assert why(build) == "Failed\nthe cause"


def test_without_a_build_it_says_so() -> None:
    assert why(None) == "No build began."
