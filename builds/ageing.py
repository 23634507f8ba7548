"""How long databases stay that nothing serves by, counted in hours that Berth lived through (portal/hours.py).

Development builds stay three days from when they were made, and of every branch the newest; of staging the newest, and
what it took the place of another hour. Production stays, unless it was retired (builds/retire.py). Who wants one longer
pins its build, for three months.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from builds.models import Build, Retired
from hosting.models import Backup, Instance
from portal import audit, clock
from portal.models import State, User
from portal.stories import ProjectError
from projects.models import Branch, Project, Stage

KEPT = {Stage.DEVELOPMENT: timedelta(days=3), Stage.STAGING: timedelta(hours=1)}
PINNED = timedelta(days=90)
ENDS_SOON = timedelta(days=7)  # of a pin: said on the pages
STALE = timedelta(days=90)  # of a copy of production
HOUR = timedelta(hours=1)


def age() -> None:
    """An hour has passed, for all that counts down. What doesn't yet begins to."""
    Instance.objects.filter(hours_left__gt=0).update(hours_left=F("hours_left") - 1)
    Backup.objects.filter(hours_left__gt=0).update(hours_left=F("hours_left") - 1)
    Project.objects.deleted().filter(hours_left__gt=0).update(hours_left=F("hours_left") - 1)
    for stage, kept in KEPT.items():
        new = Instance.objects.filter(stage=stage, hours_left=None).exclude(state=Instance.State.REMOVED)
        new.update(hours_left=kept // HOUR)


def disposable(idle: QuerySet[Instance]) -> list[Instance]:
    """Those of `idle` that nobody needs any more. Of deleted branches all, but what somebody pinned."""
    serving = Branch.objects.alive().exclude(instance=None).values("instance")
    ready = idle.filter(state=Instance.State.READY).exclude(pk__in=serving)
    builds = Build.objects.exclude(instance=None)
    of_deleted = builds.exclude(branch__deleted_at=None).values("instance")
    pinned = builds.exclude(pinned_at=None).values("instance")
    retired = ready.filter(stage=Stage.PRODUCTION, hours_left=0, pk__in=Retired.objects.there().values("instance"))
    others = ready.exclude(stage=Stage.PRODUCTION).filter(Q(hours_left=0) | (Q(pk__in=of_deleted) & ~Q(pk__in=pinned)))
    return [*others.order_by("pk"), *retired.order_by("pk")]


# --- pins -------------------------------------------------------------------------------------------------------------
@transaction.atomic
def pin(*, build: Build, by: User) -> None:
    """Keep a build's database, and let it serve on when a newer build takes its place. Raises ProjectError."""
    instance = _pinnable(build)
    Build.objects.filter(pk=build.pk).update(pinned_at=clock.now(), pinned_by=by)
    Instance.objects.filter(pk=instance.pk).update(hours_left=PINNED // HOUR)
    audit.record(by=by, verb="pin build", object=str(build), project_id=build.project_id, after={"days": PINNED.days})


@transaction.atomic
def unpin(*, build: Build, by: User) -> None:
    """From now on it has the time of a new one. Raises ProjectError."""
    instance = _pinnable(build)
    Build.objects.filter(pk=build.pk).update(pinned_at=None, pinned_by=None)
    Instance.objects.filter(pk=instance.pk).update(hours_left=KEPT[Stage(instance.stage)] // HOUR)
    audit.record(by=by, verb="unpin build", object=str(build), project_id=build.project_id)


def _pinnable(build: Build) -> Instance:
    ready = Instance.objects.select_for_update().filter(state=Instance.State.READY)
    instance = ready.filter(pk=build.instance_id or 0).first()
    if instance is None or instance.stage == Stage.PRODUCTION:
        raise ProjectError(
            "Nothing was pinned",
            "Production is never cleaned up." if instance else "The build's database is gone, or being removed.",
            "" if instance else "Rebuild it, then pin the new build.",
        )
    return instance


def left(instance: Instance) -> timedelta:
    """How long it stays at least, if nothing serves by it."""
    if instance.hours_left is None:
        return KEPT.get(Stage(instance.stage), timedelta())
    return instance.hours_left * HOUR


def notice(build: Build) -> dict[str, object] | None:
    """What the build's page says of the time its database has, None where nothing is to be said."""
    instance = build.instance
    if instance is None or instance.state != Instance.State.READY or instance.stage == Stage.PRODUCTION:
        return None
    if build.state != State.DONE:
        return None
    rest = left(instance)
    return {
        "serves": Branch.objects.alive().filter(instance=instance).exists(),
        "pinned": build.pinned_at is not None,
        "until": clock.now() + rest,
        "soon": rest <= (ENDS_SOON if build.pinned_at is not None else HOUR * 24),
    }


def is_stale(copy: Instance | None) -> bool:
    """Whether a copy of production is from so long ago that it should be made anew."""
    old = clock.now() - STALE
    return copy is not None and copy.stage == Stage.STAGING and copy.created_at < old
