"""Stories that a step puts off: nobody is kept busy with them, and they are taken up again."""

from datetime import timedelta

import pytest

from portal import clock, stories
from portal.models import LogChunk, Result, State, Story
from portal.stories import Later, StepSpec
from portal.telling import Telling
from tests.unit.portal.tale import Killed, Tale, told

pytestmark = pytest.mark.django_db(transaction=True)

SOON = timedelta(seconds=31)


def wait(tale: Tale, *, times: int, dies: int = 0) -> None:
    """Add a step that puts the story off so many times, and at which workers die before that."""
    tells = iter([Killed()] * dies + [Later("No room yet.", seconds=30)] * times)

    def tell(_object: object, _telling: Telling) -> None:
        tale.happened.append("wait")
        if (what := next(tells, None)) is not None:
            raise what

    tale.steps += (StepSpec("wait", "Wait", tell),)


def test_it_is_given_back_and_told_anew_when_its_time_has_come(tale: Tale) -> None:
    tale.add("fetch")
    wait(tale, times=2)
    story = told(tale.begin())
    assert (story.state, story.claim, story.lease_until) == (State.QUEUED, "", None)
    assert told(story).state == State.QUEUED
    assert tale.happened == ["started", "fetch", "wait"]
    with clock.passed(SOON):
        told(story)
    with clock.passed(2 * SOON):
        story = told(story)
    assert tale.happened == ["started", "fetch", "wait", "wait", "wait", "finished success"]
    assert story.result == Result.SUCCESS


def test_why_it_waits_is_said_once(tale: Tale) -> None:
    wait(tale, times=3)
    story = tale.begin()
    for times in range(4):
        with clock.passed(times * SOON):
            told(story)
    assert [chunk.text for chunk in LogChunk.objects.all()] == ["No room yet.\n"]


def test_two_steps_that_wait_both_say_why(tale: Tale) -> None:
    wait(tale, times=1)
    first = tale.steps
    wait(tale, times=1)
    tale.steps = (*first, StepSpec("wait_more", "Wait more", tale.steps[-1].tell))
    story = tale.begin()
    for times in range(3):
        with clock.passed(times * SOON):
            told(story)
    said = LogChunk.objects.order_by("pk").values_list("step__name", "text")
    assert list(said) == [("wait", "No room yet.\n"), ("wait_more", "No room yet.\n")]


def test_the_bell_is_rung_when_its_time_has_come_and_again_where_that_is_lost(tale: Tale) -> None:
    wait(tale, times=1)
    story = told(tale.begin())
    tale.rung.clear()
    stories.ring_all()
    assert tale.rung == []
    with clock.passed(SOON):
        stories.ring_all()
        assert tale.rung == [story.pk]
        stories.ring_all()
        assert tale.rung == [story.pk]
    with clock.passed(3 * SOON):
        stories.ring_all()
    assert tale.rung == [story.pk] * 2


def test_putting_off_is_no_death_however_often(tale: Tale) -> None:
    wait(tale, times=3 * stories.MAX_ATTEMPTS, dies=2)
    story = tale.begin()
    for times in range(3 * stories.MAX_ATTEMPTS + 3):
        with clock.passed(times * SOON):
            story = told(story)
    assert story.result == Result.SUCCESS


def test_who_dies_after_it_was_taken_up_again_is_followed_by_another(tale: Tale) -> None:
    wait(tale, times=1)
    tale.add("build", dies=1)
    story = told(tale.begin())
    with clock.passed(SOON):
        assert told(story).state == State.RUNNING
        tale.rung.clear()
    with clock.passed(2 * SOON):
        stories.ring_all()
        assert tale.rung == [story.pk]
        assert told(story).result == Result.SUCCESS


def test_one_that_is_put_off_can_be_cancelled_at_once(tale: Tale) -> None:
    tale.add("fetch")
    wait(tale, times=1)
    story = told(tale.begin())
    tale.rung.clear()
    stories.cancel(story)
    assert tale.rung == [story.pk]
    assert told(story).result == Result.CANCELLED
    assert tale.happened == ["started", "fetch", "wait", "undo fetch", "finished cancelled"]


def test_those_of_other_subjects_go_by_and_its_own_keep_their_order(tale: Tale) -> None:
    wait(tale, times=1)
    waiting, second, other = tale.begin(), tale.begin(), tale.begin(subject="branch-2")
    told(waiting)
    assert told(second).state == State.QUEUED
    assert told(other).state == State.DONE
    with clock.passed(SOON):
        assert told(waiting).state == State.DONE
        assert told(second).state == State.DONE


def test_a_clock_that_is_set_back_keeps_nobody_waiting(tale: Tale) -> None:
    wait(tale, times=1)
    story = told(tale.begin())
    with clock.moved(-timedelta(days=1)):
        stories.ring_all()
        assert tale.rung[-1] == story.pk
        assert told(story).result == Result.SUCCESS


def test_pages_see_that_it_waits(tale: Tale) -> None:
    wait(tale, times=1)
    story = told(tale.begin())
    assert story.is_put_off
    assert story.steps.get().state == State.RUNNING
    Story.objects.update(cancel_requested=True)
    story.refresh_from_db()
    assert not story.is_put_off
