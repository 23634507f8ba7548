"""What nobody needs any more goes; what somebody works on, or serves, stays."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from builds import ageing, caches, rounds, steplog
from builds.models import Build, Retired
from hosting import instances
from hosting.engines.docker import EngineUnreachable, ImageInfo
from hosting.models import Instance, Pool, Stage
from portal import alarms, clock, hours
from portal.models import AuditEntry, LogChunk, Result, State, Step
from portal.stories import ProjectError
from projects.models import Branch, Project
from projects.providers import Forbidden, Unreachable
from tests import cast
from tests.unit.fakes import Killed, World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.github import FakeGitHub
from tests.unit.fakes.world import Container
from tests.unit.hosting import rows


@pytest.fixture
def project(world: World) -> Project:
    return cast.project("shop", token="github-token")


def served(project: Project, world: World, name: str, stage: Stage) -> tuple[Branch, Instance]:
    """A branch with the database that serves it."""
    instance = rows.instance(stage, f"{name}.localhost")
    rows.live(instance, world, f"b{instance.pk}")
    branch = cast.branch(project, name, stage, instance=instance)
    cast.build(branch)
    return branch, instance


def former(branch: Branch, world: World) -> Instance:
    """A database of an earlier build, stopped since."""
    instance = rows.instance(Stage(branch.stage), f"former-{Instance.objects.count()}.localhost")
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.READY)
    cast.build(branch, instance=instance)
    return instance


# --- databases --------------------------------------------------------------------------------------------------------
def live_through(hours: int, after: int = 0) -> None:
    """One clean-up an hour, the first an hour after `after`."""
    for hour in range(after, after + hours):
        with clock.passed(timedelta(hours=hour + 1)):
            rounds.clean_up()


def there(*instances: Instance) -> list[bool]:
    return [Instance.objects.get(pk=each.pk).state == Instance.State.READY for each in instances]


def test_the_database_that_serves_a_branch_stays_however_old(project: Project, world: World) -> None:
    stages = (("main", Stage.PRODUCTION), ("next", Stage.STAGING), ("feature", Stage.DEVELOPMENT))
    serving = [served(project, world, name, stage)[1] for name, stage in stages]
    live_through(80)
    assert there(*serving) == [True, True, True]


def test_former_databases_of_development_stay_three_days_and_of_staging_an_hour(project: Project, world: World) -> None:
    development = former(served(project, world, "feature", Stage.DEVELOPMENT)[0], world)
    staging = former(served(project, world, "next", Stage.STAGING)[0], world)
    rounds.clean_up()
    assert there(development, staging) == [True, True]
    live_through(1)
    assert there(development, staging) == [True, False]
    Instance.objects.update(hours_left=2)
    live_through(1, after=1)
    assert there(development) == [True]
    live_through(1, after=2)
    assert there(development) == [False]


def test_a_new_development_build_has_three_days(project: Project, world: World) -> None:
    instance = former(served(project, world, "feature", Stage.DEVELOPMENT)[0], world)
    rounds.clean_up()
    assert ageing.left(Instance.objects.get(pk=instance.pk)) == timedelta(days=3)


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_set_takes_nothing_early(project: Project, world: World, years: int) -> None:
    """Not what was there, and not what was made while it was wrong."""
    branch, _instance = served(project, world, "feature", Stage.DEVELOPMENT)
    build, before = cast.build(branch), former(branch, world)
    cast.build(branch)
    rounds.clean_up()
    with clock.moved(timedelta(days=365 * years)):
        meanwhile = former(branch, world)
        rounds.clean_up()
    rounds.clean_up()
    live_through(3)
    assert there(before, meanwhile) == [True, True]
    assert output(build)


def test_rows_that_have_nothing_but_a_date_go_when_the_clock_was_steady_for_a_day(
    project: Project, world: World
) -> None:
    branch = cast.branch(project, "feature")
    build, _newest = cast.build(branch), cast.build(branch)
    rounds.clean_up()
    with clock.moved(steplog.KEPT + timedelta(days=1)):
        live_through(hours.STEADY_H)
        assert output(build)
        assert alarms.going_on().get().title == "The clock of this machine jumped"
        live_through(hours.STEADY_H + 1)
    assert not output(build)
    assert not alarms.going_on().exists()


def test_a_pinned_build_stays_for_three_months_and_serves_on(
    project: Project, world: World, people: SimpleNamespace
) -> None:
    branch, instance = served(project, world, "feature", Stage.DEVELOPMENT)
    build = Build.objects.get(instance=instance)
    ageing.pin(build=build, by=people.dev)
    newer = former(branch, world)
    Branch.objects.filter(pk=branch.pk).update(instance=newer, deleted_at=clock.now())
    rounds.clean_up()
    assert there(instance, newer) == [True, False]
    assert Instance.objects.get(pk=instance.pk).hours_left == 90 * 24 - 1
    assert AuditEntry.objects.filter(by="dev", verb="pin build").exists()
    Instance.objects.filter(pk=instance.pk).update(hours_left=1)
    live_through(1)
    assert there(instance) == [False]


def test_one_that_is_let_go_again_has_the_time_of_a_new_one(
    project: Project, world: World, people: SimpleNamespace
) -> None:
    build = Build.objects.get(instance=served(project, world, "feature", Stage.DEVELOPMENT)[1])
    ageing.pin(build=build, by=people.dev)
    ageing.unpin(build=build, by=people.dev)
    build.refresh_from_db()
    assert (build.pinned_at, build.instance and build.instance.hours_left) == (None, 72)


def test_production_is_not_pinned(project: Project, world: World, people: SimpleNamespace) -> None:
    _branch, instance = served(project, world, "main", Stage.PRODUCTION)
    with pytest.raises(ProjectError, match="Nothing was pinned"):
        ageing.pin(build=Build.objects.get(instance=instance), by=people.alice)
    assert Instance.objects.get(pk=instance.pk).hours_left is None


def test_retired_production_goes_after_thirty_days(project: Project, world: World, people: SimpleNamespace) -> None:
    branch, instance = served(project, world, "main", Stage.PRODUCTION)
    Branch.objects.filter(pk=branch.pk).update(instance=None, stage=Stage.DEVELOPMENT)
    Retired.objects.create(project=project, branch=branch, instance=instance, hostname="x", at=clock.now())
    Instance.objects.filter(pk=instance.pk).update(hours_left=2)
    rounds.clean_up()
    assert there(instance) == [True]
    live_through(1)
    assert there(instance) == [False]
    assert not Retired.objects.there().exists()


def test_databases_of_a_deleted_branch_go_at_once(project: Project, world: World) -> None:
    branch, instance = served(project, world, "feature", Stage.DEVELOPMENT)
    Branch.objects.filter(pk=branch.pk).update(deleted_at=clock.now())
    rounds.clean_up()
    assert Instance.objects.get(pk=instance.pk).state == Instance.State.REMOVED
    assert (world.containers, world.databases["lab"], world.hosts) == ({}, {}, {})


def test_production_never_goes(project: Project, world: World) -> None:
    branch, instance = served(project, world, "main", Stage.PRODUCTION)
    Branch.objects.filter(pk=branch.pk).update(deleted_at=clock.now(), instance=None)
    live_through(80)
    assert there(instance) == [True]


def test_a_database_on_which_a_build_works_is_let_be(project: Project, world: World) -> None:
    """As between the switch and the end of its story."""
    branch, serving = served(project, world, "next", Stage.STAGING)
    instance = former(branch, world)
    Build.objects.filter(instance=instance).update(state=State.RUNNING, result=Result.NONE)
    live_through(3)
    assert there(instance) == [True]
    Branch.objects.filter(pk=branch.pk).update(deleted_at=clock.now())
    live_through(4)
    assert there(instance, serving) == [True, True]  # nor the one that the build is to take the place of


def test_one_that_can_not_be_removed_now_keeps_no_other(
    project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch, _instance = served(project, world, "next", Stage.STAGING)
    first, second = former(branch, world), former(branch, world)
    real = FakeEngine.remove

    def remove(engine: FakeEngine, name: str) -> None:
        if f"-{first.name}-" in name:
            raise EngineUnreachable("The engine gave no answer.")
        real(engine, name)

    monkeypatch.setattr(FakeEngine, "remove", remove)
    rounds.clean_up()
    live_through(1)
    states = {pk: Instance.objects.get(pk=pk).state for pk in (first.pk, second.pk)}
    assert states == {first.pk: Instance.State.NEW, second.pk: Instance.State.REMOVED}
    monkeypatch.setattr(FakeEngine, "remove", real)
    rounds.mend()
    assert Instance.objects.get(pk=first.pk).state == Instance.State.REMOVED


def test_one_that_is_pinned_while_others_are_removed_stays(
    project: Project, world: World, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch, _instance = served(project, world, "feature", Stage.DEVELOPMENT)
    first, second = former(branch, world), former(branch, world)
    Instance.objects.filter(pk__in=[first.pk, second.pk]).update(hours_left=0)
    remove = instances.remove

    def pin_meanwhile(instance: Instance) -> None:
        ageing.pin(build=Build.objects.get(instance=second), by=people.alice)
        remove(instance)

    monkeypatch.setattr("builds.rounds.instances.remove", pin_meanwhile)
    rounds.clean_up()
    assert there(first, second) == [False, True]


def test_one_whose_removal_died_is_not_pinned_and_goes_with_the_next_round(
    project: Project, world: World, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch, _instance = served(project, world, "feature", Stage.DEVELOPMENT)
    instance = former(branch, world)
    Instance.objects.filter(pk=instance.pk).update(hours_left=0)
    die_in_removal(monkeypatch)
    with pytest.raises(ProjectError, match="Nothing was pinned"):
        ageing.pin(build=Build.objects.get(instance=instance), by=people.alice)
    rounds.mend()
    assert Instance.objects.get(pk=instance.pk).state == Instance.State.REMOVED


def die_in_removal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean-up whose process ends when it begins to remove the first."""

    def killed(_instance: Instance) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("builds.rounds.instances.remove", killed)
        with pytest.raises(Killed):
            rounds.clean_up()


# --- what stories left ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [Pool.State.STARTING, Pool.State.DRAINING, Pool.State.STANDING_BY])
def test_a_pool_that_an_ended_build_left_is_retired(project: Project, world: World, state: Pool.State) -> None:
    _branch, instance = served(project, world, "main", Stage.PRODUCTION)
    before = world.summary()
    left = rows.started(instance, world, "b99")
    Pool.objects.filter(pk=left.pk).update(state=state)
    rounds.clear_away()
    assert Pool.objects.get(pk=left.pk).state == Pool.State.GONE
    assert world.summary() == before


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_pool_of_a_build_that_is_not_over_is_let_be(project: Project, world: World, state: State) -> None:
    branch, instance = served(project, world, "main", Stage.PRODUCTION)
    left = rows.started(instance, world, "b99")
    cast.build(branch, result=None, instance=None)
    Build.objects.filter(result=Result.NONE).update(state=state)
    rounds.clear_away()
    assert Pool.objects.get(pk=left.pk).state == Pool.State.STARTING


def test_a_kept_pool_stays_until_its_time_is_up(project: Project, world: World) -> None:
    _branch, instance = served(project, world, "main", Stage.PRODUCTION)
    before = world.summary()
    kept = rows.started(instance, world, "b99")
    Pool.objects.filter(pk=kept.pk).update(state=Pool.State.KEPT, kept_until=clock.now() + timedelta(minutes=15))
    rounds.mend()
    assert world.containers[kept.container("web")].running
    with clock.moved(timedelta(minutes=16)):
        rounds.mend()
    assert Pool.objects.get(pk=kept.pk).state == Pool.State.GONE
    assert world.summary() == before


def test_a_paused_pool_that_is_an_instances_only_one_is_nobodys_to_retire(project: Project, world: World) -> None:
    _branch, instance = served(project, world, "main", Stage.PRODUCTION)
    Pool.objects.update(state=Pool.State.STANDING_BY)
    rounds.clear_away()
    assert instance.pools.get().state == Pool.State.STANDING_BY


def test_a_half_made_database_of_an_ended_build_is_removed(project: Project, world: World) -> None:
    branch, _instance = served(project, world, "feature", Stage.DEVELOPMENT)
    before = world.summary()
    half = rows.instance(Stage.DEVELOPMENT, "half.localhost")
    cast.build(branch, result=Result.FAILURE, instance=half)
    rounds.clear_away()
    assert Instance.objects.get(pk=half.pk).state == Instance.State.REMOVED
    assert world.summary() == before


def test_a_half_made_database_of_a_build_that_goes_on_is_let_be(project: Project, world: World) -> None:
    branch, _instance = served(project, world, "feature", Stage.DEVELOPMENT)
    half = rows.instance(Stage.DEVELOPMENT, "half.localhost")
    cast.build(branch, result=None, instance=half)
    rounds.clear_away()
    assert Instance.objects.get(pk=half.pk).state == Instance.State.NEW


# --- images -----------------------------------------------------------------------------------------------------------
def image(world: World, name: str, build: str = "b0") -> str:
    world.images[name] = ImageInfo(id=name, tags=(), labels={"berth.build": build}, size=1)
    return name


def test_images_that_nobody_uses_go(project: Project, world: World) -> None:
    served(project, world, "main", Stage.PRODUCTION)
    before = set(world.images)
    image(world, "sha256:unused")
    rounds.clean_up()
    assert set(world.images) == before


def test_an_image_that_was_built_this_moment_stays(project: Project, world: World) -> None:
    """Its build has not written down yet which one it is."""
    build = cast.build(cast.branch(project, "feature"), result=None)
    kept = image(world, "sha256:new", build.name)
    rounds.clean_up()
    assert kept in world.images


def test_images_of_the_newest_deploys_of_production_stay_to_be_deployed_again(project: Project, world: World) -> None:
    branch, instance = served(project, world, "main", Stage.PRODUCTION)
    pool = instance.pools.get()
    ids = [image(world, f"sha256:{number}") for number in range(caches.IMAGES_KEPT + 1)]
    for each in ids:
        cast.build(branch, image_id=each, pool=pool)
    failed = image(world, "sha256:failed")
    cast.build(branch, image_id=failed, pool=pool, result=Result.FAILURE)
    rounds.clean_up()
    assert set(ids[1:]) <= set(world.images)
    assert not {ids[0], failed} & set(world.images)


# --- output -----------------------------------------------------------------------------------------------------------
def test_output_goes_after_its_time_but_not_that_of_a_branchs_newest_build(project: Project, world: World) -> None:
    branch = cast.branch(project, "feature")
    old, newest = cast.build(branch), cast.build(branch)
    rounds.clean_up()
    assert output(old)
    with clock.passed(steplog.KEPT + timedelta(hours=1)):
        going_on = cast.build(cast.branch(project, "other"), result=None)
        rounds.clean_up()
    assert (output(old), output(newest) > 0, output(going_on) > 0) == (0, True, True)
    assert Step.objects.filter(story=old.story).exists()


def output(build: Build) -> int:
    return LogChunk.objects.filter(step__story=build.story).count()


# --- GitHub -----------------------------------------------------------------------------------------------------------
def test_a_project_that_is_refused_keeps_no_other_from_being_polled(
    project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled = poll(monkeypatch, Forbidden("The token is invalid."))
    cast.project("other", token="another-token")
    rounds.poll()
    assert polled == ["shop", "other"]


def test_a_github_that_is_away_is_asked_once_a_round(
    project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call may take a minute, and the mending of everything waits for it."""
    polled = poll(monkeypatch, Unreachable("No answer."))
    cast.project("other", token="another-token")
    rounds.poll()
    assert polled == ["shop"]


def poll(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    polled: list[str] = []

    def refuse(project: Project) -> None:
        polled.append(project.slug)
        raise error

    monkeypatch.setattr(rounds, "poll_project", refuse)
    return polled


def test_mending_takes_its_turn_with_everything(project: Project, world: World) -> None:
    world.heads = {}
    rounds.mend()
    rounds.poll()
    rounds.ask(project.pk)
    rounds.ask(999)
    assert FakeGitHub(world).branches("acme/shop") == []


# --- what image builds left -------------------------------------------------------------------------------------------
def builder(world: World) -> str:
    """A container of a build whose engine died."""
    world.containers["exciting_ganguly"] = Container(rows.one_off(rows.instance()), running=False)
    return "exciting_ganguly"


def test_a_container_of_an_image_build_that_ended_goes(project: Project, world: World) -> None:
    served(project, world, "main", Stage.PRODUCTION)
    before = set(world.containers)
    builder(world)
    rounds.clear_away()
    assert set(world.containers) == before


def test_it_stays_while_an_image_is_built(project: Project, world: World) -> None:
    branch, _instance = served(project, world, "main", Stage.PRODUCTION)
    story = cast.build(branch).story
    Step.objects.filter(story=story, name="build_image").update(state=State.RUNNING)
    name = builder(world)
    rounds.clear_away()
    assert name in world.containers
