"""Which databases nobody uses: those of staging and development without a request for as long as their branch says."""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Greatest

from builds.models import Build
from hosting import sleep
from hosting.models import Instance, Pool
from portal import clock
from portal.models import State, Story
from portal.rounds import alone
from portal.stories import ProjectError
from projects import plans
from projects.models import Branch, Stage

AT_ONCE = 2  # that fall asleep: the workers of their queue have wake-ups and rollbacks to tell, too


@alone
def rest() -> None:
    """A round: what is idle falls asleep; what is too much at once, in a later round."""
    for instance in idle():
        if has_room():
            sleep.fall_asleep(instance)


def wake(branch: Branch) -> Story | None:
    """Wake its database because somebody asked for it. None where it isn't asleep. Raises ProjectError."""
    instance = branch.instance
    if instance is None:
        return None
    if instance.locked:
        says = plans.plan(branch.project).says
        raise ProjectError(f"{branch} sleeps on", says, "Enter a subscription code in the project's settings.")
    try:
        return sleep.wake(instance, by_hand=True)
    except sleep.Refused as refusal:
        raise ProjectError(f"{branch} was not woken", str(refusal)) from refusal


def has_room() -> bool:
    """Whether another one may fall asleep now."""
    return Story.objects.open().filter(kind=sleep.SLEEP).count() < AT_ONCE


def idle() -> list[Instance]:
    """Awake instances whose last request, and last build, is long ago; none that a build is going to replace."""
    building = Build.objects.exclude(state=State.DONE).exclude(branch__instance=None).values("branch__instance")
    newest = Build.objects.filter(instance=OuterRef("pk")).order_by("-pk")
    awake = (
        Instance.objects.filter(Q(pk__in=_branches()) | Q(pk__in=_pinned()))
        .filter(door=Instance.Door.OPEN, live_pool__state=Pool.State.LIVE)
        .exclude(stage=Stage.PRODUCTION)
        .exclude(pk__in=building)
        .annotate(minutes=Subquery(newest.values("branch__idle_minutes")[:1]))
        .annotate(used=Greatest(F("last_request_at"), F("created_at"), Subquery(newest.values("finished_at")[:1])))
    )
    patience = ExpressionWrapper(F("minutes") * Value(timedelta(minutes=1)), DurationField())
    tired = awake.filter(minutes__gt=0).annotate(patience=patience)
    return list(tired.filter(used__lt=clock.now() - F("patience")).order_by("pk"))


def _branches() -> QuerySet[Branch, Any]:
    return Branch.objects.alive().exclude(stage=Stage.PRODUCTION).exclude(instance=None).values("instance")


def _pinned() -> QuerySet[Build, Any]:
    """Databases that serve beside their branch's newest: see builds/ageing.py."""
    return Build.objects.exclude(pinned_at=None).exclude(instance=None).values("instance")
