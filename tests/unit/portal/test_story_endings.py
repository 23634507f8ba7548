"""How stories end badly: undone, for good or later, and by nobody who has lost the claim."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from portal import clock, stories
from portal.models import LogChunk, Result, State, Step, Story, User
from portal.stories import Kind, ProjectError, StepSpec
from portal.telling import Telling
from tests.unit.portal.tale import Killed, Tale, told

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_failure_undoes_the_steps_backwards_and_is_kept(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build", fails=ProjectError("It doesn't build", "line 3", "Mend line 3."))
    tale.add("switch")
    story = told(tale.begin())
    assert tale.happened == ["started", "fetch", "build", "undo build", "undo fetch", "finished failure"]
    assert (story.error_title, story.error_detail, story.error_remedy) == ("It doesn't build", "line 3", "Mend line 3.")
    assert story.steps.get(name="switch").state == State.QUEUED


def test_a_cancelled_story_is_undone(tale: Tale) -> None:
    tale.add("fetch")
    story = tale.begin()
    stories.cancel(story)
    assert told(story).result == Result.CANCELLED
    assert "fetch" not in tale.happened


def test_a_wish_to_cancel_is_heard_at_the_last_moment(tale: Tale) -> None:
    """Not only at the next heartbeat, when the final step would have been told."""

    def prove(_object: object, telling: Telling) -> None:
        stories.cancel(telling.story)

    tale.steps = (StepSpec("prove", "Prove", prove),)
    tale.add("switch", final=True)
    assert told(tale.begin()).result == Result.CANCELLED
    assert "switch" not in tale.happened


def test_past_the_point_of_no_return_a_failure_is_a_warning(tale: Tale) -> None:
    tale.add("switch", final=True)
    tale.add("drain", fails=RuntimeError("the engine is away"))
    tale.add("report")
    story = told(tale.begin())
    assert story.result == Result.WARNING
    assert tale.happened == ["started", "switch", "drain", "report", "finished warning"]


def test_a_final_step_and_its_end_are_one_decision(tale: Tale) -> None:
    """Who is killed within it has decided nothing: the story may still be cancelled, and is undone."""

    def switch(_object: object, telling: Telling) -> None:
        User.objects.create(username="switched")
        telling.say("switched")
        if not telling.story.cancel_requested:
            raise Killed

    tale.add("build")
    tale.steps += (StepSpec("switch", "Switch", switch, final=True),)
    story = told(tale.begin())
    assert not User.objects.exists()
    stories.cancel(story)
    assert told(story).result == Result.CANCELLED
    assert not User.objects.exists()
    assert tale.happened == ["started", "build", "undo build", "finished cancelled"]


def test_what_can_not_be_undone_now_is_undone_later_and_before_what_it_stands_on(tale: Tale) -> None:
    tale.add("database")
    tale.add("pool", undo_fails=2)
    tale.add("proof", fails=ProjectError("No"))
    story = tale.begin()
    assert told(story).state == State.RUNNING
    assert told(story).state == State.RUNNING
    assert told(story).result == Result.FAILURE
    assert tale.happened[4:] == [
        "undo proof",
        "undo pool",
        "undo pool",
        "undo pool",
        "undo database",
        "finished failure",
    ]


def test_what_can_never_be_undone_is_said_and_given_up(tale: Tale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "MAX_UNDOS", 3)
    tale.add("database")
    tale.add("pool", undo_fails=100, fails=ProjectError("No"))
    story = tale.begin()
    for _ in range(stories.MAX_UNDOS):
        story = told(story)
    assert story.result == Result.FAILURE
    assert tale.happened[-2:] == ["undo database", "finished failure"]
    assert "Could not be undone: the engine is away" in LogChunk.objects.latest("pk").text


def test_a_fault_of_the_portals_own_rows_fails_the_story_instead_of_repeating_it(tale: Tale) -> None:
    tale.add("fetch", fails=IntegrityError("duplicate key"))
    assert told(tale.begin()).result == Result.FAILURE


def test_while_the_portals_database_is_away_the_story_waits(tale: Tale) -> None:
    tale.add("fetch", fails=OperationalError("the server closed the connection"))
    story = tale.begin()
    with pytest.raises(OperationalError):
        stories.look(story.pk)
    story.refresh_from_db()
    assert (story.state, story.failing) == (State.RUNNING, False)


def test_it_leaves_kinds_of_another_version_alone(tale: Tale) -> None:
    story = tale.begin()
    Story.objects.update(kind="a later one")
    assert told(story).state == State.QUEUED


def test_a_worker_that_lost_its_claim_writes_nothing_more(tale: Tale) -> None:
    def overtaken(_object: object, _telling: Telling) -> None:
        Story.objects.update(claim="another", lease_until=clock.now() + timedelta(seconds=20))

    tale.steps = (StepSpec("fetch", "Fetch", overtaken),)
    tale.add("build")
    story = tale.begin()
    stories.look(story.pk)
    story.refresh_from_db()
    assert (story.state, story.claim) == (State.RUNNING, "another")
    assert story.steps.get(name="fetch").state == State.RUNNING
    assert tale.happened == ["started"]


def test_a_worker_that_lost_its_claim_at_the_very_end_does_not_end_the_story(
    tale: Tale, monkeypatch: pytest.MonkeyPatch
) -> None:
    tale.add("fetch")
    finish = stories._finish

    def overtaken(kind: Kind, telling: Telling) -> None:
        Story.objects.update(claim="another", lease_until=clock.now() + timedelta(seconds=20))
        finish(kind, telling)

    monkeypatch.setattr(stories, "_finish", overtaken)
    story = tale.begin()
    stories.look(story.pk)
    story.refresh_from_db()
    assert (story.state, story.claim) == (State.RUNNING, "another")
    assert "finished success" not in tale.happened


def test_the_heart_beats_on_after_anything(tale: Tale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.telling.HEARTBEAT_S", 0.01)
    beats = threading.Semaphore(0)

    def beat(_telling: Telling) -> None:
        beats.release()
        raise InterfaceError("the connection is closed")

    monkeypatch.setattr(Telling, "_beat_once", beat)

    def tell(_object: object, _telling: Telling) -> None:
        assert all(beats.acquire(timeout=10) for _ in range(3))

    tale.steps = (StepSpec("tell", "Tell", tell),)
    assert told(tale.begin()).result == Result.SUCCESS


def test_an_interrupted_undo_goes_on_where_it_stopped(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build", fails=ProjectError("No"))
    story = told(tale.begin())
    Story.objects.update(state=State.RUNNING, result="", claim="dead", lease_until=clock.now() - timedelta(seconds=1))
    Step.objects.filter(name="fetch").update(undone=False)
    tale.happened.clear()
    assert told(story).result == Result.FAILURE
    assert tale.happened == ["undo fetch", "finished failure"]
