"""Which databases are found idle."""

from datetime import datetime, timedelta

import pytest

from builds import resting
from builds.models import Build
from hosting.models import Instance
from portal import clock
from portal.models import Result, State, Story
from portal.stories import ProjectError
from projects.models import Branch, Stage
from tests import cast

pytestmark = pytest.mark.django_db


def ago(**time: float) -> datetime:
    return clock.now() - timedelta(**time)


def branch(stage: Stage = Stage.DEVELOPMENT, **fields: object) -> Branch:
    """One whose database was made, built and last used two hours ago."""
    made = cast.branch(
        cast.project(f"shop-{stage}"), "fix", stage, instance=cast.instance(stage, f"{stage}.localhost"), **fields
    )
    cast.build(made)
    Build.objects.update(finished_at=ago(hours=2))
    Instance.objects.update(created_at=ago(hours=3), last_request_at=ago(hours=2))
    return made


@pytest.mark.parametrize("stage", [Stage.DEVELOPMENT, Stage.STAGING])
def test_what_nobody_used_for_long_falls_asleep(stage: Stage) -> None:
    made = branch(stage)
    resting.rest()
    story = Story.objects.get(kind="sleep")
    assert (story.object_id, story.queue, story.subject) == (made.instance_id, "urgent", f"i{made.instance_id}")


def test_only_some_fall_asleep_at_once() -> None:
    """They share their queue with wake-ups and rollbacks."""
    project = cast.project("shop")
    for number in range(3):
        instance = cast.instance(Stage.DEVELOPMENT, f"{number}.localhost")
        cast.build(cast.branch(project, f"fix-{number}", Stage.DEVELOPMENT, instance=instance))
    Build.objects.update(finished_at=ago(hours=2), state=State.DONE)
    Instance.objects.update(created_at=ago(hours=3), last_request_at=ago(hours=2))
    assert len(resting.idle()) == 3
    for _round in range(2):
        resting.rest()
        assert Story.objects.open().filter(kind="sleep").count() == resting.AT_ONCE
    Story.objects.update(state=State.DONE, result=Result.SUCCESS)
    resting.rest()
    assert Story.objects.open().filter(kind="sleep").count() == resting.AT_ONCE


def test_production_never_does() -> None:
    branch(Stage.PRODUCTION)
    assert resting.idle() == []


def test_how_long_is_the_branchs_to_say() -> None:
    branch(idle_minutes=180)
    assert resting.idle() == []


def test_a_branch_may_want_none_of_it() -> None:
    branch(idle_minutes=0)
    assert resting.idle() == []


def test_what_was_used_lately_stays_awake() -> None:
    branch()
    Instance.objects.update(last_request_at=ago(minutes=29))
    assert resting.idle() == []


def test_what_was_built_lately_stays_awake_though_nobody_came() -> None:
    branch()
    Instance.objects.update(last_request_at=None)
    assert len(resting.idle()) == 1
    Build.objects.update(finished_at=ago(minutes=5))
    assert resting.idle() == []


def test_what_is_about_to_be_replaced_is_let_be() -> None:
    made = branch()
    cast.build(made, result=None)
    assert resting.idle() == []


def test_what_sleeps_does_not_fall_asleep() -> None:
    branch()
    Instance.objects.update(door=Instance.Door.ASLEEP)
    assert resting.idle() == []


def test_who_wakes_a_locked_database_is_told_that_it_sleeps_on() -> None:
    made = branch()
    Instance.objects.update(door=Instance.Door.ASLEEP, locked=True)
    with pytest.raises(ProjectError, match="fix sleeps on"):
        resting.wake(Branch.objects.get(pk=made.pk))
    assert not Story.objects.filter(kind="wake").exists()
