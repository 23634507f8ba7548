"""The runner of stories: told in order, once, resumed after a death, handed over, written down."""

import errno
import os
import threading
from datetime import timedelta

import pytest

from portal import clock, stories, telling
from portal.models import LogChunk, Result, State, Story
from portal.stories import StepSpec
from portal.telling import Telling
from tests.unit.portal.tale import Tale, told

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_tells_the_steps_in_order_and_keeps_what_they_say(tale: Tale) -> None:
    tale.add("fetch")
    tale.add("build")
    story = told(tale.begin())
    assert tale.happened == ["started", "fetch", "build", "finished success"]
    assert (story.state, story.result) == (State.DONE, Result.SUCCESS)
    assert [chunk.text for chunk in LogChunk.objects.order_by("pk")] == ["fetch was here\n", "build was here\n"]


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


def test_a_full_disk_is_called_by_its_name(tale: Tale) -> None:
    tale.add("fetch", fails=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/lib/berth/tree"))
    story = told(tale.begin())
    assert story.error_title == "The disk of this machine is full"
    assert "Fetch: " in story.error_detail
    assert "/var/lib/berth/tree" in story.error_detail
    assert "Free some disk" in story.error_remedy


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


def test_what_is_waited_for_is_told_on_by_a_process_that_shall_end(tale: Tale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_handing_over", threading.Event())

    def nobody_waits(_object: object, _telling: Telling) -> None:
        tale.waited_for = False

    tale.add("hold")
    tale.steps += (StepSpec("release", "Release", nobody_waits),)
    tale.add("drain")
    tale.waited_for = True
    telling.hand_over()
    story = told(tale.begin())
    assert (story.state, tale.happened) == (State.QUEUED, ["started", "hold"])
    assert list(story.steps.filter(state=State.DONE).values_list("name", flat=True)) == ["hold", "release"]


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


@pytest.mark.parametrize("end", ["", "\n"])
def test_secrets_are_not_cut_in_two_by_long_output(tale: Tale, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr("portal.telling.FLUSH_CHARACTERS", 50)

    def tell(_object: object, telling: Telling) -> None:
        telling.mask("hunter22")
        for _ in range(20):
            for piece in ("x" * 37 + end, "the password is hun", "ter22", " and"):
                telling.log(piece)

    tale.steps = (StepSpec("tell", "Tell", tell),)
    told(tale.begin())
    everything = "".join(LogChunk.objects.order_by("pk").values_list("text", flat=True))
    assert everything == ("x" * 37 + end + "the password is ******** and") * 20


def test_the_bell_is_rung_again_for_a_silent_story_only(tale: Tale) -> None:
    silent, heard = tale.begin(), tale.begin(subject="branch-2")
    past = clock.now() - timedelta(minutes=5)
    Story.objects.filter(pk=silent.pk).update(state=State.RUNNING, claim="dead", lease_until=past, rung_at=past)
    tale.rung.clear()
    assert stories.ring_all() == 1
    assert tale.rung == [silent.pk]
    assert heard.pk not in tale.rung
