"""What a project may use, and until when: its subscription or trial, as one answer for pages, deploys and rounds.

Trials, and what follows the end of a subscription, are counted in hours that Berth lived through (portal/hours.py):
a clock that is set ahead ends nothing and deletes nothing. A project with neither has no limits: see docs/operate.md.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from portal import clock
from portal.stories import ProjectError
from projects.models import Branch, Project, Stage

DAY_H = 24
TRIAL_H = 30 * DAY_H
GRACE_H = 30 * DAY_H  # after a trial, before its data is deleted
LOCKED_AFTER_H = 90 * DAY_H  # after the end of a subscription
TOLD_AT = (7, 3, 1, 0)  # days before each of these, when mails go out; SPEC 2


class Standing(StrEnum):
    UNLIMITED = "no subscription"
    TRIAL = "trial"
    TRIAL_OVER = "trial over"  # databases are stopped
    TRIAL_GONE = "trial over, data deleted"
    FULL = "subscription"
    ENDED = "subscription ended"
    LOCKED = "subscription ended, databases locked"


CLOSED = {Standing.TRIAL_OVER, Standing.TRIAL_GONE, Standing.LOCKED}


@dataclass(frozen=True)
class Limits:
    """None where there is none."""

    workers: int | None = None  # of production, in all its containers
    staging: int | None = None  # branches
    storage_gb: int | None = None  # of all databases, filestores and logs
    database_gb: int | None = None  # of each database with its filestore


TRIAL = Limits(workers=1, staging=2, database_gb=1)


@dataclass(frozen=True)
class Plan:
    standing: Standing
    limits: Limits
    hours_left: float | None = None  # until the next thing happens; None: nothing will

    @property
    def is_closed(self) -> bool:
        """Whether its databases are stopped, and nothing is built."""
        return self.standing in CLOSED

    @property
    def is_trial(self) -> bool:
        return self.standing in {Standing.TRIAL, Standing.TRIAL_OVER, Standing.TRIAL_GONE}

    @property
    def days_left(self) -> int | None:
        """Begun days, 0 at the very end."""
        return None if self.hours_left is None else max(0, math.ceil(self.hours_left / DAY_H))

    @property
    def is_urgent(self) -> bool:
        soon = self.days_left is not None and self.days_left <= TOLD_AT[0]
        return soon or self.standing not in {Standing.TRIAL, Standing.FULL, Standing.UNLIMITED}

    @property
    def notice(self) -> str:
        """What the project's pages say, "" for nothing."""
        if self.standing == Standing.FULL and not self.is_urgent:
            return ""
        return self.says

    @property
    def says(self) -> str:
        days = f"{self.days_left} day{'' if self.days_left == 1 else 's'}"
        return {
            Standing.UNLIMITED: "",
            Standing.TRIAL: f"Trial: {days} left.",
            Standing.TRIAL_OVER: f"The trial is over and the databases are stopped. They are deleted in {days}.",
            Standing.TRIAL_GONE: "The trial is over, and its databases are deleted.",
            Standing.FULL: f"The subscription ends in {days}." if self.hours_left is not None else "",
            Standing.ENDED: f"The subscription has ended. The databases are locked in {days}.",
            Standing.LOCKED: "The subscription has ended and the databases are locked. Backups can be downloaded.",
        }[self.standing]


def plan(project: Project) -> Plan:
    subscription, hours = project.subscription, project.trial_hours
    if subscription is not None:
        limits = Limits(subscription.workers, subscription.staging_branches, subscription.storage_gb)
        if not subscription.has_ended:
            ends = subscription.ends_at
            left = None if ends is None else (ends - clock.now()).total_seconds() / 3600
            return Plan(Standing.FULL, limits, left)
        left = LOCKED_AFTER_H - project.ended_hours
        return Plan(Standing.ENDED, limits, left) if left > 0 else Plan(Standing.LOCKED, limits)
    if hours is None:
        return Plan(Standing.UNLIMITED, Limits())
    if hours < TRIAL_H:
        return Plan(Standing.TRIAL, TRIAL, TRIAL_H - hours)
    left = TRIAL_H + GRACE_H - hours
    return Plan(Standing.TRIAL_OVER, TRIAL, left) if left > 0 else Plan(Standing.TRIAL_GONE, TRIAL)


# --- where limits bite ------------------------------------------------------------------------------------------------
def check_open(project: Project) -> None:
    """Raises ProjectError where nothing may be built."""
    found = plan(project)
    if found.is_closed:
        raise ProjectError(
            f"Nothing is built for {project}",
            f"{found.says} Nothing was changed.",
            "Enter a subscription code in the project's settings, or ask the operator.",
        )


def granted_workers(branch: Branch) -> tuple[int, int]:
    """Workers of each web container of production, and how many of these there are: at most what the plan has."""
    most = plan(branch.project).limits.workers
    if most is None or branch.workers * branch.replicas <= most:
        return branch.workers, branch.replicas
    replicas = min(branch.replicas, most)
    return max(1, min(branch.workers, most // replicas)), replicas


def too_many_workers(project: Project, wanted: int) -> str:
    """Why so many can't be had, "" where they can."""
    most = plan(project).limits.workers
    if most is None or wanted <= most:
        return ""
    return f"The project's {_of(project)} has {most} worker{'' if most == 1 else 's'} in all; this makes {wanted}."


def no_more_staging(project: Project, *, but: Branch | None = None) -> str:
    """Why no further branch can be on staging, "" where one can."""
    most = plan(project).limits.staging
    others = project.branches.alive().filter(stage=Stage.STAGING).exclude(pk=but.pk if but else 0)
    if most is None or others.count() < most:
        return ""
    return f"The project's {_of(project)} has {most} staging branch{'' if most == 1 else 'es'}, and all are in use."


def _of(project: Project) -> str:
    return "trial" if plan(project).is_trial else "subscription"
