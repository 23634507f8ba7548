"""Production that is moved to development: stopped, kept, attached again; whole at each moment of its story."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import retire, rounds, stages
from builds.begin import begin
from builds.models import Build, Download, Retired
from hosting import instances
from hosting.engines.docker import EngineUnreachable
from hosting.models import Backup, Instance
from hosting.reconcile import reconcile
from portal import clock, stories
from portal.models import Result, State, Story
from portal.stories import ProjectError
from projects.models import Branch, Member, Project, Role, Stage
from tests.unit.fakes import Killed
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.saved import Saved
from tests.unit.fakes.stage import NEW, OLD, Scenery, nothing, said

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "shop.localhost"
EVERY = 7  # of the moments: each would take minutes


@pytest.fixture
def main(stage: Scenery) -> Branch:
    """Production, on which two commits were deployed, so that a pool is kept as well."""
    build = stage.tell(stage.same())
    Branch.objects.filter(pk=build.branch_id).update(head=NEW)
    return Branch.objects.get(pk=build.branch_id)


def ask(branch: Branch, people: SimpleNamespace) -> Retired:
    stages.move(branch=branch, stage=Stage.DEVELOPMENT, by=people.alice)
    return Retired.objects.latest("pk")


def tell(stage: Scenery, retired: Retired) -> Story:
    for _ in range(8):
        stage.look(retired)  # type: ignore[arg-type]
        story = Story.objects.get(pk=retired.story_id or 0)
        if story.state == State.DONE:
            return story
    raise AssertionError(f"still {story.state}: {story.error_title}")


def build_all(stage: Scenery) -> Build:
    """Tell what waits, backups too, and return the newest build."""
    for backup in Backup.objects.exclude(state=State.DONE).exclude(story=None):
        stage.look(backup)
    for build in Build.objects.exclude(state=State.DONE).order_by("pk"):
        stage.tell(build)
    return Build.objects.latest("pk")


def test_the_database_is_kept_and_the_address_free(stage: Scenery, main: Branch, people: SimpleNamespace) -> None:
    assert main.instance is not None
    data = stage.world.databases["hosted"][main.instance.database]
    retired = ask(main, people)
    assert tell(stage, retired).result == Result.SUCCESS
    main.refresh_from_db()
    instance = Instance.objects.get(pk=retired.instance_id)
    assert (main.stage, main.instance_id) == (Stage.DEVELOPMENT, None)
    assert (instance.state, instance.hours_left, instance.door) == ("ready", 720, "stopped")
    assert stage.world.databases["hosted"][instance.database] == data
    assert (stage.world.answer(HOST), instance.hostname) == ("nowhere", f"shop-retired-{instance.name}.localhost")
    built = build_all(stage)
    assert (built.stage, built.commit, built.asked_by, built.result) == ("development", NEW, people.alice, "success")
    assert [*leftovers(stage)] == []


def test_a_last_backup_is_taken_and_its_dump_can_be_had(
    stage: Scenery, main: Branch, people: SimpleNamespace, client: Client
) -> None:
    retired = ask(main, people)
    tell(stage, retired)
    backup = Backup.objects.get()
    stage.look(backup)
    backup.refresh_from_db()
    assert Retired.objects.get().backup == backup
    assert (backup.kind, backup.proof, backup.hours_left) == ("auto", "proven", 720)
    Member.objects.create(project=main.project, user=people.alice, role=Role.ADMIN)
    client.force_login(people.alice)
    assert "Make a zip" in client.get("/shop/retired/").content.decode()
    assert client.post(f"/shop/retired/{retired.pk}/download/", {"backup": backup.pk}).status_code == 302
    made = Download.objects.get(asked_by=people.alice)
    stage.look(made)
    made.refresh_from_db()
    assert made.result == Result.SUCCESS
    sent = client.get(f"/shop/retired/{retired.pk}/download/{made.pk}/")
    assert (sent.status_code, sent["Content-Length"]) == (200, str(made.size_bytes))
    client.force_login(people.tom)
    assert client.get(f"/shop/retired/{retired.pk}/download/{made.pk}/").status_code == 404


def test_without_room_for_a_backup_it_is_retired_all_the_same(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    stage.world.disk_free = 0
    retired = ask(main, people)
    assert tell(stage, retired).result == Result.WARNING
    assert (Retired.objects.there().get().backup, Backup.objects.count()) == (None, 0)
    build_all(stage)
    assert [*leftovers(stage)] == []


def test_one_that_can_not_be_read_is_retired_all_the_same(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    assert main.instance is not None
    stage.world.databases["hosted"][main.instance.database].damaged = True
    assert tell(stage, ask(main, people)).result == Result.WARNING
    assert (Retired.objects.there().get().backup, Backup.objects.count()) == (None, 0)


def test_another_branch_begins_at_the_address_with_nothing(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    retired = ask(main, people)
    tell(stage, retired)
    build_all(stage)
    other = stage.branch("other", Stage.DEVELOPMENT, head=OLD)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice)
    built = build_all(stage)
    assert built.instance is not None
    assert (built.result, built.instance.hostname) == ("success", HOST)
    assert built.instance_id != retired.instance_id
    assert stage.world.answer(HOST) == OLD
    assert [*leftovers(stage)] == []


def test_the_retired_database_is_attached_again(stage: Scenery, main: Branch, people: SimpleNamespace) -> None:
    """By another branch, whose code has a newer version: the database is updated as in any deploy."""
    assert main.instance is not None
    marked = stage.world.databases["hosted"][main.instance.database]
    marked.rows += ("an order",)
    retired = ask(main, people)
    tell(stage, retired)
    build_all(stage)
    stage.world.commits["3" * 40] = {"shop": "1.1"}
    other = stage.branch("other", Stage.DEVELOPMENT, head="3" * 40)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    built = build_all(stage)
    instance = Instance.objects.get(pk=retired.instance_id)
    assert (built.result, built.instance, built.to_update) == ("success", instance, ["shop"])
    assert (instance.hostname, instance.hours_left, instance.door) == (HOST, None, "open")
    data = stage.world.databases["hosted"][instance.database]
    assert (data.modules["shop"], "an order" in data.rows) == ("18.0.1.1", True)
    assert stage.world.answer(HOST) == "3" * 40
    assert not Retired.objects.there().exists()
    rounds.mend()  # the router forgets the address that it had meanwhile
    assert [*leftovers(stage)] == []


@pytest.mark.parametrize("wrong", ["none", "failed", "forgotten", "old"])
def test_without_a_proven_backup_an_attached_database_is_not_updated(
    stage: Scenery, main: Branch, people: SimpleNamespace, wrong: str
) -> None:
    """As nothing serves by it none can be taken. The commit that served is deployed, and then the newer one."""
    retired = ask(main, people)
    tell(stage, retired)
    build_all(stage)
    last, at = Backup.objects.filter(instance=retired.instance), clock.now()
    if wrong == "none":
        Retired.objects.update(backup=None)
        last.delete()
    elif wrong == "failed":
        last.update(proof=Backup.Proof.FAILED)
    elif wrong == "forgotten":
        last.update(forgotten_at=at)
    else:
        last.update(taken_at=at - timedelta(days=2))
    before = stage.world.databases["hosted"][retired.instance.database].copy("x", finished=True)
    stage.world.commits["3" * 40] = {"shop": "1.1"}
    other = stage.branch("other", Stage.DEVELOPMENT, head="3" * 40)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    built = build_all(stage)
    assert (built.result, built.to_update) == ("failure", ["shop"])
    assert said(built).startswith("No module is updated without a proven backup")
    assert stage.world.databases["hosted"][retired.instance.database].copy("x", finished=True) == before

    assert stage.tell(begin(branch=Branch.objects.get(pk=other.pk), commit=NEW, by=people.alice)).result == "success"
    built = stage.tell(begin(branch=Branch.objects.get(pk=other.pk), commit="3" * 40, by=people.alice))
    assert (built.result, built.to_update) == ("success", ["shop"])
    assert built.backup is not None


def test_the_update_of_an_attached_database_waits_for_the_proof_of_its_last_backup(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    retired = ask(main, people)
    tell(stage, retired)
    stage.world.commits["3" * 40] = {"shop": "1.1"}
    other = stage.branch("other", Stage.DEVELOPMENT, head="3" * 40)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    build = Build.objects.latest("pk")
    stage.look(build)
    build.refresh_from_db()
    assert build.state != State.DONE
    stage.look(Backup.objects.get())
    Story.objects.filter(pk=build.story_id or 0).update(not_before=None)
    assert stage.tell(build).result == Result.SUCCESS


def test_a_failing_update_of_an_attached_database_leaves_it_as_it_was(
    stage: Scenery, main: Branch, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired = ask(main, people)
    tell(stage, retired)
    build_all(stage)
    stage.world.commits["3" * 40] = {"shop": "1.1"}
    other = stage.branch("other", Stage.DEVELOPMENT, head="3" * 40)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    instance = Instance.objects.get(pk=retired.instance_id)
    before = stage.world.databases["hosted"][instance.database].copy(instance.database, finished=True)

    def no_proof(what: str) -> None:
        if what == "ask a pool" and stage.world.databases["hosted"][instance.database].modules["shop"] == "18.0.1.1":
            raise EngineUnreachable("no answer")

    stage.world.before = no_proof
    built = build_all(stage)
    assert built.result == "failure"
    assert stage.world.databases["hosted"][instance.database] == before
    assert not [each for each in stage.world.databases["hosted"] if each.startswith(f"{instance.database}_")]
    main.refresh_from_db()
    assert Branch.objects.get(pk=other.pk).instance == instance


def test_one_that_is_attached_can_not_be_attached_twice(stage: Scenery, main: Branch, people: SimpleNamespace) -> None:
    retired = ask(main, people)
    tell(stage, retired)
    stages.move(branch=main, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    main.refresh_from_db()
    assert main.instance_id == retired.instance_id
    again = ask(main, people)
    build_all(stage)
    tell(stage, again)
    with pytest.raises(ProjectError, match="can't be attached"):
        stages.move(branch=main, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    main.refresh_from_db()
    assert main.stage == Stage.DEVELOPMENT


def retired_at_its_end(stage: Scenery, main: Branch, people: SimpleNamespace) -> Retired:
    """Its last hour is over."""
    retired = ask(main, people)
    tell(stage, retired)
    build_all(stage)
    Instance.objects.filter(pk=retired.instance_id).update(hours_left=0)
    return retired


def test_one_that_is_attached_while_the_clean_up_goes_on_stays(
    stage: Scenery, main: Branch, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes before it takes minutes."""
    feature, other = stage.branch("feature", Stage.DEVELOPMENT), stage.branch("other", Stage.DEVELOPMENT, head=NEW)
    stage.deploy(feature, NEW)
    retired = retired_at_its_end(stage, main, people)
    Branch.objects.filter(pk=feature.pk).update(deleted_at=clock.now())
    remove, removed = instances.remove, list[str]()

    def attach_meanwhile(instance: Instance) -> None:
        if not removed:
            stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
        removed.append(instance.name)
        remove(instance)

    monkeypatch.setattr("builds.rounds.instances.remove", attach_meanwhile)
    rounds.clean_up()
    assert removed
    assert retired.instance.name not in removed
    assert build_all(stage).result == Result.SUCCESS
    assert stage.world.answer(HOST) == NEW


def test_one_whose_removal_has_begun_is_not_attached_and_a_round_ends_that(
    stage: Scenery, main: Branch, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = stage.branch("other", Stage.DEVELOPMENT, head=NEW)
    retired = retired_at_its_end(stage, main, people)

    def killed(_instance: Instance) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("builds.rounds.instances.remove", killed)
        with pytest.raises(Killed):
            rounds.clean_up()
    with pytest.raises(ProjectError, match="can't be attached"):
        stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    other.refresh_from_db()
    assert (other.stage, other.instance) == (Stage.DEVELOPMENT, None)
    rounds.mend()
    retired.instance.refresh_from_db()
    assert retired.instance.state == Instance.State.REMOVED
    assert [*leftovers(stage)] == []


def test_one_is_not_attached_while_what_served_it_is_cleared_away(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    """That would stop what the branch's deploy had started by then."""
    retired = ask(main, people)

    def die(what: str) -> None:
        if not what.startswith(("INSERT", "UPDATE", "DELETE")) and Retired.objects.exclude(at=None):
            stage.world.dead = True
            raise Killed

    stage.world.before = die
    stage.look(retired)  # type: ignore[arg-type]
    assert Branch.objects.get(pk=main.pk).stage == Stage.DEVELOPMENT
    other = stage.branch("other", Stage.DEVELOPMENT, head=OLD)
    with pytest.raises(ProjectError, match="can't be attached"):
        stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    tell(stage, retired)
    stages.move(branch=other, stage=Stage.PRODUCTION, by=people.alice, attach=retired)
    assert build_all(stage).result == Result.SUCCESS
    assert stage.world.answer(HOST) == OLD


def test_production_is_not_moved_while_its_first_database_is_made(stage: Scenery, people: SimpleNamespace) -> None:
    """It would be nobody's, and keep production's address for good."""
    build = stage.first()
    with pytest.raises(ProjectError) as refused:
        stages.move(branch=build.branch, stage=Stage.DEVELOPMENT, by=people.alice)
    assert "being made" in refused.value.detail
    assert stage.tell(build).result == Result.SUCCESS
    assert stage.world.answer(HOST) == NEW


def test_a_push_that_waits_behind_it_makes_no_second_production(
    stage: Scenery, main: Branch, people: SimpleNamespace
) -> None:
    retired = ask(main, people)
    pushed = begin(branch=main, commit=NEW, by=people.dev)
    tell(stage, retired)
    pushed.refresh_from_db()
    assert (pushed.result, pushed.verdict) == (Result.CANCELLED, retire.SKIPPED)
    build_all(stage)
    assert Instance.objects.filter(stage=Stage.PRODUCTION).get().pk == retired.instance_id


def test_it_is_not_asked_for_twice(main: Branch, people: SimpleNamespace) -> None:
    ask(main, people)
    with pytest.raises(ProjectError) as refused:
        ask(main, people)
    assert "being retired already" in refused.value.detail


def test_cancelled_in_time_production_serves_on(stage: Scenery, main: Branch, people: SimpleNamespace) -> None:
    retired = ask(main, people)
    stories.cancel(Story.objects.get(pk=retired.story_id or 0))
    assert tell(stage, retired).result == Result.CANCELLED
    main.refresh_from_db()
    assert (main.stage, main.instance_id) == (Stage.PRODUCTION, retired.instance_id)
    assert stage.world.answer(HOST) == NEW
    assert not Retired.objects.there().exists()


# --- struck at each moment --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("strike", ["kill", "outage", "reconciler"])
def test_it_survives_whatever_happens_to_it(stage: Scenery, main: Branch, people: SimpleNamespace, strike: str) -> None:
    """In the end it is retired or serves as before, and nothing is left over."""
    retired = ask(main, people)
    data = stage.world.databases["hosted"][retired.instance.database]
    saved, count, wrong = Saved(stage.world, stage.home), 0, []
    while True:
        saved.restore(stage.world)
        if not struck(stage, retired, strike, at=count):
            break
        wrong += [f"{strike} at {count}: {line}" for line in wrongs(stage, retired)]
        assert stage.world.databases["hosted"][retired.instance.database] == data
        count += EVERY
    saved.drop()
    assert wrong == []
    assert count > 8 * EVERY


def struck(stage: Scenery, retired: Retired, strike: str, *, at: int) -> bool:
    """Tell the story, and do it harm at its moment number `at`. False where it has no so many."""
    seen = []

    def before(what: str) -> None:
        seen.append(what)
        if len(seen) - 1 == at:
            stage.world.before = nothing
            harm(what)

    def harm(what: str) -> None:
        if strike == "kill":
            stage.world.dead = True
            raise Killed
        if strike == "outage" and not what.startswith(("INSERT", "UPDATE", "DELETE")):
            raise EngineUnreachable("no answer")
        if strike == "reconciler" and not what.startswith(("INSERT", "UPDATE", "DELETE")):
            reconcile()

    stage.world.before = before
    tell(stage, retired)
    return len(seen) > at


def wrongs(stage: Scenery, retired: Retired) -> Iterator[str]:
    stage.world.before = nothing
    build_all(stage)
    rounds.clean_up()
    rounds.mend()
    story = Story.objects.get(pk=retired.story_id or 0)
    instance = Instance.objects.get(pk=retired.instance_id)
    yield from stage.world.wrongs
    yield from leftovers(stage)
    serves = (stage.world.answer(HOST), Branch.objects.get(pk=retired.branch_id).stage, instance.live_pool is None)
    if serves != ((NEW, "production", False) if story.failing else ("nowhere", "development", True)):
        yield f"{story.result}, but {serves}"


def test_what_can_not_be_built_is_retired_all_the_same(stage: Scenery, main: Branch, people: SimpleNamespace) -> None:
    before = Build.objects.count()
    retired = ask(main, people)
    Project.objects.update(gone_at=clock.now())

    assert tell(stage, retired).result == Result.SUCCESS

    main.refresh_from_db()
    assert (main.stage, Build.objects.count()) == (Stage.DEVELOPMENT, before)
