"""Sixty days of a trial, by the clock and hour by hour; and what the end of a subscription does."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core import mail
from pytest_django import Settings

from builds import ageing, alarming, download, plans, rounds, stages
from builds.models import Build, Download, Retired
from hosting import instances
from hosting.engines.docker import EngineUnreachable
from hosting.models import Backup, Instance
from hosting.reconcile import reconcile
from portal import clock, hours, stories
from portal.models import Alarm, AuditEntry, Result, State, Story
from portal.stories import ProjectError
from projects import plans as rules
from projects import subscriptions
from projects.models import Branch, Member, Project, Role, Stage, Subscription
from projects.plans import GRACE_H, LOCKED_AFTER_H, TRIAL_H
from tests import cast
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery, nothing

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)
SHOP = "shop.localhost"


@pytest.fixture(autouse=True)
def mails(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"


@pytest.fixture
def trial(stage: Scenery, people: SimpleNamespace) -> Project:
    """Production and staging, on the first day."""
    assert stage.tell(stage.staging()).result == Result.SUCCESS
    people.alice.email = "alice@example.com"
    people.alice.save()
    cast.person("Operator", is_superuser=True, email="operator@example.com")  # whom alarms go to, and notices don't
    project = Project.objects.get()
    Member.objects.create(project=project, user=people.alice, role=Role.ADMIN)
    Project.objects.update(trial_hours=0)
    Branch.objects.filter(name="main").update(head=OLD)
    Branch.objects.filter(name="next").update(head=NEW)
    for cluster in stage.world.databases.values():
        for database in cluster.values():
            database.parameters["database.uuid"] = "x"  # an Odoo is in it, as waking asks
    return Project.objects.get()


class Life:
    """Hours that pass, each with its round; once a day the others."""

    def __init__(self) -> None:
        self.hours = 0

    def until(self, day: int) -> None:
        while self.hours < day * 24:
            self.hours += 1
            with clock.passed(self.hours * HOUR):
                if self.hours % 24 == 0:
                    rounds.clean_up()
                    look()
                elif hours.another():  # what the hourly round does with an hour, without its looks at the machine
                    ageing.age()
                    plans.count_hour()


def look() -> None:
    """The round of each minute, a few times, with what it begins."""
    for _minute in range(3):
        plans.look_after()
        for story in Story.objects.open().order_by("pk"):
            stories.look(story.pk)
    alarming.tell_all()


def enter(project: Project, people: SimpleNamespace) -> None:
    code = Subscription.objects.create(code="ACME-1234", kind=Subscription.Kind.ENTERPRISE)
    subscriptions.enter(project=project, code=code.code, by=people.alice)
    look()


def staging() -> Instance:
    instance = Instance.objects.filter(pk__in=Build.objects.filter(branch__name="next").values("instance")).last()
    assert instance is not None
    return instance


def databases(stage: Scenery) -> set[str]:
    return {name for cluster in stage.world.databases.values() for name in cluster}


def subjects() -> list[str]:
    return [each.subject.removeprefix("Berth: Shop: ") for each in mail.outbox]


def stages_of() -> dict[str, str]:
    return dict(Branch.objects.values_list("name", "stage"))


# --- sixty days -------------------------------------------------------------------------------------------------------
def test_a_trial_that_nobody_goes_on_with(stage: Scenery, trial: Project) -> None:
    life, production = Life(), Branch.objects.get(name="main").instance
    assert production is not None
    life.until(29)
    assert stages_of() == {"main": Stage.PRODUCTION, "next": Stage.STAGING}
    assert (stage.world.answer(SHOP), stage.world.answer(staging().hostname)) == (OLD, NEW)
    assert subjects() == ["Trial: 7 days left.", "Trial: 3 days left.", "Trial: 1 day left."]
    life.until(31)
    assert stages_of() == {"main": Stage.DEVELOPMENT, "next": Stage.DEVELOPMENT}
    assert (stage.world.answer(SHOP), stage.world.answer(staging().hostname)) == ("nowhere", "locked")
    assert not any(container.running for container in stage.world.containers.values())
    life.until(59)
    assert {production.database, staging().database} <= databases(stage)
    life.until(62)
    assert not {production.database, staging().database} & databases(stage)
    assert subjects()[3:] == [
        "The trial is over and the databases are stopped. They are deleted in 30 days.",
        "The trial is over and the databases are stopped. They are deleted in 7 days.",
        "The trial is over and the databases are stopped. They are deleted in 3 days.",
        "The trial is over and the databases are stopped. They are deleted in 1 day.",
        "The trial is over, and its databases are deleted.",
    ]
    assert {tuple(each.to) for each in mail.outbox} == {("alice@example.com",)}
    assert stages_of() == {"main": Stage.DEVELOPMENT, "next": Stage.DEVELOPMENT}
    verbs = set(AuditEntry.objects.filter(project_id=trial.pk, by="Berth").values_list("verb", flat=True))
    assert {"move branch", "lock database", "delete data of trial"} <= verbs
    with clock.passed(life.hours * HOUR):
        assert [*leftovers(stage)] == []


def test_a_code_on_the_29th_day_changes_nothing_that_serves(
    stage: Scenery, trial: Project, people: SimpleNamespace
) -> None:
    life = Life()
    life.until(29)
    with clock.passed(life.hours * HOUR):
        enter(trial, people)
    sent = len(mail.outbox)
    life.until(62)
    assert stages_of() == {"main": Stage.PRODUCTION, "next": Stage.STAGING}
    assert (stage.world.answer(SHOP), stage.world.answer(staging().hostname)) == (OLD, NEW)
    assert (len(mail.outbox), Alarm.objects.filter(ended_at=None, key__startswith=plans.KEY).count()) == (sent, 0)


def test_a_code_that_is_entered_while_the_databases_are_removed_keeps_the_others(
    stage: Scenery, trial: Project, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, production = Life(), Branch.objects.get(name="main").instance
    assert production is not None
    life.until(45)
    copy, remove = staging(), instances.remove
    Instance.objects.filter(pk__in=[production.pk, copy.pk]).update(hours_left=0)
    Branch.objects.filter(name="next").update(instance=None)

    def enter_meanwhile(instance: Instance) -> None:
        if instance.pk == copy.pk:
            enter(trial, people)
        remove(instance)

    monkeypatch.setattr("builds.rounds.instances.remove", enter_meanwhile)
    with clock.passed(life.hours * HOUR):
        rounds.clean_up()
    assert {production.database, copy.database} & databases(stage) == {production.database}
    assert Instance.objects.get(pk=production.pk).hours_left is None


def test_a_code_on_the_45th_day_keeps_all_that_was_stopped(
    stage: Scenery, trial: Project, people: SimpleNamespace
) -> None:
    life, production = Life(), Branch.objects.get(name="main").instance
    assert production is not None
    data = stage.world.databases["hosted"][production.database]
    life.until(45)
    with clock.passed(life.hours * HOUR):
        enter(trial, people)
        assert stage.world.answer(staging().hostname) == "asleep"  # the next request wakes it
    life.until(80)
    with clock.passed(life.hours * HOUR):
        main = Branch.objects.get(name="main")
        stages.move(branch=main, stage=Stage.PRODUCTION, by=people.alice, attach=Retired.objects.get())
        assert stage.tell(Build.objects.latest("pk")).result == Result.SUCCESS
        assert stage.world.answer(SHOP) == OLD
        assert stage.world.databases["hosted"][production.database] == data
    assert staging().database in databases(stage)


# --- the clock --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("by", [timedelta(days=400), timedelta(days=-400)])
def test_a_clock_that_is_set_ends_no_trial_and_deletes_nothing(stage: Scenery, trial: Project, by: timedelta) -> None:
    rounds.clean_up()
    Project.objects.update(trial_hours=TRIAL_H - 1)
    before = stages_of()
    with clock.moved(by):
        rounds.clean_up()
        look()
    rounds.clean_up()
    assert (stages_of(), Project.objects.get().trial_hours) == (before, TRIAL_H - 1)
    assert stage.world.answer(SHOP) == OLD


def test_a_clock_that_is_set_ahead_locks_nothing(stage: Scenery, trial: Project) -> None:
    subscribed(trial, ends_in=timedelta(days=30))
    rounds.clean_up()
    with clock.moved(timedelta(days=4000)):
        for hour in range(3):
            with clock.passed(hour * HOUR):
                rounds.clean_up()
        look()
    assert (Project.objects.get().ended_hours, stage.world.answer(SHOP)) == (0, OLD)


# --- while a build runs -----------------------------------------------------------------------------------------------
def ends_at(stage: Scenery, moment: str) -> None:
    """The trial's last hour passes at this moment of a build."""

    def strike(what: str) -> None:
        if what == moment:
            stage.world.before = nothing
            Project.objects.update(trial_hours=TRIAL_H)
            plans.look_after()

    stage.world.before = strike


@pytest.mark.parametrize("name", ["main", "next"])
def test_a_build_that_runs_at_the_end_of_the_trial_comes_to_its_end_and_is_stopped_then(
    stage: Scenery, trial: Project, name: str
) -> None:
    build = stage.build(Branch.objects.get(name=name), NEW)
    ends_at(stage, "build image")
    build = stage.tell(build)
    assert Project.objects.get().trial_hours == TRIAL_H
    assert build.result == Result.SUCCESS
    look()
    look()
    assert stages_of() == {"main": Stage.DEVELOPMENT, "next": Stage.DEVELOPMENT}
    assert not any(container.running for container in stage.world.containers.values())
    assert build.instance is not None
    assert build.instance.database in databases(stage)


def test_one_that_waits_is_refused_and_touches_nothing(stage: Scenery, trial: Project) -> None:
    build = stage.build(Branch.objects.get(name="next"), NEW)
    Project.objects.update(trial_hours=TRIAL_H)
    build = stage.tell(build)
    story = Story.objects.get(pk=build.story_id or 0)
    assert (build.result, build.instance) == (Result.FAILURE, None)
    assert "Nothing is built for Shop" in story.error_title
    assert "Enter a subscription code" in story.error_remedy


def test_a_code_that_is_entered_at_that_moment_counts(stage: Scenery, trial: Project, people: SimpleNamespace) -> None:
    """The round has read how it stood before."""
    Project.objects.update(trial_hours=TRIAL_H + GRACE_H)
    stale = Project.objects.get()
    enter(trial, people)
    plans._look_after(stale, rules.plan(stale))
    look()
    assert stages_of() == {"main": Stage.PRODUCTION, "next": Stage.STAGING}
    assert stage.world.answer(SHOP) == OLD
    assert stage.world.answer(staging().hostname) == "asleep"  # at most
    assert not Instance.objects.filter(hours_left=0).exists()


def test_nothing_is_begun_after_the_end(stage: Scenery, trial: Project, people: SimpleNamespace) -> None:
    Project.objects.update(trial_hours=TRIAL_H)
    look()
    main, begun = Branch.objects.get(name="main"), Build.objects.count()
    with pytest.raises(ProjectError, match="Nothing is built"):
        stage.build(main, NEW)
    with pytest.raises(ProjectError, match="was not moved"):
        stages.move(branch=main, stage=Stage.STAGING, by=people.alice)
    assert Build.objects.count() == begun


def test_an_engine_that_is_away_is_asked_again(stage: Scenery, trial: Project) -> None:
    def away(_what: str) -> None:
        raise EngineUnreachable("no engine")

    Project.objects.update(trial_hours=TRIAL_H)
    stage.world.before = away
    plans.look_after()
    stage.world.before = nothing
    look()
    assert (stage.world.answer(SHOP), stage.world.answer(staging().hostname)) == ("nowhere", "locked")


def test_a_production_that_can_not_be_retired_is_tried_again_after_an_hour(stage: Scenery, trial: Project) -> None:
    Project.objects.update(trial_hours=TRIAL_H)
    main = Branch.objects.get(name="main")
    ended = {"state": State.DONE, "result": Result.FAILURE, "finished_at": clock.now()}
    story = Story.objects.create(kind="retire", queue="background", subject="x", object_id=0, **ended)
    assert main.instance is not None
    Retired.objects.create(project=trial, branch=main, instance=main.instance, hostname=SHOP, story=story)
    plans.look_after()
    assert Retired.objects.count() == 1
    with clock.passed(plans.AGAIN_AFTER + HOUR):
        plans.look_after()
    assert Retired.objects.count() == 2


# --- a subscription that ended ----------------------------------------------------------------------------------------
def subscribed(project: Project, *, ends_in: timedelta) -> None:
    made = Subscription.objects.create(
        code="ACME-1234", kind=Subscription.Kind.ENTERPRISE, ends_at=clock.now() + ends_in
    )
    Project.objects.filter(pk=project.pk).update(subscription=made, trial_hours=None)


@pytest.fixture
def locked(stage: Scenery, trial: Project) -> Project:
    stage.back_up()
    subscribed(trial, ends_in=-HOUR)
    Project.objects.update(ended_hours=LOCKED_AFTER_H - 1)
    look()
    assert stage.world.answer(SHOP) == OLD
    plans.count_hour()
    look()
    return Project.objects.get()


def test_its_databases_are_locked_after_three_months(stage: Scenery, locked: Project) -> None:
    assert (stage.world.answer(SHOP), stage.world.answer(staging().hostname)) == ("locked", "locked")
    assert not any(container.running for container in stage.world.containers.values())
    assert reconcile() == []
    assert stages_of() == {"main": Stage.PRODUCTION, "next": Stage.STAGING}
    assert subjects()[-1] == ("The subscription has ended and the databases are locked. Backups can be downloaded.")


def test_the_operator_unlocks_them(stage: Scenery, locked: Project) -> None:
    subscriptions.unlock(locked, by=None)
    look()
    reconcile()
    assert stage.world.answer(SHOP) == OLD
    assert stage.world.answer(staging().hostname) == "asleep"
    running = [name for name, container in stage.world.containers.items() if container.running]
    assert sorted(name.rpartition("-")[2] for name in running) == ["cron", "web"]


def test_a_renewed_one_opens_them(stage: Scenery, locked: Project) -> None:
    assert locked.subscription is not None
    subscriptions.end(locked.subscription, at=None, by=None)
    look()
    assert stage.world.answer(SHOP) == OLD


def test_a_dump_can_still_be_had(stage: Scenery, locked: Project, people: SimpleNamespace) -> None:
    made = download.begin(
        branch=Branch.objects.get(name="main"), backup=Backup.objects.get(), form=Download.Form.ZIP, by=people.alice
    )
    stage.look(made)
    assert Download.objects.get().result == Result.SUCCESS
