"""A project that is deleted: closed, kept, brought back or removed; whole wherever a round dies."""

from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from builds import ageing, deletion, removal, rounds
from builds.begin import begin
from builds.models import Build
from hosting.models import Backup, Instance, Pool
from hosting.reconcile import reconcile
from portal.models import Alarm, AuditEntry, Result, State, Story
from portal.stories import ProjectError
from projects import invitations
from projects.models import Branch, Member, Project, Role, Stage
from tests import cast
from tests.unit.fakes import Killed
from tests.unit.fakes.stage import NEW, Scenery

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "shop.localhost"


@pytest.fixture
def project(stage: Scenery, people: SimpleNamespace) -> Project:
    """With production that serves, a kept pool, and a development database."""
    production = stage.tell(stage.same())
    stage.deploy(stage.branch("feature", Stage.DEVELOPMENT), NEW)
    Branch.objects.update(head=NEW)
    for user, role in ((people.alice, Role.ADMIN), (people.dev, Role.DEVELOPER)):
        Member.objects.create(project=production.project, user=user, role=role)
    return production.project


def delete(project: Project, people: SimpleNamespace) -> None:
    deletion.delete(project=project, typed=project.slug, by=people.alice)


def back_up(stage: Scenery) -> Backup:
    """Tell the last backup to its end."""
    found = Backup.objects.exclude(state=State.DONE).get()
    for _ in range(8):
        stage.look(found)
        found.refresh_from_db()
    assert found.state == State.DONE
    return found


def closed_unproven(stage: Scenery, project: Project, people: SimpleNamespace) -> None:
    """Deleted and closed; what the last backup holds could not be opened."""
    delete(project, people)
    last = back_up(stage)
    rounds.close_deleted()
    Backup.objects.filter(pk=last.pk).update(proof=Backup.Proof.FAILED)


def closed(project: Project) -> bool:
    found = removal.instances_of(project)
    stopped = not found.exclude(door=Instance.Door.STOPPED, live_pool=None).exists()
    return found.exists() and stopped and not Pool.objects.exclude(state=Pool.State.GONE).exists()


def test_it_takes_the_address_of_the_project(stage: Scenery, project: Project, people: SimpleNamespace) -> None:
    browser = Client()
    browser.force_login(people.alice)

    page = browser.post("/shop/settings/delete/", {"typed": "Shop"}).content.decode()

    assert "That is not the project&#x27;s address." in page
    assert not Project.objects.deleted().exists()
    assert not Backup.objects.exists()


def test_production_is_backed_up_then_everything_stops_and_nothing_is_lost(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    databases = set(stage.world.databases)
    delete(project, people)

    rounds.close_deleted()
    assert stage.world.answer(HOST) == NEW, "it serves until its last backup is there"
    assert back_up(stage).proof == Backup.Proof.PROVEN
    rounds.close_deleted()

    assert closed(project)
    assert len(stage.world.answer(HOST)) != 40
    assert databases <= set(stage.world.databases)
    assert not [container for container in stage.world.containers.values() if container.running]
    rounds.close_deleted()
    reconcile()
    assert closed(project)


def test_it_stops_with_the_moment_that_is_backed_up_not_with_its_proof(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    def close_meanwhile(what: str) -> None:
        if what == "check vault":
            rounds.close_deleted()
            seen.append(stage.world.answer(HOST))

    seen: list[str] = []
    delete(project, people)
    stage.world.before = close_meanwhile
    assert back_up(stage).proof == Backup.Proof.PROVEN
    assert seen
    assert len(seen[0]) != 40
    assert closed(project)


def test_nobody_sees_it_any_more_but_its_admins_the_way_back(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    alice, dev, oscar = Client(), Client(), Client()
    for browser, user in ((alice, people.alice), (dev, people.dev), (oscar, people.oscar)):
        browser.force_login(user)

    for path in ("/shop/branches/", "/shop/builds/", "/shop/settings/", "/shop/builds/1/"):
        assert {browser.get(path).status_code for browser in (alice, dev, oscar)} == {404}
    assert [browser.get("/shop/deleted/").status_code for browser in (alice, dev, oscar)] == [200, 403, 404]
    assert "/shop/deleted/" in alice.get("/").content.decode()
    assert "/shop/deleted/" not in dev.get("/").content.decode()
    assert dev.post("/shop/deleted/").status_code == 403
    assert Client().post(f"/hooks/{project.pk}/", b"{}", "application/json").status_code == 401
    with pytest.raises(ProjectError, match="is deleted"):
        begin(branch=project.branches.get(name="main"), commit=NEW, by=people.alice)


def test_builds_that_wait_are_ended_and_invitations_are_withdrawn(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    waiting = stage.build(project.branches.get(name="feature"), NEW)
    made, _link = invitations.invite(project=project, whom="oscar", role=Role.ADMIN, by=people.alice)

    delete(project, people)

    waiting.refresh_from_db()
    made.refresh_from_db()
    assert (waiting.state, waiting.result, waiting.verdict) == (State.DONE, Result.CANCELLED, deletion.SKIPPED)
    assert made.withdrawn_at is not None


def test_it_is_not_closed_beside_a_story_that_goes_on(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    back_up(stage)
    branch = project.branches.get(name="main")
    story = Story.objects.create(
        kind="deploy", queue="deploy", subject=branch.subject, object_id=0, state=State.RUNNING
    )

    rounds.close_deleted()
    assert stage.world.answer(HOST) == NEW

    Story.objects.filter(pk=story.pk).delete()
    rounds.close_deleted()
    assert closed(project)


def test_undone_it_serves_as_before_with_what_was_in_it(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    served = project.branches.get(name="main").instance_id
    delete(project, people)
    back_up(stage)
    rounds.close_deleted()

    deletion.undo(project=project, by=people.alice)
    build = Build.objects.exclude(state=State.DONE).get()
    assert stage.tell(build).result == Result.SUCCESS

    assert stage.world.answer(HOST) == NEW
    main = project.branches.get(name="main")
    assert (main.instance_id, main.stage) == (served, Stage.PRODUCTION)
    browser = Client()
    browser.force_login(people.dev)
    assert browser.get("/shop/builds/").status_code == 200
    verbs = set(AuditEntry.objects.filter(project_id=project.pk).values_list("verb", flat=True))
    assert {"delete project", "undo deletion of project"} <= verbs
    rounds.close_deleted()
    assert stage.world.answer(HOST) == NEW


def test_undone_before_it_was_closed_nothing_was_ever_stopped(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)

    deletion.undo(project=project, by=people.alice)
    rounds.close_deleted()

    assert stage.world.answer(HOST) == NEW
    assert not Build.objects.exclude(state=State.DONE).exists()


def test_an_undo_waits_for_what_is_being_closed(stage: Scenery, project: Project, people: SimpleNamespace) -> None:
    delete(project, people)
    back_up(stage)
    main = project.branches.get(name="main").instance
    assert main is not None
    Instance.objects.filter(pk=main.pk).update(door=Instance.Door.STOPPED, live_pool=None)

    with pytest.raises(ProjectError, match="being closed at this moment"):
        deletion.undo(project=project, by=people.alice)
    rounds.close_deleted()
    deletion.undo(project=project, by=people.alice)

    assert Project.objects.alive().filter(pk=project.pk).exists()


def test_a_round_that_dies_anywhere_leaves_no_more_than_work_for_the_next(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    back_up(stage)
    for moment in range(1, 40):
        left = moment

        def die(_what: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        stage.world.before = die
        try:
            rounds.close_deleted()
        except Killed:
            continue
        finally:
            stage.world.before, stage.world.dead = lambda _what: None, False
        break
    else:
        raise AssertionError("it never came to its end")

    rounds.close_deleted()
    assert moment > 1
    assert closed(project)


def test_when_its_time_is_up_all_goes_but_the_last_backup(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    last = back_up(stage)
    rounds.close_deleted()
    for _ in range(deletion.GRACE.days * 24 - 1):
        ageing.age()
    rounds.remove_deleted()
    assert removal.instances_of(project).exists(), "an hour is left"
    ageing.age()
    with pytest.raises(ProjectError, match="can't be undone"):
        deletion.undo(project=project, by=people.alice)

    rounds.remove_deleted()
    rounds.remove_deleted()

    project.refresh_from_db()
    assert project.removed_at is not None
    assert not removal.instances_of(project).exists()
    assert (project.token, project.webhook_secret, project.members.count()) == ("", "", 0)
    last.refresh_from_db()
    assert (last.proof, last.forgotten_at) == (Backup.Proof.PROVEN, None)
    assert AuditEntry.objects.filter(verb="remove project").count() == 1
    again = cast.project("shop", provider_id="id-shop")  # address and repository are free
    assert again.created_at <= timezone.now()


def time_is_up(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(hours_left=0)


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ({"proof": Backup.Proof.FAILED, "wrong": "A table was missing."}, "A table was missing."),
        ({"proof": Backup.Proof.NONE, "state": State.RUNNING}, "has no proof"),
        ({"snapshot": "", "proof": Backup.Proof.NONE}, "nothing is stored"),
        ({"forgotten_at": timezone.now()}, "nothing is stored"),
        (None, "there is no backup"),
    ],
)
def test_production_whose_last_backup_is_not_proven_stays_with_an_alarm(
    left: dict[str, object] | None, why: str, stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    last = back_up(stage)
    rounds.close_deleted()
    if left is None:
        last.delete()
    else:
        Backup.objects.filter(pk=last.pk).update(**left)
    time_is_up(project)
    databases, folders = set(stage.world.databases), removal.instances_of(project).count()

    for _round in range(2):
        rounds.remove_deleted()

    project.refresh_from_db()
    assert (project.removed_at, project.slug) == (None, "shop")
    assert set(stage.world.databases) == databases
    assert removal.instances_of(project).count() == folders
    alarm = Alarm.objects.get(ended_at=None)
    assert why in alarm.detail
    assert "Undo the deletion" in alarm.detail


def test_an_older_proof_is_none_of_what_was_written_since(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    delete(project, people)
    proven = back_up(stage)
    rounds.close_deleted()
    Backup.objects.create(
        vault=proven.vault, instance=proven.instance, kind=Backup.Kind.NIGHTLY, state=State.DONE, snapshot="b"
    )
    time_is_up(project)

    rounds.remove_deleted()

    assert removal.instances_of(project).exists()


def test_what_waits_can_be_undone_and_goes_once_it_is_proven(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    closed_unproven(stage, project, people)
    time_is_up(project)
    rounds.remove_deleted()
    browser = Client()
    browser.force_login(people.alice)
    assert "what it has stays all the same" in browser.get("/shop/deleted/").content.decode()

    deletion.undo(project=project, by=people.alice)
    rounds.remove_deleted()

    assert Project.objects.alive().filter(pk=project.pk).exists()
    assert not Alarm.objects.filter(ended_at=None).exists()
    assert stage.tell(Build.objects.exclude(state=State.DONE).get()).result == Result.SUCCESS

    delete(project, people)
    assert back_up(stage).proof == Backup.Proof.PROVEN
    rounds.close_deleted()
    time_is_up(project)
    rounds.remove_deleted()
    rounds.remove_deleted()
    project.refresh_from_db()
    assert project.removed_at is not None
    assert not removal.instances_of(project).exists()


def test_the_operator_may_let_what_waits_go(stage: Scenery, project: Project, people: SimpleNamespace) -> None:
    closed_unproven(stage, project, people)
    with pytest.raises(CommandError, match="no deleted project whose time is up"):
        call_command("remove_project", "shop", confirm="shop")
    time_is_up(project)
    rounds.remove_deleted()

    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("remove_project", "shop")
    assert removal.instances_of(project).exists()
    call_command("remove_project", "shop", confirm="shop")

    project.refresh_from_db()
    assert project.removed_at is not None
    assert not removal.instances_of(project).exists()
    assert not Alarm.objects.filter(ended_at=None).exists()
    assert AuditEntry.objects.filter(verb="remove unproven data").exists()


def test_who_is_to_be_removed_though_nothing_is_proven_can_not_be_undone_and_a_round_ends_it(
    stage: Scenery, project: Project, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_unproven(stage, project, people)
    time_is_up(project)

    def killed(_instance: Instance) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("builds.removal.instances.remove", killed)
        with pytest.raises(Killed):
            call_command("remove_project", "shop", confirm="shop")
    with pytest.raises(ProjectError, match="can't be undone"):
        deletion.undo(project=project, by=people.alice)
    rounds.remove_deleted()

    project.refresh_from_db()
    assert project.removed_at is not None
    assert not Alarm.objects.filter(ended_at=None).exists()


def test_one_that_was_undone_meanwhile_is_not_removed(
    stage: Scenery, project: Project, people: SimpleNamespace
) -> None:
    closed_unproven(stage, project, people)
    time_is_up(project)
    deletion.undo(project=project, by=people.alice)

    with pytest.raises(ProjectError, match="was undone meanwhile"):
        removal.remove_unproven(project, ["i1"])
    Instance.objects.update(state=Instance.State.REMOVED)
    mirror = stage.home / "git" / f"p{project.pk}.git"
    mirror.mkdir(parents=True, exist_ok=True)
    removal.finish(project)

    project.refresh_from_db()
    assert (project.removed_at, project.members.count(), mirror.exists()) == (None, 2, True)


def test_it_is_undone_though_its_repository_is_gone(stage: Scenery, project: Project, people: SimpleNamespace) -> None:
    delete(project, people)
    back_up(stage)
    rounds.close_deleted()
    Project.objects.update(gone_at=timezone.now())

    browser = Client()
    browser.force_login(people.alice)
    page = browser.post("/shop/deleted/", follow=True).content.decode()

    assert "is there again" in page
    assert "Nothing is deployed for it now" in page
    project.refresh_from_db()
    assert project.deleted_at is None
