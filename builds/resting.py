"""Which databases nobody uses: those of staging and development without a request for as long as their branch says."""

from datetime import timedelta

from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, Subquery, Value
from django.db.models.functions import Greatest

from builds.models import Build
from hosting import sleep
from hosting.models import Instance, Pool
from portal import clock
from portal.models import State, Story
from portal.rounds import alone
from projects.models import Branch, Stage

AT_ONCE = 2  # that fall asleep: the workers of their queue have wake-ups and rollbacks to tell, too


@alone
def rest() -> None:
    """A round: what is idle falls asleep; what is too much at once, in a later round."""
    room = AT_ONCE - Story.objects.open().filter(kind=sleep.SLEEP).count()
    for instance in idle():
        if room > 0 and sleep.fall_asleep(instance) is not None:
            room -= 1


def idle() -> list[Instance]:
    """Awake instances whose last request, and last build, is long ago; none that a build is going to replace."""
    finished = Build.objects.filter(instance=OuterRef("instance")).order_by("-pk").values("finished_at")[:1]
    awake = (
        Branch.objects.alive()
        .exclude(stage=Stage.PRODUCTION)
        .exclude(instance__stage=Stage.PRODUCTION)
        .filter(idle_minutes__gt=0, instance__door=Instance.Door.OPEN, instance__live_pool__state=Pool.State.LIVE)
        .exclude(pk__in=Build.objects.exclude(state=State.DONE).values("branch"))
        .annotate(used=Greatest(F("instance__last_request_at"), F("instance__created_at"), Subquery(finished)))
        .select_related("instance")
    )
    patience = ExpressionWrapper(F("idle_minutes") * Value(timedelta(minutes=1)), DurationField())
    tired = awake.annotate(patience=patience).filter(used__lt=clock.now() - F("patience"))
    return [branch.instance for branch in tired if branch.instance is not None]
