"""A whole deploy, told on make-believe machines and struck at its calls and changes of rows: killed, cancelled, failed,
or met by the reconciler. Whatever happens, it ends, production's address never stops answering, nothing is left over,
and a deploy that did not succeed has changed nothing.

A usual run strikes at each 20th moment, on another day at others; BERTH_TEST_ALL=1 (bin/test --all) at every one.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from builds import rounds
from builds.models import Build
from hosting.engines.docker import EngineUnreachable
from hosting.reconcile import reconcile
from portal import stories
from portal.models import Result, Story
from projects.models import Stage
from tests.unit.fakes import Killed
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.saved import Saved
from tests.unit.fakes.stage import CHANGES, NEW, OLD, Scenery, nothing, production_host, said, scenery

pytestmark = pytest.mark.django_db(transaction=True)

EVERY = 1 if os.environ.get("BERTH_TEST_ALL") else 20
SECONDS_A_DAY = 86_400
DEPLOYED = (Result.SUCCESS, Result.WARNING)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    logging.disable(logging.CRITICAL)  # each strike would be said there
    with scenery(monkeypatch, settings, tmp_path) as stage:
        yield stage
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class Moment:
    """Ahead of a call to a machine, or of a change of rows."""

    what: str
    in_transaction: bool

    @property
    def is_call(self) -> bool:
        return not self.what.startswith(CHANGES)


# --- what may happen at a moment --------------------------------------------------------------------------------------
Strike = Callable[[Scenery, Build], None]


def kill(stage: Scenery, _build: Build) -> None:
    stage.world.dead = True
    raise Killed


def cancel(stage: Scenery, build: Build) -> None:
    stories.cancel(Story.objects.get(pk=build.story_id or 0))
    assert stage.telling is not None
    stage.telling._beat_once()


def kill_and_cancel(stage: Scenery, build: Build) -> None:
    Story.objects.filter(pk=build.story_id or 0).update(cancel_requested=True)
    kill(stage, build)


def fail(_stage: Scenery, _build: Build) -> None:
    """The one call fails."""
    raise EngineUnreachable("no answer")


def outage(stage: Scenery, build: Build) -> None:
    """All calls fail from here on, until the worker gives up for now."""

    def no_answer(what: str) -> None:
        if Moment(what, in_transaction=False).is_call:
            fail(stage, build)

    stage.world.before = no_answer
    fail(stage, build)


def meet_the_reconciler(_stage: Scenery, _build: Build) -> None:
    reconcile()
    rounds.clean_up()


STRIKES: dict[Strike, Callable[[Moment], bool]] = {  # with the moments at which they may come
    kill: lambda _moment: True,
    cancel: lambda _moment: True,
    kill_and_cancel: lambda _moment: True,
    fail: lambda moment: moment.is_call,
    outage: lambda moment: moment.is_call,
    meet_the_reconciler: lambda moment: not moment.in_transaction,
}


# --- the test ---------------------------------------------------------------------------------------------------------
@dataclass
class Course:
    """How one telling went, with a strike at one of its moments."""

    strike: Strike
    at: int | None = None
    moments: list[Moment] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)  # what clients of production got

    def __str__(self) -> str:
        return f"{self.strike.__name__} at {self.at} ({self.moments[self.at].what})" if self.at is not None else "calm"


@pytest.mark.parametrize("scene", ["first", "same", "update", "development", "staging", "staging_restored", "kept"])
def test_a_deploy_survives_whatever_happens_to_it(stage: Scenery, scene: str) -> None:
    build: Build = getattr(stage, scene)()
    before, saved = stage.world.summary(), Saved(stage.world, stage.home)
    calm = play(stage, build, Course(kill))
    assert not [*wrongs(stage, build, before, calm)]
    wrong: list[str] = []
    for strike, may_come in STRIKES.items():
        for number in sample([n for n, moment in enumerate(calm.moments) if may_come(moment)], strike):
            saved.restore(stage.world)
            course = play(stage, build, Course(strike, number))
            wrong += [f"{course}: {line}" for line in wrongs(stage, build, before, course)]
    saved.drop()
    assert not wrong, "\n".join(["", *wrong])


def sample(numbers: list[int], strike: Strike) -> list[int]:
    """Each 20th of them, beginning with another one each day and for each strike."""
    day = int(time.time()) // SECONDS_A_DAY
    return numbers[(day + 7 * list(STRIKES).index(strike)) % EVERY :: EVERY]


def play(stage: Scenery, build: Build, course: Course) -> Course:
    host = production_host()

    def before(what: str) -> None:
        course.moments.append(Moment(what, connection.in_atomic_block))
        if len(course.moments) - 1 == course.at:
            stage.world.before = nothing
            course.strike(stage, build)

    def watch() -> None:
        if host:
            course.answers.add(stage.world.answer(host))

    stage.world.before, stage.world.watch = before, watch
    stage.tell(build)
    if course.strike in (fail, outage):
        rounds.mend()  # where an end could not be made
    return course


def wrongs(stage: Scenery, build: Build, before: dict[str, Any], course: Course) -> Iterator[str]:
    """What isn't as it should be in the end."""
    build = Build.objects.get(pk=build.pk)
    yield from stage.world.wrongs
    yield from leftovers(stage)
    yield from (f"the reconciler {line}" for line in reconcile())
    ours = {NEW, "held"} if build.to_update else {NEW}
    if not course.answers <= {OLD, *(ours if build.stage == Stage.PRODUCTION else ())}:
        yield f"clients of production got {course.answers}"
    if build.result in DEPLOYED:
        yield from _not_deployed(stage, build, before)
    elif course.at is None or course.strike in (kill, meet_the_reconciler):
        yield f"ended as {build.result}: {said(build)}"
    elif (after := stage.world.summary()) != before:
        yield from (f"{key} were {before[key]}, are {after[key]}" for key in before if before[key] != after[key])


def _not_deployed(stage: Scenery, build: Build, before: dict[str, Any]) -> Iterator[str]:
    assert build.instance is not None
    if (
        build.stage != Stage.PRODUCTION
        and stage.world.summary()["databases"]["hosted"] != before["databases"]["hosted"]
    ):
        yield "production's database was changed"
    if stage.world.answer(build.instance.hostname) != NEW:
        yield f"{build.result}, but its address answers {stage.world.answer(build.instance.hostname)}"
    data = (stage.world.databases["hosted"] | stage.world.databases["lab"])[build.instance.database]
    wanted = {name: f"18.0.{version}" for name, version in stage.world.commits[NEW].items()}
    if data.modules != wanted | {"base": "18.0.1.3"}:
        yield f"modules are {data.modules}, not {wanted}"
    if len(set(data.rows)) != len(data.rows):
        yield f"Odoo did something twice: {data.rows}"
