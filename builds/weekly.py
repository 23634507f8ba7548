"""Odoo's weekly update of production: an ordinary deploy of the commit that serves, made of the newest revision.

It begins in the hour in which the project's backups do; that of an urgent revision at once. It is tried once for each
revision: what fails, or is rolled back, stays so until the next revision or a person's click.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from builds.begin import SKIPPED, begin
from builds.models import Build
from builds.nights import last_hour
from hosting import runtimes
from hosting.models import Host, Instance, Runtime
from portal import audit, clock
from portal.models import State, Story
from portal.rounds import alone
from portal.stories import ProjectError
from projects import plans
from projects.models import Branch, Project, Stage

log = logging.getLogger(__name__)

LASTS = timedelta(hours=4)  # from the project's hour: there is one at a time on a host, so that pushes find a worker


@alone
def begin_due() -> None:
    """Every minute."""
    for host in Host.objects.order_by("pk"):
        updates = Build.objects.filter(project__host=host).exclude(trigger=Build.Trigger.NONE)
        if not updates.exclude(state=State.DONE).exists():
            _begin_next(host)


def _begin_next(host: Host) -> None:
    for branch in concerned(host):
        if wanted(branch) is None:
            continue
        try:
            build = _begin(branch)
        except ProjectError as refusal:
            log.info("Odoo's update of %s: %s %s", branch.project.slug, refusal, refusal.detail)
            continue
        if build is not None:
            return


def concerned(host: Host) -> QuerySet[Branch]:
    """Production branches that serve and aren't pinned."""
    projects = Project.objects.alive().filter(host=host, gone_at=None)
    serving = {"instance__door": Instance.Door.OPEN, "instance__locked": False, "instance__live_pool__isnull": False}
    found = Branch.objects.alive().filter(project__in=projects, stage=Stage.PRODUCTION, runtime=None, **serving)
    return found.select_related("project__host", "project__subscription", "instance").order_by("pk")


def wanted(branch: Branch) -> Runtime | None:
    """The revision that production is to be updated to now, None where there is none to be."""
    project = branch.project
    newest = runtimes.newest(project.host, project.series)
    if newest is None or not _is_time(project, newest):
        return None
    served = serving(branch)
    if served is None or _image_of(served) == newest.image_id or plans.plan(project).is_closed:
        return None
    busy = Story.objects.open().filter(subject=branch.subject).exists()
    return None if busy or _was_tried(branch, newest) else newest


def _was_tried(branch: Branch, newest: Runtime) -> bool:
    """By an update that was not skipped, or by a push that got as far as to serve. One that failed says nothing."""
    builds = Build.objects.filter(branch=branch, runtime=newest)
    updates = ~Q(trigger=Build.Trigger.NONE) & ~Q(verdict=SKIPPED)
    return builds.filter(updates | Q(switched_at__isnull=False)).exists()


def serving(branch: Branch) -> Build | None:
    return Build.objects.select_related("runtime").serving(branch.instance) if branch.instance else None


def _image_of(build: Build) -> str:
    """Of Odoo: that of builds from before images were frozen is known too."""
    return build.runtime.image_id if build.runtime else build.base_image_id


def _is_time(project: Project, newest: Runtime) -> bool:
    """A revision that was frozen in the project's hour waits for the next one."""
    hour = last_hour(project, clock.now())
    assert newest.frozen_at is not None
    return newest.urgent or (newest.frozen_at <= hour and clock.now() < hour + LASTS)


@transaction.atomic
def _begin(branch: Branch) -> Build | None:
    """None where somebody was quicker. A push that comes from here on takes the place of one that waits."""
    Project.objects.select_for_update().get(pk=branch.project_id)
    fresh = concerned(branch.project.host).filter(pk=branch.pk).first()
    runtime, served = (wanted(fresh), serving(fresh)) if fresh else (None, None)
    if fresh is None or runtime is None or served is None:
        return None
    trigger = Build.Trigger.URGENT if runtime.urgent else Build.Trigger.WEEKLY
    build = begin(
        branch=fresh,
        commit=served.commit,
        by=None,
        message=served.message,
        author=served.author,
        runtime=runtime,
        trigger=trigger,
    )
    after = {"build": build.number, "runtime": str(runtime), "urgent": runtime.urgent}
    audit.record(by=None, verb="update Odoo", object=fresh.name, project_id=fresh.project_id, after=after)
    return build
