"""A project is deleted: its addresses close; what it has is kept for a while, and that can be undone; then it goes.

Rounds do it (builds/rounds.py), by what they find: the project's row says what is wanted, so whoever dies on the way
leaves no more than something for the next round. How it goes at last: builds/removal.py.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from builds import backup
from builds.begin import begin as begin_build
from builds.begin import refusal, skip_waiting
from builds.models import Build, Retired
from builds.removal import instances_of, unproven_of
from hosting import instances
from hosting.models import Backup, Instance, Pool
from portal import audit, clock, stories
from portal.models import State, Story, User
from portal.stories import ProjectError
from projects.models import Branch, Invitation, Project, Stage

GRACE = timedelta(days=30)
SKIPPED = "Skipped: the project was deleted before this one began"


# --- asked for --------------------------------------------------------------------------------------------------------
@transaction.atomic
def delete(*, project: Project, typed: str, by: User) -> None:
    """Raises ProjectError where it wasn't the project's address that was typed."""
    row = Project.objects.select_for_update().get(pk=project.pk)
    if typed != row.slug:
        raise ProjectError("That is not the project's address.", "Nothing was changed.", f"Type {row.slug}.")
    if row.deleted_at is not None:
        return
    for branch in row.branches.alive():
        skip_waiting(branch, SKIPPED)
    for story in Story.objects.open().filter(pk__in=row.builds.exclude(state=State.DONE).values("story")):
        stories.cancel(story)
    Invitation.objects.open().filter(project=row).update(withdrawn_at=clock.now())
    row.deleted_at, row.deleted_by, row.hours_left = clock.now(), by, GRACE // timedelta(hours=1)
    row.save(update_fields=["deleted_at", "deleted_by", "hours_left"])
    for production in row.branches.alive().filter(stage=Stage.PRODUCTION):
        _back_up(production, by)
    audit.record(by=by, verb="delete project", object=row.slug, project_id=row.pk, after={"days": GRACE.days})


def _back_up(production: Branch, by: User) -> None:
    """A last time, where anything was written since the one before. It stays when all else is gone."""
    try:
        backup.begin(branch=production, kind=Backup.Kind.NIGHTLY, by=by)  # those by hand are counted
    except ProjectError:
        return  # nothing serves by it, or one is going on


@transaction.atomic
def undo(*, project: Project, by: User) -> Build | None:
    """Everything is there again; production is deployed anew, by the build that is returned, other databases when
    somebody asks for it. Where no build can begin, as the repository is gone, it is all there too.

    Raises ProjectError while something is being closed, and when its time is over.
    """
    row = Project.objects.select_for_update().get(pk=project.pk)
    over = row.removed_at is not None or row.condemned_at is not None or (row.hours_left == 0 and not unproven_of(row))
    if row.deleted_at is None or over:
        raise ProjectError(f"The deletion of {row} can't be undone", "It isn't deleted, or its time is over.", "")
    if _being_closed(row):
        raise ProjectError(
            f"{row} is being closed at this moment", "Nothing was changed.", "Try again in a minute: it is kept."
        )
    row.deleted_at, row.deleted_by, row.hours_left = None, None, None
    row.save(update_fields=["deleted_at", "deleted_by", "hours_left"])
    audit.record(by=by, verb="undo deletion of project", object=row.slug, project_id=row.pk)
    closed = row.branches.alive().filter(stage=Stage.PRODUCTION, instance__live_pool=None).exclude(instance=None)
    production = closed.first()
    if production is None or refusal(row):
        return None
    served = Build.objects.filter(instance=production.instance).exclude(pool=None).order_by("-pk").first()
    return begin_build(branch=production, commit=served.commit if served else production.head, by=by)


def is_closing(project: Project) -> bool:
    """Whether something of it still serves."""
    return instances_of(project).filter(live_pool__isnull=False).exists()


def with_closing(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Each with `closes`: the same, in one query for all of them."""
    serving = Instance.objects.filter(live_pool__isnull=False).exclude(state=Instance.State.REMOVED)
    of_branches, of_builds, of_retired = (
        Exists(model._default_manager.filter(project=OuterRef("pk"), instance__in=serving))
        for model in (Branch, Build, Retired)
    )
    return projects.annotate(closes=of_branches | of_builds | of_retired)


def _being_closed(project: Project) -> bool:
    """Whether containers of a database that is closed are still being removed: a build's would be taken for them."""
    closed = instances_of(project).filter(door=Instance.Door.STOPPED, live_pool=None)
    return Pool.objects.filter(instance__in=closed).exclude(state=Pool.State.GONE).exists()


# --- done by rounds ---------------------------------------------------------------------------------------------------
def to_close(project: Project, idle: QuerySet[Instance]) -> list[Instance]:
    """Those of `idle` that are not closed yet, and of which no moment is to be backed up any more: what is written
    after that moment is lost in the end, so it does not wait until the backup is proven.
    """
    subjects = [branch.subject for branch in project.branches.all()]
    if Story.objects.open().filter(subject__in=subjects).exists():
        return []
    wanted = Backup.objects.filter(taken_at=None).exclude(state=State.DONE).values("instance")
    found = instances_of(project).filter(pk__in=idle).exclude(pk__in=wanted)
    there = Pool.objects.exclude(state=Pool.State.GONE).values("instance")
    return list(found.filter(Q(pk__in=there) | ~Q(door=Instance.Door.STOPPED)).select_related("host"))


def close(project: Project, instance: Instance) -> None:
    """Its address and its containers go, the database stays. Safe to repeat; not where the deletion was undone."""
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if row.deleted_at is None:
            return
        Instance.objects.filter(pk=instance.pk).update(door=Instance.Door.STOPPED, live_pool=None)
        instance.pools.filter(state=Pool.State.LIVE).update(state=Pool.State.DRAINING)
    instances.stop(instance)
