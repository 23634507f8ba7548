"""Pushes to staging and development that update what runs, where the branch's settings say so."""

from types import SimpleNamespace

import pytest
from django.test import Client

from builds import deploy, stages
from builds.begin import rebuild
from builds.deliveries import move_branch
from builds.models import Build
from hosting import sleep
from hosting.models import Instance, Pool
from portal.models import LogChunk, Result, State, Story
from projects.models import Branch, Stage
from tests import cast
from tests.apis import Caller
from tests.unit.builds.test_updates import at, cancel, die, failing
from tests.unit.fakes.stage import NEW, OLD, Scenery, said

pytestmark = pytest.mark.django_db(transaction=True)

MOMENTS = [("copy database", 0), ("finish copy", 0), ("update shop", 0), ("odoo ends", 0)]


@pytest.fixture(params=[Stage.STAGING, Stage.DEVELOPMENT], ids=str)
def branch(stage: Scenery, request: pytest.FixtureRequest) -> Branch:
    """Deployed at OLD; NEW has a newer version of its module."""
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.1"}}
    if request.param == Stage.STAGING:
        stage.deploy(stage.branch("main", Stage.PRODUCTION), OLD)
    made = stage.branch("next", request.param, on_push=Branch.OnPush.UPDATE, head=OLD)
    stage.deploy(made, OLD)
    return Branch.objects.get(pk=made.pk)


def push(branch: Branch, commit: str = NEW) -> Build:
    move_branch(branch.project, branch.name, commit, before=branch.head)
    return branch.builds.latest("pk")


def rows(stage: Scenery, instance: Instance | None) -> tuple[str, ...]:
    assert instance is not None
    return stage.world.databases["lab"][instance.database].rows


def answers(stage: Scenery, instance: Instance | None) -> list[str]:
    """What clients get from now on, each answer once in a row."""
    assert instance is not None
    host = instance.hostname
    got: list[str] = []

    def watch() -> None:
        answer = stage.world.answer(host)
        if got[-1:] != [answer]:
            got.append(answer)

    stage.world.watch = watch
    return got


def test_a_push_updates_the_database_that_runs_behind_a_page(stage: Scenery, branch: Branch) -> None:
    got, before = answers(stage, branch.instance), rows(stage, branch.instance)

    build = stage.tell(push(branch))

    assert (build.result, build.instance, build.to_update) == (Result.SUCCESS, branch.instance, ["shop"]), said(build)
    assert rows(stage, branch.instance) == (*before, "update shop 18.0.1.1")
    assert got == [OLD, "updating", NEW]
    assert build.tests == {}
    assert Pool.objects.filter(instance=branch.instance).exclude(state=Pool.State.GONE).get().commit == NEW
    assert stage.world.summary()["databases"]["lab"].keys() == {branch.instance.database if branch.instance else ""}


def test_where_no_module_is_due_the_old_pool_serves_until_the_switch(stage: Scenery, branch: Branch) -> None:
    stage.world.commits[NEW] = {"shop": "1.0"}
    got, before = answers(stage, branch.instance), rows(stage, branch.instance)

    assert stage.tell(push(branch)).result == Result.SUCCESS

    assert got == [OLD, NEW]
    assert rows(stage, branch.instance) == before


def test_an_update_that_fails_leaves_database_and_old_pool_as_they_were(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stage.world.summary()
    failing(monkeypatch, only_live=False)

    build = stage.tell(push(branch))

    assert build.result == Result.FAILURE
    assert said(build).startswith("The modules could not be updated")
    assert stage.world.summary() == before
    assert branch.instance is not None
    assert stage.world.answer(branch.instance.hostname) == OLD


@pytest.mark.parametrize(("moment", "before"), MOMENTS)
def test_who_cancels_it_gets_the_old_pool_and_database_back(
    stage: Scenery, branch: Branch, moment: str, before: int
) -> None:
    build, there = push(branch), stage.world.summary()
    at(stage, moment, before, cancel(stage))
    assert stage.tell(build).result == Result.CANCELLED
    assert stage.world.summary() == there


@pytest.mark.parametrize(("moment", "before"), MOMENTS)
def test_who_died_in_it_is_followed_by_the_whole_update(
    stage: Scenery, branch: Branch, moment: str, before: int
) -> None:
    build, done = push(branch), rows(stage, branch.instance)
    at(stage, moment, before, die(stage))
    assert stage.tell(build).result == Result.SUCCESS
    assert rows(stage, branch.instance) == (*done, "update shop 18.0.1.1")


def test_what_sleeps_is_woken_first(stage: Scenery, branch: Branch) -> None:
    assert branch.instance is not None
    stage.world.databases["lab"][branch.instance.database].parameters["database.uuid"] = "x"  # Odoo's own
    falls = sleep.fall_asleep(branch.instance)
    assert falls is not None
    build = push(branch)
    stage.look(SimpleNamespace(story_id=falls.pk))  # type: ignore[arg-type]
    assert Instance.objects.get(pk=branch.instance.pk).door == Instance.Door.ASLEEP

    stage.look(build)

    build.refresh_from_db()
    wakes = Story.objects.get(kind=sleep.WAKE)
    assert (build.state, wakes.state) == (State.RUNNING, State.QUEUED)
    stage.look(SimpleNamespace(story_id=wakes.pk))  # type: ignore[arg-type]
    Story.objects.filter(pk=build.story_id or 0).update(not_before=None)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert stage.world.answer(branch.instance.hostname) == NEW


def test_what_can_not_be_woken_ends_the_build(stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    build = push(branch)
    Instance.objects.filter(pk=branch.instance_id or 0).update(door=Instance.Door.ASLEEP)
    monkeypatch.setattr(sleep, "failed_wake", lambda _instance: Story())

    build = stage.tell(build)

    assert build.result == Result.FAILURE
    assert said(build).startswith("The database sleeps, and can't be woken")


def test_a_database_that_went_meanwhile_ends_the_build(stage: Scenery, branch: Branch) -> None:
    build = push(branch)
    Branch.objects.filter(pk=branch.pk).update(instance=None)
    build = stage.tell(build)
    assert (build.result, build.instance) == (Result.FAILURE, None)
    assert said(build).startswith("The database to be updated is gone")


def test_the_first_push_and_a_build_by_hand_make_a_new_database(
    stage: Scenery, branch: Branch, people: SimpleNamespace
) -> None:
    kept = stage.tell(push(branch))
    assert not branch.builds.earliest("pk").keeps_database

    again = stage.tell(rebuild(build=kept, by=people.alice))

    assert again.result == Result.SUCCESS
    assert again.instance != kept.instance


def test_what_a_move_left_is_replaced(stage: Scenery, branch: Branch) -> None:
    """A copy of production isn't what development works with, nor demo data what staging does."""
    other = Stage.DEVELOPMENT if branch.stage == Stage.STAGING else Stage.STAGING
    Branch.objects.filter(pk=branch.pk).update(stage=other)
    assert not push(Branch.objects.get(pk=branch.pk)).keeps_database


# --- the setting ------------------------------------------------------------------------------------------------------
def test_production_keeps_its_database_anyway_and_has_no_such_choice(client: Client, people: SimpleNamespace) -> None:
    main = cast.branch(cast.project("demo", people), "main", Stage.PRODUCTION)
    client.force_login(people.alice)
    form = client.get(f"/demo/branches/{main.pk}/settings/").context["form"]
    assert [value for value, _label in form.fields["on_push"].choices] == ["build", "nothing"]

    answer = Caller(people.alice).send("patch", f"projects/demo/branches/{main.pk}/settings/", {"on_push": "update"})

    assert answer.status_code == 409
    main.refresh_from_db()
    assert main.on_push == Branch.OnPush.BUILD


def test_a_move_to_production_gives_the_choice_up(people: SimpleNamespace) -> None:
    fix = cast.branch(cast.project("demo", people), "fix", on_push=Branch.OnPush.UPDATE)
    stages.move(branch=fix, stage=Stage.PRODUCTION, by=people.alice)
    fix.refresh_from_db()
    assert (fix.stage, fix.on_push) == (Stage.PRODUCTION, Branch.OnPush.BUILD)


def test_the_page_of_a_merge_says_that_the_database_stays(client: Client, people: SimpleNamespace) -> None:
    project = cast.project("demo", people)
    instance = cast.instance(Stage.STAGING, "next.localhost")
    into = cast.branch(project, "next", Stage.STAGING, instance=instance, on_push=Branch.OnPush.UPDATE, head=OLD)
    fix = cast.branch(project, "fix", head=NEW)
    client.force_login(people.alice)
    shown = client.get(f"/demo/branches/{fix.pk}/merge/?into={into.pk}").content.decode()
    assert "The database that next has is updated with the merge at once" in shown


def test_its_output_says_what_is_updated(stage: Scenery, branch: Branch) -> None:
    build = stage.tell(push(branch))
    told = "".join(LogChunk.objects.filter(step__story=build.story_id).values_list("text", flat=True))
    assert "To be updated: shop" in told
    assert deploy.steps(build)[4].title == "Keep the database"
