"""A backup becomes production's database: proven beside it, switched by name, and the old state is never lost."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest

from builds import restore as story_of
from builds import rollback, rounds, stages
from builds.models import Build, Restore
from hosting import databases, swaps
from hosting.models import Backup, Instance, Pool
from portal import clock, stories
from portal.models import AuditEntry, Result, State, Step, Story, User
from portal.stories import ProjectError
from projects.models import Branch, Stage
from tests.unit.fakes import kept
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery, nothing
from tests.unit.fakes.world import Killed

pytestmark = pytest.mark.django_db(transaction=True)
LATER = "written after the backup"


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace) -> Branch:
    return kept.production(stage)


@pytest.fixture
def backup(stage: Scenery, branch: Branch) -> Backup:
    """One after which something was written, and an attachment removed."""
    made = kept.backed_up(stage, branch)
    kept.data(stage, branch).rows += (LATER,)
    kept.attachment(branch).unlink()
    kept.data(stage, branch).files = ()
    return made


@pytest.fixture
def alice(people: SimpleNamespace) -> User:
    return people.alice  # type: ignore[no-any-return]


def begun(branch: Branch, backup: Backup, by: User) -> Restore:
    return story_of.begin(branch=branch, backup=backup, by=by)


def end(stage: Scenery, restore: Restore) -> Restore:
    """Its own story, and that of the backup which it took before."""
    kept.tell(stage, restore)
    for each in Backup.objects.exclude(state=State.DONE):
        kept.tell(stage, each)
    return Restore.objects.select_related("story", "before", "pool").get(pk=restore.pk)


def left(stage: Scenery, *, aside: int = 0) -> list[str]:
    """What is there without a row, but for so many states from before a restore."""
    hosted = stage.world.databases["hosted"]
    labels = {f"_{restore.label}" for restore in Restore.objects.exclude(kept_until=None)}
    kept_aside = {name: hosted.pop(name) for name in list(hosted) if any(name.endswith(label) for label in labels)}
    try:
        found = [] if len(kept_aside) == aside else [f"aside is {set(kept_aside)}"]
        return [*found, *leftovers(stage), *(str(each) for each in Restore.objects.exclude(beside=None))]
    finally:
        hosted.update(kept_aside)


# --- a good one -------------------------------------------------------------------------------------------------------
def test_production_is_what_the_backup_holds(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    restore = end(stage, begun(branch, backup, alice))
    assert restore.result == Result.SUCCESS, restore.story and restore.story.error_detail
    rows = kept.data(stage, branch).rows
    assert "a customer" in rows
    assert LATER not in rows
    assert kept.attachment(branch).read_bytes() == kept.CONTENT
    assert kept.data(stage, branch).owner == kept.instance(branch).database
    assert stage.world.answer(kept.instance(branch).hostname) == OLD
    assert stage.world.wrongs == []
    assert left(stage, aside=1) == []


def test_it_says_how_long_it_took_from_the_click_to_the_first_answer(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    restore = end(stage, begun(branch, backup, alice))
    assert restore.answered_at is not None
    assert restore.switched_at is not None
    assert restore.switched_at <= restore.answered_at
    assert restore.seconds == (restore.answered_at - restore.created_at).total_seconds()


def test_what_was_there_is_backed_up_before_and_lies_aside_for_a_day(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    restore = end(stage, begun(branch, backup, alice))
    assert restore.before is not None
    assert (restore.before.kind, restore.before.proof) == (Backup.Kind.AUTOMATIC, Backup.Proof.PROVEN)
    production = kept.instance(branch)
    assert LATER in stage.world.databases["hosted"][databases.aside(production, restore.label)].rows
    rounds.clean_up()
    assert swaps.is_aside(production, restore.label)
    with clock.passed(story_of.KEPT + timedelta(minutes=1)):
        rounds.clean_up()
    assert not swaps.is_aside(production, restore.label)
    assert not swaps.aside_folder(production, restore.label).exists()
    assert left(stage) == []


@pytest.mark.parametrize("gone", [False, True])
def test_what_can_not_be_backed_up_is_replaced_only_where_that_was_said(
    gone: bool, stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    held, name = stage.world.databases["hosted"], kept.instance(branch).database
    if gone:
        del held[name]
    else:
        held[name].damaged = True
    refused = end(stage, begun(branch, backup, alice))
    assert (refused.result, refused.story and refused.story.error_title) == (
        Result.FAILURE, "What is there can't be backed up",
    )  # fmt: skip
    assert gone or left(stage) == []

    restore = end(stage, story_of.begin(branch=branch, backup=backup, by=alice, force=True))
    assert restore.result == Result.WARNING
    assert (held[name].damaged, restore.before) == (False, None)
    assert "a customer" in kept.data(stage, branch).rows
    assert left(stage, aside=0 if gone else 1) == []
    assert str(AuditEntry.objects.filter(verb="restore").latest("pk").after).endswith(", forced")


def test_nobody_sees_anything_but_the_old_state_the_wait_and_the_new_one(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    host, seen = kept.instance(branch).hostname, []
    stage.world.watch = lambda: seen.append(stage.world.answer(host))
    kept.tell(stage, begun(branch, backup, alice))
    assert set(seen) == {OLD, "held"}
    assert seen[0] == seen[-1] == OLD


def test_the_dump_is_over_before_anybody_waits(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    host, order = kept.instance(branch).hostname, []
    stage.world.before = lambda what: order.append((what, stage.world.answer(host)))
    kept.tell(stage, begun(branch, backup, alice))
    assert ("pg_dump ends", OLD) in order
    assert ("exchange databases", "held") in order


def test_a_backup_from_before_an_update_is_brought_up_to_the_code_that_serves(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    stage.world.commits[NEW] = {"shop": "1.1"}
    build = stage.deploy(branch, NEW)
    before = build.to_update
    restore = end(stage, begun(branch, backup, alice))
    assert restore.result == Result.SUCCESS
    assert kept.data(stage, branch).modules["shop"] == "18.0.1.1"
    assert LATER not in kept.data(stage, branch).rows
    assert stage.world.answer(kept.instance(branch).hostname) == NEW
    assert Build.objects.get(pk=build.pk).to_update == before


def test_the_build_that_served_serves_with_its_new_pool_and_no_other_is_rolled_back_to(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    restore = end(stage, begun(branch, backup, alice))
    build = Build.objects.get(pool=restore.pool)
    assert build == restore.build
    assert Instance.objects.get(pk=kept.instance(branch).pk).live_pool == restore.pool
    others = Pool.objects.filter(instance=branch.instance).exclude(pk=restore.pool_id or 0)
    assert {pool.state for pool in others} == {Pool.State.GONE}
    assert stage.deploy(branch, OLD).result == Result.SUCCESS


def test_where_memory_is_short_visitors_see_a_page(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    Branch.objects.update(strategy=Branch.Strategy.IN_TURN)
    host, seen = kept.instance(branch).hostname, set()
    stage.world.watch = lambda: seen.add(stage.world.answer(host))
    assert end(stage, begun(branch, backup, alice)).result == Result.SUCCESS
    assert seen == {OLD, "updating"}


# --- what goes wrong --------------------------------------------------------------------------------------------------
def test_a_backup_that_is_damaged_changes_nothing(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    for manifest in (stage.home / "vaults").rglob("manifest.json"):
        manifest.write_text("{}")
    before = stage.world.summary()
    restore = end(stage, begun(branch, backup, alice))
    assert restore.story is not None
    assert (restore.result, restore.story.error_title) == (Result.FAILURE, "The backup can't be restored")
    assert stage.world.summary() == before
    assert left(stage) == []


def test_too_little_disk_is_said_before_anything_is_made(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    stage.world.disk_free = 1
    before = stage.world.summary()
    restore = end(stage, begun(branch, backup, alice))
    assert restore.story is not None
    assert restore.story.error_title == "Not enough disk for the restore"
    assert stage.world.summary() == before


EVENTS = ("check vault", "pg_restore ends", "pg_dump ends", "exchange databases", "hand over database", "start web")


@pytest.mark.parametrize("how", ["cancelled", "failed"])
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("strategy", Branch.Strategy.values)
def test_the_old_state_serves_whatever_ends_it(
    stage: Scenery, branch: Branch, backup: Backup, alice: User, event: str, how: str, strategy: str
) -> None:
    """The last time that each event happens, which is the deepest within."""
    Branch.objects.update(strategy=strategy)
    rows, files = kept.data(stage, branch).rows, kept.data(stage, branch).files
    times = _count(stage, branch, backup, alice, event)
    pool = kept.instance(branch).live_pool_id
    restore, count = begun(branch, backup, alice), 0

    def strike(what: str) -> None:
        nonlocal count
        count += what == event
        if what == event and count == times:
            if how == "failed":
                raise OSError("struck")
            stories.cancel(Story.objects.get(pk=restore.story_id or 0))
            assert stage.telling is not None
            stage.telling.listen()
            stage.telling.keep_going()

    stage.world.before = strike
    restore = end(stage, restore)
    assert restore.result == (Result.FAILURE if how == "failed" else Result.CANCELLED)
    assert (kept.data(stage, branch).rows, kept.data(stage, branch).files) == (rows, files)
    assert stage.world.answer(kept.instance(branch).hostname) == OLD
    assert Instance.objects.get(pk=kept.instance(branch).pk).live_pool_id == pool
    rounds.clear_away()
    assert left(stage) == []
    assert stage.world.wrongs == []


def _count(stage: Scenery, branch: Branch, backup: Backup, alice: User, event: str) -> int:
    """How often an event happens up to the switch, in a restore that is taken back at its last moment."""
    stage.world.seen.clear()
    restore, count = begun(branch, backup, alice), 0

    def look(what: str) -> None:
        nonlocal count
        if what == 'UPDATE "hosting_pool" SET' and Step.objects.filter(
            story=restore.story, name="switch_restored", state=State.RUNNING
        ):
            count = stage.world.seen[event]
            stage.world.before = nothing
            raise OSError("enough")

    stage.world.before = look
    end(stage, restore)
    assert count, f"{event} never happens"
    return count


def test_it_survives_its_worker_wherever_that_dies(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    stage.world.seen.clear()
    kept.tell(stage, begun(branch, backup, alice))
    for each in Backup.objects.exclude(state=State.DONE):
        kept.tell(stage, each)
    total = stage.world.seen.total()
    for number in range(3, total, 7):
        kept.data(stage, branch).rows += (LATER,)
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            if count == at:
                stage.world.dead = True
                raise Killed

        restore = begun(branch, backup, alice)
        stage.world.before = kill
        restore = end(stage, restore)
        assert restore.result == Result.SUCCESS, (number, restore.story and restore.story.error_detail)
        assert LATER not in kept.data(stage, branch).rows, number
        assert kept.attachment(branch).read_bytes() == kept.CONTENT, number
        assert stage.world.answer(kept.instance(branch).hostname) == OLD, number
        with clock.moved(story_of.KEPT + timedelta(minutes=1)):
            story_of.forget()
        rounds.clear_away()
        assert left(stage) == [], number
    again = Step.objects.filter(story__kind="restore", attempts__gt=1)
    names = {spec.name for spec in story_of.steps(restore)}
    assert set(again.values_list("name", flat=True)) >= names - {"switch_restored"}


# --- a rollback comes between -----------------------------------------------------------------------------------------
def rolled_back_when(stage: Scenery, branch: Branch, by: User, when: Callable[[str], bool]) -> None:
    """To the build before, by the urgent worker, at the first event that is `when`."""

    def strike(what: str) -> None:
        if when(what):
            stage.world.before = nothing
            target = rollback.target(kept.instance(branch))
            assert target is not None
            stories.look(rollback.begin(build=target, by=by).story_id or 0)

    stage.world.before = strike


@pytest.fixture
def newer(stage: Scenery, branch: Branch, backup: Backup) -> None:
    """Another commit serves, and the one before is kept to roll back to."""
    stage.world.commits[NEW] = {"shop": "1.0"}
    stage.deploy(branch, NEW)


@pytest.mark.usefixtures("newer")
def test_a_rollback_at_the_last_moment_is_not_undone(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    restore = begun(branch, backup, alice)
    swapping = Step.objects.filter(story=restore.story, name="swap", state=State.RUNNING)
    rolled_back_when(stage, branch, alice, lambda what: what == 'UPDATE "hosting_pool" SET' and swapping.exists())
    restore = end(stage, restore)
    assert restore.story is not None
    assert restore.story.error_title == "Another build came to serve meanwhile"
    assert stage.world.answer(kept.instance(branch).hostname) == OLD
    assert LATER in kept.data(stage, branch).rows
    rounds.clear_away()
    assert left(stage) == []


@pytest.mark.usefixtures("newer")
def test_a_backup_is_served_by_no_other_code_than_it_was_opened_with(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    """Who restored it died, and what serves was rolled back before another went on."""
    restore = begun(branch, backup, alice)

    def die(what: str) -> None:
        if what == "pg_restore ends":
            stage.world.dead = True
            raise Killed

    stage.world.before = die
    stage.look(restore)  # type: ignore[arg-type]
    target = rollback.target(kept.instance(branch))
    assert target is not None
    stories.look(rollback.begin(build=target, by=alice).story_id or 0)
    assert stage.world.answer(kept.instance(branch).hostname) == OLD
    restore = end(stage, restore)
    assert restore.story is not None
    assert restore.story.error_title == "Another build came to serve meanwhile"
    rounds.clear_away()
    assert left(stage) == []


# --- asked for --------------------------------------------------------------------------------------------------------
def test_one_at_a_time(branch: Branch, backup: Backup, alice: User) -> None:
    begun(branch, backup, alice)
    with pytest.raises(ProjectError) as refused:
        begun(branch, backup, alice)
    assert "going on already" in refused.value.detail
    assert [entry.by for entry in AuditEntry.objects.filter(verb="restore")] == ["alice"]


def test_a_deploy_waits_for_it_and_it_for_a_deploy(stage: Scenery, branch: Branch, backup: Backup, alice: User) -> None:
    restore = begun(branch, backup, alice)
    build = stage.build(branch, OLD)
    assert Story.objects.get(pk=restore.story_id or 0).subject == Story.objects.get(pk=build.story_id or 0).subject
    stage.look(build)
    assert Build.objects.get(pk=build.pk).state == State.QUEUED
    assert end(stage, restore).result == Result.SUCCESS
    assert stage.tell(build).result == Result.SUCCESS


def test_none_begins_while_production_is_being_retired(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    stages.move(branch=branch, stage=Stage.DEVELOPMENT, by=alice)
    with pytest.raises(ProjectError) as refused:
        begun(branch, backup, alice)
    assert "being retired" in refused.value.detail


def test_one_that_waited_until_production_was_retired_says_so(
    stage: Scenery, branch: Branch, backup: Backup, alice: User
) -> None:
    """Both were asked for in the same instant."""
    restore = begun(branch, backup, alice)
    Branch.objects.update(instance=None, stage=Stage.DEVELOPMENT)
    restore = end(stage, restore)
    assert restore.story is not None
    assert restore.story.error_title == "The branch has no database any more"


@pytest.mark.parametrize("proof", [Backup.Proof.NONE, Backup.Proof.FAILED])
def test_only_what_was_proven_is_restored(branch: Branch, backup: Backup, alice: User, proof: str) -> None:
    backup.proof = proof
    with pytest.raises(ProjectError) as refused:
        begun(branch, backup, alice)
    assert "proven" in refused.value.detail
