"""The story of retiring production: its branch is moved to development, its database stops and is kept for a while.

Until the rows are changed, in one transaction, it can be taken back: then what served is started again. A branch that
is moved to production may go on with a retired database (builds/stages.py).
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from builds import backup as stories_of_backups
from builds.begin import begin as begin_build
from builds.begin import refusal, skip_waiting
from builds.models import Retired
from hosting import instances, keep, routing, switch
from hosting.models import Instance, Pool
from hosting.reconcile import FAULTS
from portal import audit, clock, stories
from portal.models import User
from portal.stories import Kind, PlatformError, StepSpec, reason, register, step
from portal.telling import Telling
from projects import domains
from projects.models import Branch, Project, Stage

KEPT = timedelta(days=30)
SKIPPED = "Skipped: the branch was moved to development before this one began"


def begin(*, branch: Branch, by: User | None) -> Retired:
    """Within the caller's transaction. It waits for what is told of the branch already."""
    assert branch.instance is not None
    retired = Retired.objects.create(
        project=branch.project, branch=branch, instance=branch.instance, hostname=branch.instance.hostname, asked_by=by
    )
    retired.story = stories.begin("retire", object_id=retired.pk, subject=branch.subject)
    retired.save(update_fields=["story"])
    audit.record(
        by=by,
        verb="move branch",
        object=branch.name,
        project_id=branch.project_id,
        before=Stage.PRODUCTION,
        after=f"{Stage.DEVELOPMENT}; {branch.instance.name} is retired",
    )
    return retired


def undo_back_up(retired: Retired, _telling: Telling) -> None:
    """Half a one goes, a whole one stays."""
    retired.backup = stories_of_backups.give_up(retired.backup)


@step("Back up what is there", undo=undo_back_up)
def back_up_last(retired: Retired, telling: Telling) -> None:
    """So that its dump can be downloaded. Without one the database is kept all the same."""
    if retired.instance.live_pool is None:
        return telling.say("Nothing serves by it, so nothing was written since its last backup.")
    if retired.backup is None:
        with transaction.atomic():
            hours = KEPT // timedelta(hours=1)
            retired.backup = stories_of_backups.write_down(
                retired.instance, retired.project_id, by=retired.asked_by, hours_left=hours
            )
            retired.save(update_fields=["backup"])
    try:
        stories_of_backups.take(retired.backup, telling)
    except (PlatformError, *FAULTS) as error:
        telling.warn(f"No last backup could be taken: {reason(error)}")
        return undo_back_up(retired, telling)
    return telling.say("It is stored and proven beside what follows.")


def serve_again(retired: Retired, telling: Telling) -> None:
    """What was stopped serves as before. Nothing to do where the rows were changed: that is the end of it."""
    instance = retired.instance
    former = instance.live_pool
    if former is not None and instance.door == Instance.Door.UPDATING:
        telling.say(f"Starting {former.name} again.")
        switch.bring_back(former, keep_going=telling.keep_going)
    routing.apply(instance)


@step("Stop serving", undo=serve_again)
def stop_serving(retired: Retired, telling: Telling) -> None:
    """Requests in flight come to their end, with a page for those who come later."""
    instance = retired.instance
    keep.let_all_go(instance, say=telling.say, keep_going=telling.keep_going)
    switch.pause(instance, seconds=retired.branch.drain_seconds, keep_going=telling.keep_going)
    telling.say(f"{instance.hostname} serves nobody any more.")


@step("Retire the database", final=True)
def put_aside(retired: Retired, telling: Telling) -> None:
    """From here on the branch is on development, and production's address is free."""
    instance, branch = retired.instance, retired.branch
    project = Project.objects.select_for_update().get(pk=retired.project_id)
    Branch.objects.filter(pk=branch.pk).update(stage=Stage.DEVELOPMENT, instance=None)
    domains.park(branch)
    instance.pools.filter(state__in=(Pool.State.LIVE, Pool.State.STANDING_BY)).update(state=Pool.State.DRAINING)
    Instance.objects.filter(pk=instance.pk).update(
        door=Instance.Door.STOPPED,
        live_pool=None,
        hostname=f"{retired.project.slug}-retired-{instance.name}.{settings.BERTH_DOMAIN}",
        hours_left=KEPT // timedelta(hours=1),
    )
    Retired.objects.filter(pk=retired.pk).update(at=clock.now())
    branch.refresh_from_db()
    skip_waiting(branch, SKIPPED)  # they would make a production of their own
    if branch.head and not refusal(project, is_asked=retired.asked_by is not None):
        begin_build(branch=branch, commit=branch.head, by=retired.asked_by)
    telling.say(f"{instance.name} is kept for {KEPT.days} days. {branch} is on development now.")


@step("Clear away")
def clear_away(retired: Retired, telling: Telling) -> None:
    """Its containers go, and the address that it had leads nowhere, unless somebody has it by now."""
    instances.stop(retired.instance)
    routing.free(retired.hostname)
    telling.say(f"{retired.hostname} is free.")


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(_retired: Retired) -> tuple[StepSpec, ...]:
    return (back_up_last, stop_serving, put_aside, clear_away)


def load(pk: int) -> Retired:
    related = ("project", "branch__project", "instance__host", "instance__live_pool__instance__host")
    more = ("instance__database_server", "asked_by", "backup__vault", "backup__drill", "backup__instance__host")
    return Retired.objects.select_related(*related, *more).get(pk=pk)


def register_stories() -> None:
    register(Kind(name="retire", queue="background", load=load, steps=steps))
