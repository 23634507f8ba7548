"""The story of a restore: a backup becomes production's database. Read it from top to bottom.

It is made and proven beside what serves, which goes on serving: with the code that serves, brought up to it where that
is newer. Then what is there now is backed up, visitors are held, and the two change places by name. Until the switch
everything can be taken back; afterwards what was there, to the last moment, lies aside for a day.
"""

from datetime import timedelta

from django.db import transaction

from builds import backup as stories_of_backups
from builds import begin as builds
from builds import beside, modules, parked
from builds import upload as uploads
from builds.beside import AS_IT_WAS
from builds.models import Build, Restore, Retired, Upload
from hosting import (
    databases,
    drills,
    hold,
    importing,
    instances,
    keep,
    machines,
    pools,
    restores,
    routing,
    swaps,
    switch,
)
from hosting.models import Backup, Instance, Pool
from hosting.reconcile import FAULTS
from portal import audit, clock, stories
from portal.models import State, Story, User
from portal.stories import Kind, PlatformError, ProjectError, StepSpec, reason, register, step
from portal.telling import Telling
from projects import plans
from projects.models import Branch

KEPT = timedelta(hours=24)  # what was there before
FORCE = "Where it is damaged for good, restore again and say that this may be: what is there lies aside for 24 hours."


# --- asked for --------------------------------------------------------------------------------------------------------
@transaction.atomic
def begin(*, branch: Branch, backup: Backup, by: User, force: bool = False) -> Restore:
    """Restore a backup into production; with `force` also where what is there can't be backed up, since it is damaged
    or gone. Raises ProjectError, and changes nothing then.
    """
    branch = Branch.objects.select_for_update(of=("self",)).select_related("instance", "project").get(pk=branch.pk)
    refused = refusal(branch, backup)
    if refused:
        raise ProjectError("Nothing was restored", refused, "Choose another backup, or wait for what goes on.")
    restore = Restore.objects.create(branch=branch, backup=backup, forced=force, asked_by=by)
    restore.story = stories.begin("restore", object_id=restore.pk, subject=branch.subject)
    restore.save(update_fields=["story"])
    what = f"{backup}, {backup.taken_at.isoformat() if backup.taken_at else None}{', forced' if force else ''}"
    audit.record(by=by, verb="restore", object=branch.name, project_id=branch.project_id, after=what)
    return restore


@transaction.atomic
def begin_import(*, branch: Branch, upload: Upload, by: User) -> Restore:
    """What somebody brought becomes production's database. Raises ProjectError, and changes nothing then."""
    branch = Branch.objects.select_for_update(of=("self",)).select_related("instance", "project").get(pk=branch.pk)
    refused = import_refusal(branch, upload)
    if refused:
        raise ProjectError("Nothing was imported", refused, "Look at the archive's page.")
    restore = Restore.objects.create(branch=branch, upload=upload, imported=True, asked_by=by)
    restore.story = stories.begin("restore", object_id=restore.pk, subject=branch.subject)
    restore.save(update_fields=["story"])
    Upload.objects.filter(pk=upload.pk).update(used_at=clock.now())
    audit.record(by=by, verb="import", object=branch.name, project_id=branch.project_id, after=upload.name)
    return restore


def cancel(*, restore: Restore, by: User) -> None:
    """Ask it to stop: production stays as it is. One that has switched goes on to its end."""
    if restore.story is not None and restore.state != State.DONE:
        branch = restore.branch
        audit.record(by=by, verb="cancel restore", object=branch.name, project_id=branch.project_id)
        stories.cancel(restore.story)


def import_refusal(branch: Branch, upload: Upload) -> str:
    """Why an archive can't be imported into production now, "" when it can."""
    return uploads.refusal(upload) or _refusal(branch)


@transaction.atomic
def into_staging(*, branch: Branch, backup: Backup, by: User) -> Build:
    """A build of the branch on a neutralised copy of the backup. Raises ProjectError."""
    if refused := _unfit(backup):
        raise ProjectError("Nothing was restored", refused, "Choose another backup.")
    build = builds.begin(branch=branch, commit=branch.head, by=by, from_backup=backup)
    audit.record(
        by=by, verb="restore into staging", object=branch.name, project_id=branch.project_id, after=str(backup)
    )
    return build


def refusal(branch: Branch, backup: Backup) -> str:
    """Why a backup can't be restored into production now, "" when it can."""
    return _unfit(backup) or _refusal(branch)


def _unfit(backup: Backup) -> str:
    if backup.proof != Backup.Proof.PROVEN or backup.forgotten_at is not None:
        return "Only a backup that was proven can be restored."
    return "" if backup.snapshot else "It did not come back from the place where it lies."


def _refusal(branch: Branch) -> str:
    plan = plans.plan(branch.project)
    if plan.is_closed:
        return plan.says
    if branch.instance is None or branch.instance.state != Instance.State.READY or branch.instance.live_pool_id is None:
        return "Nothing serves production now: deploy it first."
    if Retired.objects.going_on().filter(branch=branch).exists():
        return "Its database is being retired."
    if Restore.objects.filter(branch=branch).exclude(state=State.DONE).exists():
        return "A restore of this branch is going on already."
    return ""


# --- the story --------------------------------------------------------------------------------------------------------
def undo_fill_beside(restore: Restore, _telling: Telling) -> None:
    """What was made beside always goes."""
    clear(restore)


@step("Restore beside what serves", undo=undo_fill_beside)
def fill_beside(restore: Restore, telling: Telling) -> None:
    """Told again, it begins anew."""
    production = beside.production_of(restore)
    if restore.build is None:  # told again, it goes by the code that it began with
        restore.build = beside.serving(production)
        restore.save(update_fields=["build"])
    beside.check_code(restore, production)
    beside.check_room(production, beside.bytes_of(restore))
    pool = beside.make(restore, production)
    beside.stop(pool)
    if restore.imported:
        return _fill_with_upload(restore, production, pool, telling)
    assert restore.backup is not None
    try:
        restores.fill(pool, restore.backup, machines.folder(pool.instance) / "backup", telling)
    except restores.NotWhole as error:
        raise PlatformError("The backup can't be restored", f"{error}\n{AS_IT_WAS}", "Choose another one.") from error


def _fill_with_upload(restore: Restore, production: Instance, pool: Pool, telling: Telling) -> None:
    """Nothing of it works by itself from then on: see builds/parked.py."""
    assert restore.upload is not None
    importing.fill(pool, uploads.file(restore.upload), form=restore.upload.found["form"], telling=telling)
    parked.park(restore, pool.instance, telling)
    databases.secure(pool.instance, new_admin=False, url=production.url)


@step("Open it with the code that serves")
def open_beside(restore: Restore, telling: Telling) -> None:
    """Nobody is sent there, and its scheduled actions don't run."""
    assert restore.beside is not None
    assert restore.build is not None
    pool = beside.pool_of(restore.beside)
    beside.stop(pool)
    due = beside.due_of(restore.build, restore.beside)
    if due:
        telling.say("The code is of another version than the backup. To be updated: " + ", ".join(due))
        modules.update(pool, due, telling, left=AS_IT_WAS)
    try:
        drills.open_it(pool, telling)
    except drills.NotProven as error:
        raise ProjectError(
            "The code that serves can't open the backup",
            f"{error}\n{AS_IT_WAS}",
            "Deploy the commit that the backup was taken with, then restore again; or choose another backup.",
        ) from error
    beside.stop(pool)


def undo_back_up_before(restore: Restore, _telling: Telling) -> None:
    """Half a one goes, a whole one stays."""
    restore.before = stories_of_backups.give_up(restore.before)


@step("Back up what is there", undo=undo_back_up_before)
def back_up_before(restore: Restore, telling: Telling) -> None:
    """Storing and proving it is told by a story of its own, beside what follows. What is damaged for good may go
    without one, where the person said so.
    """
    if restore.before is None:
        with transaction.atomic():
            production = beside.production_of(restore)
            restore.before = stories_of_backups.write_down(production, restore.branch.project_id, by=restore.asked_by)
            restore.save(update_fields=["before"])
    try:
        stories_of_backups.take(restore.before, telling)
    except (PlatformError, *FAULTS) as error:
        if getattr(error, "transient", False):
            raise
        if not restore.forced:
            raise PlatformError("What is there can't be backed up", f"{reason(error)}\n{AS_IT_WAS}", FORCE) from error
        undo_back_up_before(restore, telling)
        telling.warn(f"What is there could not be backed up: {reason(error)}")


def undo_swap(restore: Restore, telling: Telling) -> None:
    """The old database is back, and who waits is answered by the old pool; behind a page that is started last."""
    production = beside.production_of(restore)
    if restore.pool is not None:  # nobody else may be on the database that is put back
        routing.take_slot_back(restore.pool)
        pools.remove(restore.pool)
    if swaps.swap_back(production, restore.label):
        telling.say("The database is again what it was.")
    former = production.live_pool
    if former is not None and production.door == Instance.Door.UPDATING:
        switch.bring_back(former, keep_going=telling.keep_going)
    elif former is not None:
        if not hold.is_anothers(production):
            hold.release(production)
        if former.crons_stopped:
            hold.start_crons(production)


@step("Change places", undo=undo_swap)
def swap(restore: Restore, telling: Telling) -> None:
    """While visitors wait."""
    production, branch = beside.production_of(restore), restore.branch
    assert restore.beside is not None
    beside.check_code(restore, production)
    keep.let_all_go(production, say=telling.say, keep_going=telling.keep_going)
    beside.check_code(restore, production)  # from here on there is nothing to roll back to
    beside.make_quiet(production, branch, telling)
    swaps.swap_in(production, restore.beside, restore.label)
    telling.say("The restored database has taken its place.")
    beside.serve(restore, production, telling)


@step("Switch", final=True)
def switch_restored(restore: Restore, telling: Telling) -> None:
    assert restore.pool is not None
    others = Pool.objects.filter(instance=restore.pool.instance_id).exclude(pk=restore.pool.pk)
    others.exclude(state=Pool.State.GONE).update(outdated=True)  # they know another database
    switch.switch_to(restore.pool)
    Build.objects.filter(pk=restore.build_id or 0).update(pool=restore.pool)
    if restore.imported:  # Berth made no password for it
        Instance.objects.filter(pk=restore.pool.instance_id).update(login_password="")
    now = clock.now()
    Restore.objects.filter(pk=restore.pk).update(switched_at=now, kept_until=now + KEPT)
    telling.say(f"{restore.pool.instance.url} serves the restored database.")


@step("Let the old pool go")
def settle_restored(restore: Restore, telling: Telling) -> None:
    production = beside.production_of(restore)
    routing.apply(production)  # again: who decided may have died before the router heard of it
    beside.note_answer(restore, production, telling)
    seconds = restore.branch.drain_seconds
    keep.settle(
        production, seconds=seconds, minutes=restore.branch.keep_minutes, say=telling.say, keep_going=telling.keep_going
    )
    clear(restore)


def clear(restore: Restore) -> None:
    """Remove what was made beside. Safe to repeat."""
    made = restore.beside
    if made is not None:
        if made.state != Instance.State.REMOVED:
            instances.remove(made)
        Restore.objects.filter(pk=restore.pk, beside=made).update(beside=None)
        restore.beside = None


# --- the rounds -------------------------------------------------------------------------------------------------------
def forget() -> None:
    """What was there before a restore goes when its time is up."""
    over = Restore.objects.filter(state=State.DONE, kept_until__lte=clock.now()).select_related("pool__instance")
    for restore in over:
        if restore.pool is not None:
            swaps.forget(restore.pool.instance, restore.label)  # its branch may be on another stage by now
        Restore.objects.filter(pk=restore.pk).update(kept_until=None)


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(_restore: Restore) -> tuple[StepSpec, ...]:
    return (fill_beside, open_beside, back_up_before, swap, switch_restored, settle_restored)


def load(pk: int) -> Restore:
    related = (
        "branch__project",
        "branch__instance",
        "backup__vault",
        "upload",
        "before__instance",
        "before__drill",
        "build__branch",
    )
    made = ("beside__host", "beside__database_server", "pool__instance__host", "asked_by")
    return Restore.objects.select_related(*related, *made).get(pk=pk)


def is_waited_for(restore: Restore) -> bool:
    return restore.branch.instance is not None and restore.branch.instance.door == Instance.Door.HELD


def started(restore: Restore, _story: Story) -> None:
    Restore.objects.filter(pk=restore.pk).update(state=State.RUNNING)


def finished(restore: Restore, story: Story) -> None:
    Restore.objects.filter(pk=restore.pk).update(state=State.DONE, result=story.result, finished_at=story.finished_at)


def register_stories() -> None:
    register(
        Kind(
            name="restore",
            queue="background",
            load=load,
            steps=steps,
            started=started,
            finished=finished,
            is_waited_for=is_waited_for,
        )
    )
