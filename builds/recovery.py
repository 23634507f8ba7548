"""Bringing production back on a machine that has nothing but the portal's rows: see deploy/restoreself.py.

What ran on the machine that was lost is written off first. Then a story for each production fetches its vault from a
place, fills the database from the newest backup that was proven, and deploys the commit that served.
"""

import shutil
from pathlib import Path

from django.db import connection, transaction
from django.db.models import Q
from django_q.models import OrmQ

from builds.begin import begin
from builds.models import Build, Download, Resize, Restore, Rollback, Upload
from hosting import backups, machines, places, pools, restores, runtimes
from hosting.engines.restic import ResticError
from hosting.models import Backup, Instance, Place, Pool, Replica, Slot, Vault, VaultCopy
from portal import alarms, audit, clock, stories
from portal.commands import CommandError
from portal.models import Result, State, Story
from portal.stories import Kind, PlatformError, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects import pins
from projects.models import Branch, Project, Stage

LABEL = "recovery"
SKIPPED = 100_000  # numbers of backups
LOST = "The machine on which it ran was lost."


@transaction.atomic
def begin_all() -> list[str]:
    """Write off what the machine that was lost had, and begin to bring production back. Returns the branches."""
    _write_off_stories()
    _write_off_machines()
    _skip_numbers()
    OrmQ.objects.all().delete()
    production = Branch.objects.alive().filter(stage=Stage.PRODUCTION, instance__state=Instance.State.READY)
    production = production.filter(project__deleted_at=None)
    for branch in production.select_related("project"):
        stories.begin("recover", object_id=branch.pk, subject=branch.subject)
        audit.record(by=None, verb="bring production back", object=branch.name, project_id=branch.project_id)
    return [str(branch.project) for branch in production]


@transaction.atomic
def begin_again(project: Project) -> Branch:
    """Bring production back once more, where that failed and nothing was deployed since: what is there is overwritten.

    Raises ProjectError.
    """
    production = Branch.objects.alive().filter(project=project, stage=Stage.PRODUCTION).select_related("instance")
    branch = production.select_for_update(of=("self",)).first()
    refused = "It has no production branch." if branch is None else _again_refusal(branch)
    if branch is None or refused:
        raise ProjectError("Nothing was begun", refused, "To restore a backup, open production's Backups tab.")
    stories.begin("recover", object_id=branch.pk, subject=branch.subject)
    audit.record(by=None, verb="bring production back", object=branch.name, project_id=project.pk)
    return branch


def _again_refusal(branch: Branch) -> str:
    last = Story.objects.filter(kind="recover", object_id=branch.pk).order_by("-pk").first()
    if last is None or branch.instance is None:
        return "It was not lost: it is no part of a restore-self."
    if last.state != State.DONE:
        return "It is being brought back: see bin/berth builds, and the log of `worker`."
    if last.result in (Result.SUCCESS, Result.WARNING):
        return "Its database was brought back; what deploys it is a build."
    if branch.instance.live_pool_id is not None or branch.instance.pools.filter(left_at__gt=last.created_at).exists():
        return "It was deployed since."
    return ""


def _write_off_stories() -> None:
    over = {"state": State.DONE, "result": Result.CANCELLED}
    for model in (Build, Backup, Rollback, Restore):
        model.objects.exclude(state=State.DONE).update(finished_at=clock.now(), **over)
    for brought in (Download, Upload):
        brought.objects.exclude(state=State.DONE).update(**over)
    Resize.objects.filter(story__in=Story.objects.open()).delete()
    Story.objects.open().update(finished_at=clock.now(), claim="", lease_until=None, error_title=LOST, **over)
    for made in (Backup, Download):
        made.objects.exclude(drill=None).update(drill=None)
    Restore.objects.exclude(beside=None).update(beside=None)


def _write_off_machines() -> None:
    """Databases of staging and development are gone: a rebuild makes new ones."""
    pins.end_all()
    runtimes.write_off()
    Slot.objects.update(pool=None)
    Instance.objects.update(live_pool=None, door=Instance.Door.STOPPED, held_at=None)
    Replica.objects.all().delete()
    Pool.objects.exclude(state=Pool.State.GONE).update(state=Pool.State.GONE)
    lost = Instance.objects.exclude(stage=Stage.PRODUCTION, state=Instance.State.READY)
    Branch.objects.filter(instance__in=lost).update(instance=None)
    lost.exclude(state=Instance.State.REMOVED).update(state=Instance.State.REMOVED, removed_at=clock.now())


def _skip_numbers() -> None:
    """The lost machine may have stored backups that these rows, which are older, know nothing of. They lie at the
    places by their numbers: no new one is to be called like one of them, as it would be taken for stored there.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(s, nextval(s) + %s) FROM pg_get_serial_sequence('hosting_backup', 'id') s", [SKIPPED]
        )


# --- the story --------------------------------------------------------------------------------------------------------
@step("Fetch the vault")
def fetch_vault(branch: Branch, telling: Telling) -> None:
    """Or those, where another was begun: what was proven may lie in the one of before."""
    if not [vault for vault in _vaults(branch) if _fetch(vault, telling)]:
        raise PlatformError(
            "No place gave the vault",
            "Why is said above. Nothing was made.",
            f"Mend one of them, then: bin/berth recover {branch.project.slug}",
        )


def _fetch(vault: Vault, telling: Telling) -> bool:
    """From all places that give it: the newest backup may lie at one of them alone. Returns whether any did."""
    telling.mask(vault.key)
    asked = list(Place.objects.alive().filter(copies__vault=vault).distinct())
    silent = [place for place in asked if not _fetch_from(place, vault, telling)]
    if len(silent) == len(asked):
        return False
    _remember(vault, silent, telling)
    return True


def _fetch_from(place: Place, vault: Vault, telling: Telling) -> bool:
    """Whether the place gave what it has."""
    telling.mask(*place.account.split("\n"))
    telling.say(f"Fetching {vault} from {place}.")
    try:
        places.fetch(vault, place, telling.keep_going)
    except (ResticError, CommandError) as error:
        telling.warn(f"{place}: {error}")
        return False
    return True


def _remember(vault: Vault, silent: list[Place], telling: Telling) -> None:
    """What was copied has other names now. What is at no place went with the machine; nothing is said to be gone that
    a place may have which is `silent`: there it would be let go.
    """
    names = {tag: snapshot.key for snapshot in backups.repository(vault).snapshots() for tag in snapshot.tags}
    for backup in backups.kept(vault):
        backup.snapshot = names.get(backup.tag, "")
        backup.forgotten_at = None if backup.snapshot or silent else clock.now()
        backup.save(update_fields=["snapshot", "forgotten_at"])
        if not backup.snapshot:
            telling.warn(f"{backup} was not at the places that answered.")
    VaultCopy.objects.filter(vault=vault).update(next_at=clock.now())


def undo_restore(branch: Branch, _telling: Telling) -> None:
    """The database stays as it is for who looks."""
    shutil.rmtree(_folder(branch), ignore_errors=True)


@step("Restore the database and its files", undo=undo_restore)
def restore(branch: Branch, telling: Telling) -> None:
    """Only where nothing serves it: told again, it begins anew."""
    instance, backup = _instance(branch), _newest(branch)
    if instance.live_pool is not None:
        raise PlatformError("It serves already", "Nothing was restored over it.", "There is nothing to do.")
    telling.say(f"The newest that was proven is of {backup.taken_at:%Y-%m-%d %H:%M} UTC.")
    there = Backup.objects.filter(instance=instance, forgotten_at=None, pk__gt=backup.pk).exclude(snapshot="")
    for newer in there:
        telling.warn(f"{newer}, of {newer.taken_at:%Y-%m-%d %H:%M} UTC, is newer and there too, but was never proven.")
    telling.mask(instance.database_password)
    try:
        restores.fill(_pool(branch, instance, backup), backup, _folder(branch), telling)
    except restores.NotWhole as error:
        raise PlatformError(
            "The backup is not whole", str(error), "Restore another one by hand; see docs/operate.md."
        ) from error
    shutil.rmtree(_folder(branch))


def _folder(branch: Branch) -> Path:
    """Where the backup lies meanwhile."""
    return machines.folder(_instance(branch)) / LABEL


def _newest(branch: Branch) -> Backup:
    """Raises PlatformError."""
    for vault in _vaults(branch):
        proven = backups.kept(vault).filter(instance=branch.instance, proof=Backup.Proof.PROVEN)
        backup = proven.select_related("vault", "instance").order_by("-pk").first()  # its date is what some clock said
        if backup is not None and backups.repository(vault).exists():
            return backup
    raise PlatformError("No backup that was proven came back", "Nothing was made.", "See docs/operate.md.")


def _pool(branch: Branch, instance: Instance, backup: Backup) -> Pool:
    """One that never starts: programs that restore run in its name."""
    pool = pools.create(
        instance,
        image_id="",
        commit=backup.commit,
        build_label=LABEL,
        addons_path=[],
        queue_job=False,
        workers=2,
        replicas=1,
        memory_mb=branch.memory_mb,
        cpus=branch.cpus,
    )
    Pool.objects.filter(pk=pool.pk).update(state=Pool.State.GONE)
    return pool


@step("Deploy what served")
def deploy(branch: Branch, telling: Telling) -> None:
    """Once: told again, it finds the build."""
    backup = _newest(branch)
    story = Story.objects.filter(kind="recover", object_id=branch.pk).latest("pk")
    if not Build.objects.filter(branch=branch, created_at__gt=story.created_at).exists():
        begin(branch=branch, commit=backup.commit, by=None, message="Production, brought back", brings_back=True)
    telling.say(f"{backup.commit[:7]} is deployed as soon as this has ended.")


def _vaults(branch: Branch) -> list[Vault]:
    """All that have backups of it, the newest first. Raises PlatformError."""
    kept = Backup.objects.filter(instance=branch.instance, forgotten_at=None).values("vault")
    vaults = Vault.objects.filter(Q(pk__in=kept) | Q(pk=branch.project.vault_id or 0)).order_by("-pk")
    if not vaults:
        raise PlatformError("It was never backed up", "Nothing was made.", "Deploy it anew: push to its branch.")
    return list(vaults)


def _instance(branch: Branch) -> Instance:
    assert branch.instance is not None
    return branch.instance


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> Branch:
    related = ("project__vault", "instance__host", "instance__database_server", "instance__live_pool")
    return Branch.objects.select_related(*related).get(pk=pk)


def finished(branch: Branch, story: Story) -> None:
    title = f"{branch.project} could not be brought back: {story.error_title}"
    detail = f"{story.error_detail} Mend that, then: bin/berth recover {branch.project.slug}"
    wrong = story.result == Result.FAILURE
    alarms.keep(f"recovery-{branch.pk}", title, detail, wrong=wrong, project_id=branch.project_id)


def steps(_branch: Branch) -> tuple[StepSpec, ...]:
    return (fetch_vault, restore, deploy)


def register_stories() -> None:
    register(Kind(name="recover", queue="background", load=load, steps=steps, finished=finished))
