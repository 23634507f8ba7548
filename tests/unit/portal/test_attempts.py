"""Trying again: what passes by itself is tried again, longer and longer; the rest is not."""

from collections.abc import Callable

import pytest

from portal import attempts, stories
from portal.commands import CommandError, TimeUp, run
from portal.models import Command, Result, State, Step, Story
from portal.stories import Kind, StepFunction, StepSpec
from portal.telling import Cancelled, Telling

pytestmark = pytest.mark.django_db(transaction=True)


class Passing(Exception):
    transient = True
    exit_code = 128


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PAUSE_S", 0.001)


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[StepFunction], Story]:
    """Tell a story of one step."""
    monkeypatch.setattr(stories, "async_task", lambda *_arguments, **_options: None)

    def told(step: StepFunction) -> Story:
        spec = StepSpec(name="work", title="Work", tell=step)
        kind = Kind("once", "deploy", lambda pk: pk, lambda _o: [spec], lambda _o, _s: None, lambda _o, _s: None)
        monkeypatch.setitem(stories._kinds, "once", kind)
        story = stories.begin("once", object_id=1, subject="x")
        stories.look(story.pk)
        return Story.objects.get(pk=story.pk)

    return told


def output(story: Story) -> str:
    return "".join(chunk.text for chunk in Step.objects.get(story=story).chunks.order_by("pk"))


def failing(times: int, error: Exception, given: list[float]) -> Callable[[Command, float], str]:
    def work(_row: Command, seconds: float) -> str:
        given.append(seconds)
        if len(given) <= times:
            raise error
        return "done"

    return work


def test_what_passes_by_itself_is_tried_again_with_more_time_and_says_why(
    tell: Callable[[StepFunction], Story],
) -> None:
    given: list[float] = []
    work = failing(2, Passing("the name server is away"), given)
    story = tell(lambda _o, telling: telling.say(attempts.command(telling, ["git", "fetch"], work, timeout=30)))
    assert story.result == Result.SUCCESS
    assert given == [30, 60, 120]
    assert output(story).count("the name server is away.") == 2
    assert "Try 2 of 4" in output(story)
    assert list(Command.objects.order_by("pk").values_list("exit_code", flat=True)) == [128, 128, 0]
    assert not Command.objects.filter(finished_at=None).exists()


def test_after_three_more_tries_it_fails(tell: Callable[[StepFunction], Story]) -> None:
    given: list[float] = []
    work = failing(9, Passing("still away"), given)
    story = tell(lambda _o, telling: telling.say(attempts.command(telling, ["git"], work, timeout=1)))
    assert story.result == Result.FAILURE
    assert story.error_detail == "still away"
    assert len(given) == attempts.TRIES == Command.objects.count()


def test_what_does_not_pass_is_not_tried_again(tell: Callable[[StepFunction], Story]) -> None:
    given: list[float] = []
    work = failing(1, ValueError("no such package"), given)
    story = tell(lambda _o, telling: telling.say(attempts.command(telling, ["pip"], work, timeout=1)))
    assert story.result == Result.FAILURE
    assert len(given) == 1


def test_a_cancelled_story_does_not_wait_for_the_next_try(
    monkeypatch: pytest.MonkeyPatch, tell: Callable[[StepFunction], Story]
) -> None:
    monkeypatch.setattr(attempts, "PAUSE_S", 3600.0)
    monkeypatch.setattr(attempts, "LONGEST_PAUSE_S", 3600.0)
    given: list[float] = []
    work = failing(9, Passing("away"), given)

    def step(_object: object, telling: Telling) -> None:
        def cancelled() -> None:
            raise Cancelled

        monkeypatch.setattr(telling, "keep_going", cancelled)
        attempts.again(telling, lambda seconds: work(Command(), seconds), timeout=1)

    story = tell(step)
    assert (story.state, story.result) == (State.DONE, Result.CANCELLED)
    assert len(given) == 1


def test_a_program_that_runs_out_of_time_may_be_tried_again_and_one_that_fails_may_not() -> None:
    with pytest.raises(TimeUp) as late:
        run(["sleep", "30"], timeout=0.1)
    with pytest.raises(CommandError) as failed:
        run(["false"], timeout=30)
    assert attempts.transient(late.value)
    assert not attempts.transient(failed.value)
