"""The backups of the nights: when they are due, and an alarm where none came to its proof for long."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from builds.backup import begin
from hosting.models import Backup, Instance
from portal import alarms, clock
from portal.models import State
from portal.rounds import alone
from portal.stories import ProjectError
from projects.models import Branch, Project, Stage

OVERDUE_H = 36
LATE_H = 48  # without a backup that is proven; less than that is a night's, with its proof
LATE = "late-backup-"  # how the keys of its alarms begin
AGAIN_AFTER, TRIES = timedelta(hours=1), 3  # of a night's backup that could not be taken


@alone
def begin_due() -> None:
    """Begin the backups whose hour has come. A database that was made after that hour waits for the next night."""
    production = Branch.objects.alive().filter(stage=Stage.PRODUCTION, instance__state=Instance.State.READY)
    production = production.filter(instance__locked=False)  # nothing changes in a locked one
    for branch in production.select_related("project", "instance").order_by("pk"):
        if is_due(branch, clock.now()):
            try:
                begin(branch=branch, kind=Backup.Kind.NIGHTLY, by=None)
            except ProjectError:
                continue  # one is going on
    _say_where_late(production)


def _say_where_late(production: QuerySet[Branch]) -> None:
    """Those of a host stand in one line. Where that or anything else keeps one from its proof for long, it is said."""
    serving = production.exclude(instance__live_pool=None).select_related("project", "instance")
    late = {f"{LATE}{branch.pk}": branch for branch in serving if branch.instance and _is_late(branch.instance)}
    for key, branch in late.items():
        detail = f"For {LATE_H} hours none was. Its Backups tab says what the last one waits for, or what was wrong."
        alarms.begin(key, f"{branch.project} has no fresh backup", detail, project_id=branch.project_id)
    for alarm in alarms.going_on().filter(key__startswith=LATE).exclude(key__in=late):
        alarms.end(alarm.key)


def _is_late(instance: Instance) -> bool:
    """By hours that Berth lived through, as far as there is a backup."""
    proven = Backup.objects.filter(instance=instance, proof=Backup.Proof.PROVEN).order_by("-pk").first()
    if proven is None:
        return instance.created_at < clock.now() - timedelta(hours=LATE_H)
    return proven.hours_left <= Backup.HOURS - LATE_H


def is_due(branch: Branch, now: datetime) -> bool:
    hour = last_hour(branch.project, now)
    if branch.instance is not None and _is_overdue(branch.instance):
        return True
    if branch.instance is None or branch.instance.created_at > hour:
        return False
    nights = Backup.objects.filter(
        instance=branch.instance, kind=Backup.Kind.NIGHTLY, created_at__gte=hour, created_at__lte=now
    )
    failed = nights.filter(state=State.DONE, snapshot="")
    if nights.exclude(pk__in=failed).exists() or failed.count() >= TRIES:
        return False
    return not failed.filter(finished_at__gt=now - AGAIN_AFTER).exists()


def _is_overdue(instance: Instance) -> bool:
    """Whether Berth lived through more than a day and a half since a night's backup began, whatever the clock says: one
    that was set back would let nights pass.
    """
    last = Backup.objects.filter(instance=instance, kind=Backup.Kind.NIGHTLY).order_by("-pk").first()
    return last is not None and last.hours_left <= Backup.HOURS - OVERDUE_H


def last_hour(project: Project, now: datetime) -> datetime:
    """The newest moment, not after `now`, at which the project's backups begin."""
    local = now.astimezone(ZoneInfo(project.time_zone))
    hour = local.replace(hour=project.backup_hour, minute=0, second=0, microsecond=0)
    return hour if hour <= local else hour - timedelta(days=1)


def next_hour(project: Project, now: datetime) -> datetime:
    return last_hour(project, now) + timedelta(days=1)
