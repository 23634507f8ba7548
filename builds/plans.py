"""What the end of a trial or a subscription does, and what takes it back: told to the admins, branches moved, databases
stopped or opened, and at last deleted. Told again at any moment it only does what is left: see projects/plans.py.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from builds import resting, stages
from builds.models import Build, Retired
from builds.removal import instances_of
from hosting import backups, locks, sleep
from hosting.engines.restic import ResticError
from hosting.models import Instance
from hosting.reconcile import FAULTS
from portal import alarms, audit, clock, hours
from portal.models import State, Story
from portal.rounds import alone
from portal.stories import ProjectError
from projects import plans
from projects.models import Branch, Project, Stage
from projects.plans import Plan, Standing

log = logging.getLogger(__name__)

OVER = {Standing.TRIAL_OVER, Standing.TRIAL_GONE}
KEY = "plan-"  # of alarms
AGAIN_AFTER = timedelta(hours=1)  # production that could not be retired
TODO = "Enter a subscription code in the project's settings: it keeps all that is still there."


def count_hour() -> None:
    """An hour has passed. Subscriptions end by the calendar, so theirs count only while the clock is steady."""
    Project.objects.filter(trial_hours__lt=plans.TRIAL_H + plans.GRACE_H).update(trial_hours=F("trial_hours") + 1)
    if hours.to_steady():
        return
    ended = Q(subscription__ends_at__lte=clock.now())
    subscribed = Project.objects.exclude(subscription=None)
    Project.objects.filter(pk__in=subscribed.filter(ended).values("pk")).update(ended_hours=F("ended_hours") + 1)
    Project.objects.filter(pk__in=subscribed.exclude(ended).values("pk"), ended_hours__gt=0).update(ended_hours=0)


@alone
def look_after() -> None:
    """Every minute, and when a code was entered."""
    for pk in list(_concerned().order_by("pk").values_list("pk", flat=True)):
        project = Project.objects.select_related("subscription", "vault").get(pk=pk)
        try:
            _look_after(project, plans.plan(project))
        except (*FAULTS, ResticError, sleep.Refused) as error:
            log.warning("%s, which is looked after again: %s", project.slug, error)


def _concerned() -> QuerySet[Project]:
    """Those whose time runs out, and those that were stopped or told so and are free now."""
    locked = Build.objects.filter(instance__locked=True).values("project")
    retired = Retired.objects.there().filter(asked_by=None).exclude(instance__hours_left=None).values("project")
    told = alarms.going_on().filter(key__startswith=KEY).values("project_id")
    runs_out = Q(trial_hours__isnull=False) | Q(subscription__ends_at__isnull=False)
    return Project.objects.alive().filter(runs_out | Q(pk__in=locked) | Q(pk__in=retired) | Q(pk__in=told))


def _look_after(project: Project, plan: Plan) -> None:
    _tell(project, plan)
    if plan.standing in OVER:
        _back_to_development(project)
    if plan.is_closed:
        _close(project)
    else:
        _open(project)
    if plan.standing == Standing.TRIAL_GONE:
        _delete(project)


# --- told -------------------------------------------------------------------------------------------------------------
def _tell(project: Project, plan: Plan) -> None:
    """A mail when something has happened, and 7, 3 and 1 days before the next thing does. Pages say it all the time."""
    prefix, due = f"{KEY}{project.pk}-", _due(plan)
    others = alarms.going_on().filter(key__startswith=prefix)
    for alarm in others.exclude(key=f"{prefix}{due}"):
        alarms.end(alarm.key)
    if due:
        title = f"{project}: {plan.says}"
        alarms.begin(f"{prefix}{due}", title, TODO, project_id=project.pk, on_pages=False)


def _due(plan: Plan) -> str:
    if plan.standing == Standing.UNLIMITED:
        return ""
    if plan.days_left is not None and plan.days_left <= plans.TOLD_AT[0]:
        return f"{plan.standing.name}-{min(days for days in plans.TOLD_AT if plan.days_left <= days)}"
    return "" if plan.standing in {Standing.TRIAL, Standing.FULL} else plan.standing.name


# --- stopped ----------------------------------------------------------------------------------------------------------
def _back_to_development(project: Project) -> None:
    """Staging by rows alone; production by the story that retires it, which waits for what is told of the branch."""
    lately = (clock.now() - AGAIN_AFTER, clock.now())
    failed = Retired.objects.filter(at=None, story__state=State.DONE, story__finished_at__range=lately)
    for branch in project.branches.alive().exclude(stage=Stage.DEVELOPMENT).exclude(pk__in=failed.values("branch")):
        if Retired.objects.going_on().filter(branch=branch).exists():
            continue
        try:
            with transaction.atomic():
                if _is_over(project):
                    stages.move(branch=branch, stage=Stage.DEVELOPMENT, by=None)
        except ProjectError as refusal:  # its first database is being made
            log.info("%s of %s stays for now: %s", branch, project.slug, refusal.detail)


def _is_over(project: Project) -> bool:
    """Whether its trial still is, now that nobody enters a code at this moment."""
    locked = Project.objects.select_for_update(of=("self",)).select_related("subscription").get(pk=project.pk)
    return plans.plan(locked).standing in OVER


def _close(project: Project) -> None:
    """Nobody gets in from here on, and what serves falls asleep, when it has no request in flight. Production of a
    trial isn't touched: it is retired, which stops it.
    """
    serving = _of(project).exclude(live_pool=None).order_by("pk")
    if project.subscription_id is None:
        serving = serving.exclude(stage=Stage.PRODUCTION)
    for instance in serving:
        if _is_busy(instance):
            continue
        if locks.lock(instance):
            _record(project, instance, "lock database")
        if instance.door == Instance.Door.OPEN and resting.has_room():
            sleep.fall_asleep(instance)


def _open(project: Project) -> None:
    for instance in _of(project).filter(locked=True):
        if instance.is_production:
            sleep.wake(instance, even_locked=True)  # its scheduled actions wait for nobody's request
        if locks.unlock(instance):
            _record(project, instance, "open database")
    kept = Retired.objects.there().filter(project=project, asked_by=None).values("instance")
    if project.trial_hours is None:  # until somebody attaches it
        ready = Instance.objects.filter(state=Instance.State.READY)  # the clean-up may be removing one at this moment
        ready.filter(pk__in=kept).update(hours_left=None)


def _record(project: Project, instance: Instance, verb: str) -> None:
    audit.record(by=None, verb=verb, object=instance.name, project_id=project.pk, after=plans.plan(project).standing)


def _is_busy(instance: Instance) -> bool:
    """Whether something is told of its branch, which comes to its end: a build, a restore."""
    made = Build.objects.filter(instance=instance).values("branch")
    branches = Branch.objects.filter(Q(pk__in=made) | Q(instance=instance))
    return Story.objects.open().filter(subject__in=[branch.subject for branch in branches]).exists()


def _of(project: Project) -> QuerySet[Instance]:
    return instances_of(project).filter(state=Instance.State.READY)


# --- deleted ----------------------------------------------------------------------------------------------------------
def _delete(project: Project) -> None:
    """Its databases are nobody's any more: the hourly clean-up removes them. Its backups go with them. The project, its
    branches and its repository stay, so that a code lets it begin anew.
    """
    serving = Branch.objects.filter(project=project).exclude(instance=None)
    there = _of(project).filter(Q(pk__in=serving.values("instance")) | ~Q(hours_left=0) | Q(hours_left=None))
    names = sorted(instance.name for instance in there)
    with transaction.atomic():
        if not _is_over(project):
            return
        if names:
            there.update(hours_left=0)
            serving.update(instance=None)
            audit.record(by=None, verb="delete data of trial", object=project.slug, project_id=project.pk, before=names)
    if project.vault is not None and backups.kept(project.vault).exists():
        backups.forget(project.vault, set(), keep_going=lambda: None)
