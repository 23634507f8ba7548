"""The story of a backup: one moment of production is dumped, stored, and proven by restoring it.

It runs beside deploys, which never wait for it: see hosting/backups.py. All backups of a host have one subject, so that
no two of them compete for its disk, and rounds always find a free worker.
"""

from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from builds import announcing, caches
from builds.models import Build
from hosting import backups, drills, restored
from hosting.engines.restic import Progress, ResticError
from hosting.models import Backup, Instance, Vault
from hosting.reconcile import FAULTS
from hosting.retention import Taken, to_keep
from portal import alarms, audit, clock, stories
from portal.models import State, Story, User
from portal.stories import Kind, ProjectError, StepSpec, StoryError, register, step
from portal.telling import Telling
from projects.models import Branch, Project

A_DAY = 5  # manual ones


# --- asked for --------------------------------------------------------------------------------------------------------
@transaction.atomic
def begin(*, branch: Branch, kind: Backup.Kind, by: User | None) -> Backup:
    """Back production up. Raises ProjectError, and changes nothing then."""
    project = Project.objects.select_for_update().get(pk=branch.project_id)
    instance = branch.instance
    refused, remedy = refusal(project, instance), "Look at the tab: it says how far that one is."
    if instance is None or instance.live_pool_id is None:
        remedy = "Deploy production first."
    elif not refused and kind == Backup.Kind.MANUAL and manual_today(project, instance) >= A_DAY:
        refused = f"There were {A_DAY} manual backups today, which is as many as a day may have."
        remedy = "Wait for the night's backup, or try again tomorrow."
    if refused or instance is None:
        raise ProjectError("No backup was begun", refused, remedy)
    backup = Backup.objects.create(vault=vault_of(project.pk), instance=instance, kind=kind, asked_by=by)
    hand_over(backup)
    audit.record(by=by, verb="back up", object=branch.name, project_id=project.pk, after=kind)
    return backup


def vault_of(project_id: int) -> Vault:
    """The project's, made on the first call; in a transaction."""
    project = Project.objects.select_for_update(of=("self",)).select_related("vault").get(pk=project_id)
    if project.vault is None:
        project.vault = Vault.objects.create()
        project.save(update_fields=["vault"])
    return project.vault


@transaction.atomic
def hand_over(backup: Backup) -> None:
    """Begin the story that tells it: one at a time on each host."""
    backup.story = stories.begin("backup", object_id=backup.pk, subject=f"backups-{backup.instance.host_id}")
    backup.save(update_fields=["story"])


@transaction.atomic
def delete(backup: Backup, *, by: User, project_id: int) -> None:
    """Let go of one that was taken by hand. What it alone held is freed with the next backup. Raises ProjectError."""
    refused = deletion_refusal(backup)
    if refused:
        raise ProjectError("This backup stays", f"{refused} Nothing was deleted.", "Wait until its time is up.")
    Backup.objects.filter(pk=backup.pk).update(forgotten_at=clock.now())
    audit.record(by=by, verb="delete backup", object=str(backup), project_id=project_id)


def deletion_refusal(backup: Backup) -> str:
    """Why it can't be deleted, "" when it can."""
    by_hand = backup.kind == Backup.Kind.MANUAL and backup.state == State.DONE
    return "" if by_hand else "Only those taken by hand can be deleted; the others go by the rule."


# --- taken by another story on its way: before an update, a restore, or the end of a production -----------------------
def write_down(instance: Instance, project_id: int, *, by: User | None = None, **fields: int) -> Backup:
    """The row of one; in the transaction that writes down whose it is."""
    kind = Backup.Kind.AUTOMATIC
    return Backup.objects.create(vault=vault_of(project_id), instance=instance, kind=kind, asked_by=by, **fields)


def take(backup: Backup, telling: Telling) -> None:
    """Dump, at once: it waits for no other's turn. What takes long, storing and proving, a story of its own tells
    beside what follows. Safe to repeat. Raises PlatformError.
    """
    if backup.story_id is None:
        _collect(backup, telling)
        hand_over(backup)


def give_up(backup: Backup | None) -> Backup | None:
    """Half a one goes. One that was handed over is told to its end, whatever becomes of who took it. Returns what is
    left. Safe to repeat.
    """
    if backup is None or backup.story_id is not None:
        return backup
    backups.clear(backup)
    backup.delete()
    return None


def refusal(project: Project, instance: Instance | None) -> str:
    """Why no backup can begin now, "" when one can. One that is only stored or proven yet holds an earlier state."""
    if instance is None or not instance.is_production or instance.state != Instance.State.READY:
        return "There is no production database yet."
    if instance.live_pool_id is None:
        return "Nothing serves production at this moment, and a backup is proven with the code that serves."
    if Backup.objects.filter(instance=instance, taken_at=None).exclude(state=State.DONE).exists():
        return f"A backup of {project} is going on already, or waits for its turn."
    return ""


def manual_today(project: Project, instance: Instance | None) -> int:
    """Manual ones of the project's present day that were stored, or may be yet. What lies ahead, as the clock was set
    back since, is not of today.
    """
    now = clock.now()
    midnight = now.astimezone(ZoneInfo(project.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    today = Backup.objects.filter(instance=instance, kind=Backup.Kind.MANUAL, created_at__range=(midnight, now))
    return today.exclude(state=State.DONE, snapshot="").count()


# --- the story --------------------------------------------------------------------------------------------------------
def undo_dump(backup: Backup, _telling: Telling) -> None:
    """The throwaway always goes."""
    backups.clear(backup)


@step("Dump database and files", undo=undo_dump)
def dump(backup: Backup, telling: Telling) -> None:
    for told in caches.let_copies_go():  # it needs room
        telling.say(told)
    _collect(backup, telling)


def _collect(backup: Backup, telling: Telling) -> None:
    """And write down which Odoo served, which builds alone know. Raises PlatformError."""
    backups.collect(backup, telling)
    served = Build.objects.filter(image_id=backups.throwaway(backup).image_id).order_by("-pk").first()
    backup.odoo_image = served.odoo_image if served is not None else ""
    backup.save(update_fields=["odoo_image"])


@step("Store in the vault", undo=undo_dump)
def store(backup: Backup, telling: Telling) -> None:
    def told(progress: Progress) -> None:
        Backup.objects.filter(pk=backup.pk).update(progress=vars(progress))

    with telling.command(["restic", "backup"]) as command:
        backups.store(backup, told=told, keep_going=telling.keep_going)
        command.exit_code = 0
    telling.say(f"{backup.size_bytes:,} bytes, of which {backup.new_bytes:,} are new; snapshot {backup.snapshot[:8]}.")


@step("Prove it by restoring")
def prove(backup: Backup, telling: Telling) -> None:
    """A backup that can't be proven makes the story red, and stays: better than none, and worth a look."""
    try:
        backups.wait_until_whole(backup.instance, telling.keep_going)  # not beside visitors who wait for an update
        seconds = drills.prove(backup, telling)
    except (drills.NotProven, StoryError) as error:
        wrong = "\n".join(filter(None, (str(error), getattr(error, "detail", ""))))
        _not_proven(backup, wrong)
        telling.fail_softly("The backup could not be proven", wrong, "Back up again; if it stays, tell the operator.")
        return
    values = {"proof": Backup.Proof.PROVEN, "proven_at": clock.now(), "restore_seconds": seconds, "wrong": ""}
    Backup.objects.filter(pk=backup.pk).update(**values)
    alarms.end(_alarm(backup))
    telling.say(f"Proven: restored and opened in {seconds:.1f} s.")
    if backup.lacking:
        telling.warn(f"Attachments name {backup.lacking:,} files that production doesn't have; so it was before.")


@step("Remove what nobody needs")
def tidy(backup: Backup, telling: Telling) -> None:
    """The throwaway, unless staging copies can be made of it, and backups that the rule keeps no longer."""
    _keep_restored(backup, telling)
    project, known = Project.objects.get(vault=backup.vault), backups.kept(backup.vault)
    keys = to_keep(taken(known), zone=ZoneInfo(project.time_zone), now=clock.now())
    keys |= _whatever_their_date(known)
    try:
        gone = backups.forget(backup.vault, keys, keep_going=telling.keep_going)
    except (ResticError, *FAULTS) as error:
        return telling.warn(f"Older backups stay until the next night: {error}")
    return telling.say(f"{len(keys)} backups are kept, {gone} were let go.")


def _whatever_their_date(known: QuerySet[Backup]) -> set[int]:
    """What stays though the rule goes by a date that a clock gave which somebody had set: of those that stay for a week
    the ones that have lived through less.
    """
    nights = known.filter(kind=Backup.Kind.NIGHTLY, proof=Backup.Proof.PROVEN)
    return set(known.exclude(pk__in=nights).filter(hours_left__gt=0).values_list("pk", flat=True))


def taken(found: QuerySet[Backup]) -> list[Taken]:
    """As the rule sees them."""
    return [
        Taken(each.pk, each.taken_at, each.kind == Backup.Kind.NIGHTLY, each.proof == Backup.Proof.PROVEN)
        for each in found.order_by("pk")
        if each.taken_at is not None
    ]


def _keep_restored(backup: Backup, telling: Telling) -> None:
    if backup.proof != Backup.Proof.PROVEN:
        return backups.clear(backup)
    restored.keep(backup)
    backup.refresh_from_db(fields=["drill"])
    return telling.say("It stays for staging copies." if backup.drill else "Disk is scarce: it does not stay.")


def _not_proven(backup: Backup, wrong: str) -> None:
    """Red, in the audit log, and an alarm until a later backup of the database is proven."""
    Backup.objects.filter(pk=backup.pk).update(proof=Backup.Proof.FAILED, wrong=wrong)
    branch = Branch.objects.select_related("project").filter(instance=backup.instance).first()
    project_id = branch.project_id if branch else None
    audit.record(by=None, verb="find a backup unproven", object=str(backup), project_id=project_id, after=wrong[:500])
    title = f"A backup of {branch.project if branch else backup.instance} could not be proven"
    alarms.begin(_alarm(backup), title, wrong, project_id=project_id)


def _alarm(backup: Backup) -> str:
    return f"backup-of-{backup.instance}"


# --- what the runner wants to know ------------------------------------------------------------------------------------
def steps(backup: Backup) -> tuple[StepSpec, ...]:
    """An automatic one was dumped by its deploy: see builds/beforeupdate.py."""
    stored = (store, prove, tidy)
    return stored if backup.kind == Backup.Kind.AUTOMATIC else (dump, *stored)


def load(pk: int) -> Backup:
    related = ("vault", "instance__host", "instance__database_server", "drill", "story", "asked_by")
    return Backup.objects.select_related(*related).get(pk=pk)


def started(backup: Backup, _story: Story) -> None:
    Backup.objects.filter(pk=backup.pk).update(state=State.RUNNING)


def finished(backup: Backup, story: Story) -> None:
    """What ended before it was proven is not: success is said by the proof alone."""
    if backup.proof == Backup.Proof.NONE:
        _not_proven(backup, f"{story.error_title}. {story.error_detail}".strip())
    Backup.objects.filter(pk=backup.pk).update(
        state=State.DONE, result=story.result, finished_at=story.finished_at, progress={}
    )
    announcing.backup(backup)


def register_stories() -> None:
    register(Kind(name="backup", queue="background", load=load, steps=steps, started=started, finished=finished))
