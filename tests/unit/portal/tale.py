"""A kind of story for tests of the runner, whose steps do nothing but remember that they were told."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from portal import clock, stories
from portal.models import State, Story
from portal.stories import Kind, StepSpec, step
from portal.telling import Telling


class Tale:
    """A kind of story whose steps are given by a test; it remembers what happened."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.steps: tuple[StepSpec, ...] = ()
        self.rung: list[int] = []
        self.waited_for = False

    def add(
        self, name: str, *, final: bool = False, fails: Exception | None = None, dies: int = 0, undo_fails: int = 0
    ) -> None:
        deaths, failures = iter(range(dies)), iter(range(undo_fails))

        def tell(_object: object, telling: Telling) -> None:
            self.happened.append(name)
            telling.say(f"{name} was here")
            if next(deaths, None) is not None:
                raise Killed
            if fails is not None:
                raise fails

        def undo(_object: object, _telling: Telling) -> None:
            self.happened.append(f"undo {name}")
            if next(failures, None) is not None:
                raise RuntimeError("the engine is away")

        tell.__name__ = name
        self.steps += (step(name.title(), undo=undo, final=final)(tell),)

    def begin(self, subject: str = "branch-1") -> Story:
        return stories.begin("tale", object_id=1, subject=subject)


class Killed(BaseException):
    """As if the worker had been killed: nothing of the runner's own clean-up may run."""


@contextmanager
def told_by(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tale]:
    """The runner knows this kind of story meanwhile."""
    tale = Tale()
    stories.register(
        Kind(
            name="tale",
            queue="deploy",
            load=lambda pk: pk,
            steps=lambda _object: tale.steps,
            started=lambda _object, _story: tale.happened.append("started"),
            finished=lambda _object, story: tale.happened.append(f"finished {story.result}"),
            is_waited_for=lambda _object: tale.waited_for,
        )
    )
    monkeypatch.setattr(stories, "async_task", lambda _name, pk, **_options: tale.rung.append(pk))
    yield tale
    del stories._kinds["tale"]


def told(story: Story) -> Story:
    """Look at a story as a worker would; what it leaves to others is theirs at once."""
    with suppress(Killed, RuntimeError):
        stories.look(story.pk)
    Story.objects.filter(pk=story.pk, state=State.RUNNING).update(lease_until=clock.now() - timedelta(seconds=1))
    story.refresh_from_db()
    return story
