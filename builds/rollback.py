"""The rollback: production's requests go back to the pool that served before, which was kept running for that.

Its subject is its own: it waits neither for a build nor for an earlier rollback whose pool still ends its requests. A
build on its way to its own switch is let be, and takes the place of what was rolled back to; while visitors are held
for an update, no rollback begins. Row locks decide between those who switch at once.
"""

from django.db import transaction

from builds.models import Build, Rollback
from hosting import keep, proof, switch
from hosting.models import Instance, Pool
from portal import audit, stories
from portal.models import Result, State, Story, User
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects.models import Stage

NOTHING_CHANGED = "Nothing was changed; what served goes on serving."


def target(instance: Instance | None) -> Build | None:
    """The build that a rollback goes to: its pool served before, and still runs."""
    pool = keep.former(instance) if instance is not None else None
    return Build.objects.of_pool(pool.pk) if pool is not None else None


def deployable(build: Build) -> bool:
    """Whether one may go back to it: it was production's, and its branch is still that."""
    branch = build.branch
    on_production = build.stage == Stage.PRODUCTION and branch.stage == Stage.PRODUCTION
    return on_production and build.state == State.DONE and branch.deleted_at is None


def updated_since(build: Build, serving: Build | None) -> list[str]:
    """Modules that were updated in the database after the build's own deploy: a way back leaves them so."""
    later = Build.objects.filter(branch=build.branch, stage=build.stage, pk__gt=build.pk, state=State.DONE)
    deployed = later.exclude(result__in=(Result.FAILURE, Result.CANCELLED))
    if serving is not None:
        deployed = deployed.filter(pk__lte=max(serving.pk, build.pk))
    return sorted({name for names in deployed.values_list("to_update", flat=True) for name in names})


def refusal(pool: Pool | None) -> str:
    """Why requests can't go back to a pool, "" when they can. Rows alone are asked."""
    if pool is not None and pool.state == Pool.State.LIVE:
        return "It serves already."
    if pool is None or pool.state not in keep.LEFT:
        return "Its pool is not kept running any more."
    if pool.outdated:
        return "An update since then changed the database so that this build's code can't run on it any more."
    instance = Instance.objects.select_related("live_pool").get(pk=pool.instance_id)
    halted = instance.live_pool is not None and instance.live_pool.crons_stopped
    if halted or instance.door in {Instance.Door.HELD, Instance.Door.UPDATING}:
        return "The database is being updated at this moment. Wait for that deploy, or cancel it."
    if instance.door != Instance.Door.OPEN:
        return "Nothing serves at this address now."
    return ""


def _refuse(pool: Pool | None) -> None:
    reason = refusal(pool)
    if reason:
        raise ProjectError("There is no way back to this build now", f"{reason} {NOTHING_CHANGED}", "Deploy it again.")


@transaction.atomic
def begin(*, build: Build, by: User) -> Rollback:
    """Go back to the pool of `build`. Raises ProjectError, and changes nothing then."""
    _refuse(build.pool)
    assert build.pool is not None
    instance = (
        Instance.objects.select_for_update(of=("self",)).select_related("live_pool").get(pk=build.pool.instance_id)
    )
    if Rollback.objects.filter(pool__instance=instance, switched=False).exclude(state=State.DONE).exists():
        raise ProjectError("A rollback is going on already", NOTHING_CHANGED, "Wait a moment for its end.")
    left = Build.objects.serving(instance)
    rollback = Rollback.objects.create(build=build, left=left, pool=build.pool, asked_by=by)
    rollback.story = stories.begin("rollback", object_id=rollback.pk, subject=f"{instance.name}-back-{rollback.pk}")
    rollback.save(update_fields=["story"])
    audit.record(
        by=by,
        verb="roll back",
        object=build.branch.name,
        project_id=build.project_id,
        before=str(left) if left else None,
        after=str(build),
    )
    return rollback


@step("Look whether it answers")
def look(rollback: Rollback, _telling: Telling) -> None:
    """A quick proof: it was proven in full when it began to serve."""
    _refuse(rollback.pool)
    assert rollback.pool is not None
    amiss = [f"{check.name}: {check.failure}" for check in proof.glance(rollback.pool) if check.failure]
    if amiss:
        raise ProjectError(
            "The pool that was kept does not answer",
            f"{'; '.join(amiss)}. {NOTHING_CHANGED}",
            "Deploy the build again.",
        )


@step("Switch back", final=True)
def switch_back(rollback: Rollback, telling: Telling) -> None:
    """One change at the router, if nothing has come between since it was asked for."""
    assert rollback.pool is not None
    Instance.objects.select_for_update().get(pk=rollback.pool.instance_id)  # first, as whoever switches does
    pool = Pool.objects.select_for_update().get(pk=rollback.pool.pk)
    _refuse(pool)
    former = switch.switch_to(pool)
    left = Build.objects.of_pool(former.pk) if former is not None else None
    Rollback.objects.filter(pk=rollback.pk).update(left=left, switched=True)
    telling.say(f"{pool.instance.url} is served by {pool.name} again" + (f", not by {former.name}." if former else "."))


@step("Let the pool that was left finish")
def settle(rollback: Rollback, telling: Telling) -> None:
    """Its requests end, scheduled actions move to the pool that serves again; it is kept, for the way forward."""
    assert rollback.pool is not None
    branch = rollback.build.branch
    keep.settle(
        rollback.pool.instance,
        seconds=branch.drain_seconds,
        minutes=branch.keep_minutes,
        say=telling.say,
        keep_going=telling.keep_going,
    )


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(_rollback: Rollback) -> tuple[StepSpec, ...]:
    return (look, switch_back, settle)


def load(pk: int) -> Rollback:
    related = ("build__branch", "pool__instance__host", "pool__instance__database_server", "left", "asked_by")
    return Rollback.objects.select_related(*related).get(pk=pk)


def started(rollback: Rollback, story: Story) -> None:
    Rollback.objects.filter(pk=rollback.pk).update(state=State.RUNNING, started_at=story.started_at)


def finished(rollback: Rollback, story: Story) -> None:
    Rollback.objects.filter(pk=rollback.pk).update(state=State.DONE, result=story.result, finished_at=story.finished_at)


def register_stories() -> None:
    register(Kind(name="rollback", queue="urgent", load=load, steps=steps, started=started, finished=finished))
