"""A rollback goes back to the pool that was kept, at once, and forward again; it is refused where it would do harm."""

from types import SimpleNamespace

import pytest

from builds import again, rollback
from builds.models import Build, Rollback
from hosting import keep
from hosting.models import Instance, Pool
from portal.models import AuditEntry, Result, State, Story, User
from portal.stories import ProjectError
from projects.git import GitError
from tests.unit.fakes.github import FakeMirror
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery, production_host, said

pytestmark = pytest.mark.django_db(transaction=True)
NEWEST = "3" * 40


@pytest.fixture
def two(stage: Scenery, people: SimpleNamespace) -> SimpleNamespace:
    """Production, on which two commits were deployed: the pool of the first is kept."""
    new = stage.tell(stage.same())
    stage.world.commits[NEWEST] = {"shop": "1.0"}
    return SimpleNamespace(old=Build.objects.get(commit=OLD), new=new, branch=new.branch, alice=people.alice)


def back(stage: Scenery, build: Build, by: User) -> Rollback:
    """Roll back to a build, as the urgent worker does."""
    asked = rollback.begin(build=Build.objects.get(pk=build.pk), by=by)
    for _ in range(8):
        stage.look(asked)  # type: ignore[arg-type]
        asked = Rollback.objects.get(pk=asked.pk)
        if asked.state == State.DONE:
            return asked
    raise AssertionError(f"still {asked.state}")


def answers(stage: Scenery) -> str:
    return stage.world.answer(production_host())


def pool_of(build: Build) -> Pool:
    pool = Build.objects.get(pk=build.pk).pool
    assert pool is not None
    return pool


def test_requests_go_back_to_the_pool_that_was_kept(stage: Scenery, two: SimpleNamespace) -> None:
    asked = back(stage, two.old, two.alice)
    assert (asked.result, asked.switched, asked.left) == (Result.SUCCESS, True, two.new)
    assert answers(stage) == OLD
    assert (pool_of(two.old).state, pool_of(two.new).state) == (Pool.State.LIVE, Pool.State.KEPT)
    assert [*leftovers(stage)] == []


def test_a_rollback_of_a_rollback_goes_forward_again(stage: Scenery, two: SimpleNamespace) -> None:
    back(stage, two.old, two.alice)
    asked = back(stage, two.new, two.alice)
    assert (asked.result, answers(stage)) == (Result.SUCCESS, NEW)
    assert pool_of(two.old).state == Pool.State.KEPT
    assert [*leftovers(stage)] == []


def test_crons_follow(stage: Scenery, two: SimpleNamespace) -> None:
    back(stage, two.old, two.alice)
    there = stage.world.containers
    assert there[pool_of(two.old).container("cron")].running
    assert not there[pool_of(two.new).container("cron")].running


def test_it_never_waits_for_a_build(stage: Scenery, two: SimpleNamespace) -> None:
    building = stage.build(two.branch, NEWEST)
    asked = rollback.begin(build=two.old, by=two.alice)
    story = Story.objects.get(pk=asked.story_id or 0)
    assert story.queue == "urgent"
    assert story.subject != Story.objects.get(pk=building.story_id or 0).subject


def test_a_deploy_that_goes_on_takes_its_place_later(stage: Scenery, two: SimpleNamespace) -> None:
    building = stage.build(two.branch, NEWEST)
    done: list[Rollback] = []

    def in_between(what: str) -> None:
        if what == "build image" and not done:
            telling = stage.telling
            done.append(rollback.begin(build=two.old, by=two.alice))
            look_now(done[0])
            stage.telling = telling
            assert answers(stage) == OLD

    stage.world.before = in_between
    assert stage.tell(building).result == Result.SUCCESS
    assert answers(stage) == NEWEST
    assert (pool_of(two.old).state, pool_of(two.new).state) == (Pool.State.KEPT, Pool.State.GONE)
    assert [*leftovers(stage)] == []


def look_now(asked: Rollback) -> None:
    from portal import stories  # noqa: PLC0415

    stories.look(asked.story_id or 0)


def test_it_may_come_while_the_deploy_still_waits_for_the_last_requests(stage: Scenery, two: SimpleNamespace) -> None:
    """The moment at which most people see that something is wrong."""
    building = stage.build(two.branch, NEWEST)
    done: list[Rollback] = []

    def in_between(what: str) -> None:
        if what == "ask for requests" and not done and pool_of(two.new).state == Pool.State.DRAINING:
            done.append(rollback.begin(build=two.new, by=two.alice))
            look_now(done[0])

    stage.world.before = in_between
    assert stage.tell(building).result == Result.SUCCESS
    assert answers(stage) == NEW
    assert pool_of(building).state == Pool.State.KEPT
    assert [*leftovers(stage)] == []


def test_what_was_switched_stands_though_its_worker_dies(stage: Scenery, two: SimpleNamespace) -> None:
    for number in range(60):
        asked = rollback.begin(build=two.old if answers(stage) == NEW else two.new, by=two.alice)
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            stage.world.dead = stage.world.dead or count > at

        stage.world.before = kill
        stage.look(asked)  # type: ignore[arg-type]
        for _ in range(6):
            stage.look(asked)  # type: ignore[arg-type]
        asked.refresh_from_db()
        assert (asked.state, asked.result) == (State.DONE, Result.SUCCESS), number
        assert answers(stage) == asked.build.commit
        assert [*leftovers(stage)] == [], number
        if count <= number:
            return
    raise AssertionError("it never got through alive")


# --- refusals ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("door", [Instance.Door.HELD, Instance.Door.UPDATING])
def test_it_is_refused_while_visitors_wait_for_an_update(
    stage: Scenery, two: SimpleNamespace, door: Instance.Door
) -> None:
    Instance.objects.update(door=door)
    with pytest.raises(ProjectError, match="no way back") as refused:
        rollback.begin(build=two.old, by=two.alice)
    assert "is being updated" in refused.value.detail
    assert not Rollback.objects.exists()


def test_it_is_refused_where_the_old_code_can_not_run(stage: Scenery, two: SimpleNamespace) -> None:
    Pool.objects.filter(pk=two.old.pool_id).update(outdated=True)
    with pytest.raises(ProjectError) as refused:
        rollback.begin(build=two.old, by=two.alice)
    assert "changed the database" in refused.value.detail


def test_what_came_between_the_click_and_the_switch_is_seen(stage: Scenery, two: SimpleNamespace) -> None:
    asked = rollback.begin(build=two.old, by=two.alice)
    Instance.objects.update(door=Instance.Door.HELD)
    stage.look(asked)  # type: ignore[arg-type]
    asked.refresh_from_db()
    assert (asked.result, asked.switched) == (Result.FAILURE, False)
    Instance.objects.update(door=Instance.Door.OPEN)
    assert answers(stage) == NEW


def test_a_pool_that_does_not_answer_gets_no_traffic(stage: Scenery, two: SimpleNamespace) -> None:
    stage.world.containers[pool_of(two.old).container("web")].running = False
    asked = back(stage, two.old, two.alice)
    assert (asked.result, asked.switched) == (Result.FAILURE, False)
    assert "container: not running" in Story.objects.get(pk=asked.story_id or 0).error_detail
    assert answers(stage) == NEW


def test_one_rollback_at_a_time(stage: Scenery, two: SimpleNamespace) -> None:
    rollback.begin(build=two.old, by=two.alice)
    with pytest.raises(ProjectError, match="going on already"):
        rollback.begin(build=two.old, by=two.alice)


def test_the_audit_log_says_who_went_where(stage: Scenery, two: SimpleNamespace) -> None:
    back(stage, two.old, two.alice)
    entry = AuditEntry.objects.get(verb="roll back")
    assert (entry.by, entry.before, entry.after) == ("alice", str(two.new), str(two.old))


# --- after the window -------------------------------------------------------------------------------------------------
def test_after_the_window_the_older_image_is_deployed(stage: Scenery, two: SimpleNamespace) -> None:
    keep.let_all_go(two.new.instance, say=print, keep_going=lambda: None)
    built = stage.world.seen["build image"]
    new = stage.tell(again.deploy_again(build=two.old, by=two.alice))
    assert new.result == Result.SUCCESS, said(new)
    assert (answers(stage), new.image_id) == (OLD, two.old.image_id)
    assert stage.world.seen["build image"] == built
    assert [*leftovers(stage)] == []


def test_it_needs_no_repository(stage: Scenery, two: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    keep.let_all_go(two.new.instance, say=print, keep_going=lambda: None)

    def away(*_arguments: object, **_named: object) -> None:
        raise GitError("github.com can't be reached")

    monkeypatch.setattr(FakeMirror, "ask", away)
    monkeypatch.setattr(FakeMirror, "fetch", away)
    new = stage.tell(again.deploy_again(build=two.old, by=two.alice))
    assert (new.result, answers(stage)) == (Result.SUCCESS, OLD), said(new)
    (asked,) = [check for check in new.checks if check["name"] == "Repository"]
    assert asked["says"].startswith("It isn't asked")


def test_an_image_that_is_gone_is_made_again(stage: Scenery, two: SimpleNamespace) -> None:
    keep.let_all_go(two.new.instance, say=print, keep_going=lambda: None)
    del stage.world.images[two.old.image_id]
    new = stage.tell(again.deploy_again(build=two.old, by=two.alice))
    assert (new.result, answers(stage)) == (Result.SUCCESS, OLD)
    assert new.image_id != two.old.image_id


def test_a_database_with_newer_modules_is_not_given_to_older_code(stage: Scenery, two: SimpleNamespace) -> None:
    instance = two.new.instance
    stage.world.databases["hosted"][instance.database].modules["shop"] = "18.0.1.1"
    new = stage.tell(again.deploy_again(build=two.old, by=two.alice))
    assert new.result == Result.FAILURE
    assert "shop 18.0.1.1 (that build has 18.0.1.0)" in said(new)
    assert answers(stage) == NEW


def test_it_is_refused_at_once_where_the_build_that_serves_has_newer_modules(
    stage: Scenery, people: SimpleNamespace
) -> None:
    stage.tell(stage.update())
    with pytest.raises(ProjectError, match="ahead of 1111111"):
        again.deploy_again(build=Build.objects.get(commit=OLD), by=people.alice)
