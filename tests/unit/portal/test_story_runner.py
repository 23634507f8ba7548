"""The runner of stories: told in order, once, resumed after a death, undone after a failure."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from portal import clock, stories, telling
from portal.models import LogChunk, Result, State, Step, Story
from portal.stories import Kind, ProjectError, StepSpec, step
from portal.telling import Telling

pytestmark = pytest.mark.django_db(transaction=True)


class Tale:
    """A kind of story whose steps are given by a test; it remembers what happened."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.steps: tuple[StepSpec, ...] = ()
        self.rung: list[int] = []

    def add(self, name: str, *, final: bool = False, fails: Exception | None = None, dies: int = 0) -> None:
        deaths = iter(range(dies))

        def tell(_object: object, telling: Telling) -> None:
            self.happened.append(name)
            telling.say(f"{name} was here")
            if next(deaths, None) is not None:
                raise Killed
            if fails is not None:
                raise fails

        def undo(_object: object, _telling: Telling) -> None:
            self.happened.append(f"undo {name}")

        tell.__name__ = name
        self.steps += (step(name.title(), undo=undo, final=final)(tell),)

    def begin(self, subject: str = "branch-1") -> Story:
        return stories.begin("tale", object_id=1, subject=subject)


class Killed(BaseException):
    """As if the worker had been killed: nothing of the runner's own clean-up may run."""


@pytest.fixture
def tale(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tale]:
    tale = Tale()
    stories.register(
        Kind(
            name="tale",
            queue="deploy",
            load=lambda pk: pk,
            steps=lambda _object: tale.steps,
            started=lambda _object, _story: tale.happened.append("started"),
            finished=lambda _object, story: tale.happened.append(f"finished {story.result}"),
        )
    )
    monkeypatch.setattr(stories, "async_task", lambda _name, pk, **_options: tale.rung.append(pk))
    yield tale
    del stories._kinds["tale"]


def told(story: Story) -> Story:
    """Look at a story as a worker would; a death is only a death."""
    try:
        stories.look(story.pk)
    except Killed:
        Story.objects.filter(pk=story.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    story.refresh_from_db()
    return story


def test_it_tells_the_steps_in_order_and_keeps_what_they_say(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build")
    story = told(tale.begin())
    assert tale.happened == ["started", "fetch", "build", "finished success"]
    assert (story.state, story.result) == (State.DONE, Result.SUCCESS)
    assert [chunk.text for chunk in LogChunk.objects.order_by("pk")] == ["fetch was here\n", "build was here\n"]


def test_a_failure_undoes_the_steps_backwards_and_is_kept(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build", fails=ProjectError("It doesn't build", "line 3", "Mend line 3."))
    tale.add("switch")
    story = told(tale.begin())
    assert tale.happened == ["started", "fetch", "build", "undo build", "undo fetch", "finished failure"]
    assert (story.error_title, story.error_detail, story.error_remedy) == ("It doesn't build", "line 3", "Mend line 3.")
    assert story.steps.get(name="switch").state == State.QUEUED


def test_an_accident_is_told_as_the_platforms_fault(tale: Tale) -> None:
    tale.add("fetch", fails=RuntimeError("no route"))
    story = told(tale.begin())
    assert story.result == Result.FAILURE
    assert "no route" in story.error_detail
    assert "fault of the platform" in story.error_remedy


def test_after_a_death_it_is_resumed_at_the_step_that_was_interrupted(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build", dies=1)
    tale.add("switch")
    story = told(tale.begin())
    assert story.state == State.RUNNING
    story = told(story)
    assert tale.happened == ["started", "fetch", "build", "build", "switch", "finished success"]
    assert story.steps.get(name="build").attempts == 2


def test_a_step_at_which_every_worker_dies_ends_the_story(tale: Tale) -> None:
    tale.add("build", dies=100)
    story = tale.begin()
    for _ in range(stories.MAX_ATTEMPTS + 1):
        story = told(story)
    assert story.result == Result.FAILURE
    assert "interrupted" in story.error_title


def test_a_story_is_told_by_one_worker_only(tale: Tale) -> None:
    tale.add("fetch")
    story = tale.begin()
    Story.objects.update(state=State.RUNNING, claim="another", lease_until=clock.now() + timedelta(seconds=20))
    told(story)
    assert tale.happened == []


def test_stories_of_one_subject_wait_for_each_other(tale: Tale) -> None:
    tale.add("fetch")
    first, second, other = tale.begin(), tale.begin(), tale.begin(subject="branch-2")
    assert told(second).state == State.QUEUED
    assert told(other).state == State.DONE
    tale.rung.clear()
    assert told(first).state == State.DONE
    assert tale.rung == [second.pk]
    assert told(second).state == State.DONE


def test_a_cancelled_story_is_undone(tale: Tale) -> None:
    tale.add("fetch")
    story = tale.begin()
    stories.cancel(story)
    assert told(story).result == Result.CANCELLED
    assert "fetch" not in tale.happened


def test_past_the_point_of_no_return_a_failure_is_a_warning(tale: Tale) -> None:
    tale.add("switch", final=True)
    tale.add("drain", fails=RuntimeError("the engine is away"))
    tale.add("report")
    story = told(tale.begin())
    assert story.result == Result.WARNING
    assert tale.happened == ["started", "switch", "drain", "report", "finished warning"]


def test_a_story_is_handed_over_between_two_steps(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build")
    story = tale.begin()
    handed = tale.steps[0].tell

    def ask_for_it(_object: object, telling: Telling) -> None:
        handed(_object, telling)
        Story.objects.update(handover_requested=True)
        telling._beat_once()

    tale.steps = (StepSpec("fetch", "Fetch", ask_for_it), tale.steps[1])
    story = told(story)
    assert (story.state, story.claim) == (State.QUEUED, "")
    assert tale.rung[-1] == story.pk
    assert told(story).result == Result.SUCCESS
    assert tale.happened == ["started", "fetch", "build", "finished success"]


def test_a_process_that_shall_end_hands_over_what_it_tells(tale: Tale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_handing_over", threading.Event())
    tale.add("fetch")
    tale.add("build")
    telling.hand_over()
    story = told(tale.begin())
    assert (story.state, tale.happened) == (State.QUEUED, ["started"])
    monkeypatch.setattr(telling, "_handing_over", threading.Event())
    assert told(story).result == Result.SUCCESS
    assert tale.happened == ["started", "fetch", "build", "finished success"]


def test_an_interrupted_undo_goes_on_where_it_stopped(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build", fails=ProjectError("No"))
    story = told(tale.begin())
    Story.objects.update(state=State.RUNNING, result="", claim="dead", lease_until=clock.now() - timedelta(seconds=1))
    Step.objects.filter(name="fetch").update(undone=False)
    tale.happened.clear()
    assert told(story).result == Result.FAILURE
    assert tale.happened == ["undo fetch", "finished failure"]


def test_secrets_never_reach_the_output(tale: Tale) -> None:
    def tell(_object: object, telling: Telling) -> None:
        telling.mask("hunter22")
        telling.log("the password is hun")
        telling.log("ter22\n")
        with telling.command(["psql", "password=hunter22"]) as command:
            command.exit_code = 0

    tale.steps = (StepSpec("tell", "Tell", tell),)
    story = told(tale.begin())
    everything = "".join(LogChunk.objects.values_list("text", flat=True))
    assert everything == "the password is ********\n"
    assert story.steps.get().commands.get().argv == ["psql", "password=********"]


def test_the_bell_is_rung_again_for_a_silent_story_only(tale: Tale) -> None:
    silent, heard = tale.begin(), tale.begin(subject="branch-2")
    past = clock.now() - timedelta(minutes=5)
    Story.objects.filter(pk=silent.pk).update(state=State.RUNNING, claim="dead", lease_until=past, rung_at=past)
    tale.rung.clear()
    assert stories.ring_all() == 1
    assert tale.rung == [silent.pk]
    assert heard.pk not in tale.rung
