"""What is done again and again: mending, polling, cleaning up. The agent rings for each round, on the queue
`rounds`, where no two go on at once (portal/rounds.py); but what visitors wait for is `urgent`."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.core.management import call_command
from django.db.models import F, QuerySet

from builds import caches, deletion, deliveries, download, plans, removal, restore, statuses, steplog, upload
from builds import traffic as users
from builds.ageing import age, disposable
from builds.image import clear_builders
from builds.models import Build, Download, Restore, Retired, Rollback
from hosting import hold, instances, keep, logrotation, restored, routing, sleep, templates, traffic
from hosting.models import Backup, Host, Instance, Pool
from hosting.reconcile import FAULTS, reconcile
from portal import alarms, clock, hours
from portal.models import Answered, LogChunk, State
from portal.rounds import alone
from projects import notices, outgoing, providers
from projects.connect import github
from projects.following import follow
from projects.git import GitError, validate_branch
from projects.models import Project

log = logging.getLogger(__name__)

STORIES_KEPT = timedelta(days=30)  # of falling asleep and waking up


@alone
def mend() -> None:
    """Every half minute: rows and reality agree, and nothing that was stored is forgotten."""
    let_go()
    clear_away()
    close_deleted()
    for line in reconcile():
        log.warning("reconciler: %s", line)
    logrotation.tidy_all()
    deliveries.look_into_forgotten()
    statuses.send_missing()
    users.note_due()


@alone
def poll() -> None:
    """Every two minutes: pushes whose delivery never came are found by asking."""
    for project in Project.objects.alive().exclude(token="").order_by("pk"):
        try:
            poll_project(project)
        except providers.Unreachable as error:
            log.warning("polling ends at %s: %s", project.slug, error)
            return  # what waits behind these calls is the mending of everything
        except providers.ProviderError as error:
            log.warning("polling %s: %s", project.slug, error)


@alone
def ask(project_id: int) -> None:
    """Poll one project now: a delivery came that doesn't follow what we know."""
    for project in Project.objects.alive().exclude(token="").filter(pk=project_id):
        try:
            poll_project(project)
        except providers.ProviderError as error:
            log.warning("polling %s: %s", project.slug, error)


def poll_project(project: Project) -> None:
    """Compare the provider's branches with ours. What differs is a push that we missed.

    Ours are read first: where a delivery moves one from here on, it is news, and the provider's answer is not.
    """
    ours = {branch.name: branch.head for branch in project.branches.alive()}
    follow(project)
    heads = {head.name: head.sha for head in github(project.token).branches(project.repository)}
    for name in sorted(ours.keys() | heads.keys()):
        before, sha = ours.get(name, ""), heads.get(name, "")
        try:
            validate_branch(name)
            if before != sha:
                log.info("polling %s: %s", project.slug, _catch_up(project, name, sha, before=before))
        except (GitError, deliveries.OutOfOrder) as error:
            log.info("polling %s, %s: %s", project.slug, name, error)


def _catch_up(project: Project, name: str, sha: str, *, before: str) -> str:
    if sha:
        return deliveries.move_branch(project, name, sha, before=before)
    return deliveries.delete_branch(project, name, before=before)


@alone
def clean_up() -> None:
    """Every hour: databases that nobody needs any more go (builds/ageing.py), with the images of their builds. What
    builds printed, and what is read off logs, goes by its date, while the clock is steady.
    """
    if hours.another():
        age()
        plans.count_hour()
    for instance in disposable(_idle()):
        log.info("clean-up: removing %s (%s)", instance.name, instance.hostname)
        _remove(instance, lambda idle: bool(disposable(idle)))
    remove_deleted()
    for told in caches.let_copies_go():
        log.info("clean-up: %s", told)
    for host in Host.objects.all():
        try:
            caches.tidy(host)
        except FAULTS as error:
            log.warning("clean-up of images and caches: %s", error)
    title, detail = (
        "The clock of this machine jumped",
        "Nothing is cleaned up by its date until it was right for a day.",
    )
    alarms.keep("clock", title, detail, wrong=bool(hours.to_steady()))
    if not hours.to_steady():
        call_command("clearsessions")
        Answered.objects.outdated().delete()
        deliveries.forget()
        traffic.forget()
        sleep.forget(STORIES_KEPT)
        download.forget()
        upload.forget()
        outgoing.forget()
        notices.forget()
        for told in caches.let_runtimes_go():
            log.info("clean-up: %s", told)
        _forget_asides()
        _forget_output()


def _forget_asides() -> None:
    try:
        restore.forget()
    except FAULTS as error:
        log.warning("what was there before a restore is tried to be removed again: %s", error)


def _forget_output() -> None:
    """What the steps of old builds printed goes; that of each branch's newest build stays, however old."""
    newest = Build.objects.exclude(story=None).order_by("branch", "-pk").distinct("branch").values("story")
    old = LogChunk.objects.filter(step__story__finished_at__lt=clock.now() - steplog.KEPT)
    count, _by_model = old.exclude(step__story__in=newest).delete()
    if count:
        log.info("clean-up: %s pieces of output that are older than %s days", count, steplog.KEPT.days)


def clear_away() -> None:
    """What stories left that could not clear it away at their end, mostly because an engine was away; and what a
    clean-up began to remove.
    """
    idle = _idle().exclude(state=Instance.State.REMOVED)
    for instance in idle.filter(state=Instance.State.NEW):
        log.warning("clearing away %s, which nobody makes any more", instance.name)
        _remove(instance, lambda idle: idle.filter(state=Instance.State.NEW).exists())
    known = (Pool.State.LIVE, Pool.State.KEPT, Pool.State.RETIRING, Pool.State.GONE)
    left = Pool.objects.filter(instance__in=idle).exclude(state__in=known)
    for pool in left.exclude(pk=F("instance__live_pool")).select_related("instance__host"):
        log.warning("clearing away %s, whose build has ended", pool.name)
        _let_go(pool)
    for host in Host.objects.all():
        try:
            clear_builders(host)
        except FAULTS as error:
            log.warning("clearing away what builds left: %s", error)


def let_go() -> None:
    """Pools that were kept to roll back to, when their time is up."""
    for pool in keep.due():
        _let_go(pool)


def _let_go(pool: Pool) -> None:
    try:
        routing.apply(pool.instance)  # whoever died may not have told the router where requests go now
        keep.let_go(pool, say=log.info, keep_going=lambda: None)
    except FAULTS as error:
        log.warning("retiring %s, which is tried again: %s", pool.name, error)


def release_forgotten() -> None:
    """Every half minute, behind nothing that takes long: requests that a program held that died go on. A story's hold
    ends with the story, which is always told to its end.
    """
    try:
        for line in hold.release_forgotten(_idle()):
            log.warning("rounds: %s", line)
    except FAULTS as error:
        log.warning("releasing what is held: %s", error)


def close_deleted() -> None:
    """Deleted projects: what serves stops, once nothing goes on with it."""
    for project in Project.objects.deleted():
        for instance in deletion.to_close(project, _idle()):
            try:
                deletion.close(project, instance)
            except FAULTS as error:
                log.warning("closing %s of %s, which is tried again: %s", instance.name, project.slug, error)


def remove_deleted() -> None:
    """And what they have goes when their time is up (builds/removal.py)."""
    for project in removal.due():
        for instance in removal.instances_of(project).filter(pk__in=_idle()):
            log.info("clean-up: removing %s of %s, which was deleted", instance.name, project.slug)
            _remove(instance, lambda idle: idle.exists())
        removal.finish(project)


def _idle() -> QuerySet[Instance]:
    """Instances that no build, rollback, retirement, backup, restore or download works on, or is going to; and nothing
    that is only there to be copied.
    """
    building = Build.objects.exclude(state=State.DONE)
    idle = Instance.objects.all()
    for name in ("instance", "branch__instance", "rehearsed_on"):
        idle = idle.exclude(pk__in=building.exclude(**{name: None}).values(name))
    back = Rollback.objects.exclude(state=State.DONE).exclude(pool=None).values("pool__instance")
    drills = Backup.objects.exclude(state=State.DONE).exclude(drill=None).values("drill")
    for name in ("beside", "branch__instance"):
        idle = idle.exclude(pk__in=Restore.objects.exclude(state=State.DONE).exclude(**{name: None}).values(name))
    downloads = Download.objects.exclude(state=State.DONE).exclude(drill=None).values("drill")
    made = templates.alive().exclude(instance=None).values("instance")
    idle = idle.exclude(pk__in=made).exclude(pk__in=restored.kept().values("drill"))
    retiring = Retired.objects.going_on().values("instance")
    return idle.exclude(pk__in=back).exclude(pk__in=drills).exclude(pk__in=downloads).exclude(pk__in=retiring)


def _remove(instance: Instance, may_go: Callable[[QuerySet[Instance]], bool]) -> None:
    """`may_go` is asked again at the last moment, with the instance where it is still idle: others may have taken long
    to remove, and somebody pinned or attached this one meanwhile.
    """
    try:
        if instances.give_up(instance, may_go=lambda: may_go(_idle().filter(pk=instance.pk))):
            instances.remove(instance)
        else:
            log.info("%s stays: somebody needs it by now", instance.name)
    except FAULTS as error:
        log.warning("removing %s, which is tried again: %s", instance.name, error)
