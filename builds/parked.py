"""What works by itself in an imported database is switched off, and people switch it on, one by one.

The old server may still run, with the same scheduled actions, mail servers and jobs: both would send mail to customers.
"""

from django.db import transaction

from builds.models import Parked, Restore
from hosting import importing, machines
from hosting.models import Instance
from portal import audit, clock, stories
from portal.models import Result, Story, User
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects.models import Branch

REPLACED = "Production has another database by now."


def park(restore: Restore, instance: Instance, telling: Telling) -> None:
    """Switch off, in the database of `instance`, all that works by itself, and write down what that was.

    Safe to repeat: what was written down stays, and it is written before it is done.
    """
    database = machines.database(instance)
    for table in importing.TABLES:
        kind = Parked.Kind(table)
        rows = [Parked(restore=restore, kind=kind, record_id=pk, name=name) for pk, name in database.active(table)]
        Parked.objects.bulk_create(rows, ignore_conflicts=True)
        database.switch_off(table)
        if rows:
            telling.say(f"Switched off: {len(rows)} of {kind.label.lower()}s.")
    if jobs := database.park_jobs():
        name = "1 job that waited" if jobs == 1 else f"{jobs:,} jobs that waited"
        Parked.objects.get_or_create(restore=restore, kind=Parked.Kind.JOBS, record_id=0, defaults={"name": name})
        telling.say(f"Kept from running: {name}, of queue_job.")


@transaction.atomic
def begin(*, parked: Parked, by: User) -> Parked:
    """Switch one on; what is on, or will be, is left as it is. Raises ProjectError."""
    parked = Parked.objects.select_for_update().get(pk=parked.pk)
    branch = parked.restore.branch
    if branch.instance is None or not is_current(parked.restore):
        raise ProjectError("It is not switched on", REPLACED, "Look into Odoo.")
    if parked.switched_on_at is not None or is_going_on(parked):
        return parked
    parked.story = stories.begin("switch-on", object_id=parked.pk, subject=f"{branch.instance.name}-on-{parked.pk}")
    parked.asked_by = by
    parked.save(update_fields=["story", "asked_by"])
    audit.record(by=by, verb="switch on", object=str(parked), project_id=branch.project_id)
    return parked


def is_current(restore: Restore) -> bool:
    """Whether production's database is still the one that it made: no other restore has put another in its place, and
    its branch was not moved to another stage and back.
    """
    later = Restore.objects.filter(branch=restore.branch_id, pk__gt=restore.pk).exclude(switched_at=None)
    there = Branch.objects.filter(pk=restore.branch_id, instance__pools=restore.pool_id or 0)
    return restore.switched_at is not None and there.exists() and not later.exists()


def is_going_on(parked: Parked) -> bool:
    return parked.story is not None and parked.story.is_open


@step("Switch it on")
def switch_on(parked: Parked, _telling: Telling) -> None:
    instance = parked.restore.branch.instance
    if instance is None or not is_current(parked.restore):
        raise ProjectError("It is not switched on", REPLACED, "Look into Odoo.")
    database = machines.database(instance)
    if parked.kind == Parked.Kind.JOBS:
        database.resume_jobs()
    elif not database.switch_on(parked.kind, parked.record_id):
        raise ProjectError("It is not there any more", f"{parked} was deleted in Odoo.", "Make it anew in Odoo.")


def steps(_parked: Parked) -> tuple[StepSpec, ...]:
    return (switch_on,)


def load(pk: int) -> Parked:
    related = ("restore__branch__instance__host", "restore__branch__instance__database_server", "story", "asked_by")
    return Parked.objects.select_related(*related).get(pk=pk)


def finished(parked: Parked, story: Story) -> None:
    if story.result == Result.SUCCESS:
        Parked.objects.filter(pk=parked.pk).update(switched_on_at=clock.now())


def register_stories() -> None:
    register(Kind(name="switch-on", queue="urgent", load=load, steps=steps, finished=finished))
