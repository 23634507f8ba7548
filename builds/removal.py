"""The end of a deleted project: what it has goes when its time is up, but no production whose last backup isn't proven.

Such a project waits, whole, with an alarm for the operator. Its deletion can be undone meanwhile: then production is
backed up as ever, and the project deleted once more.
"""

import shutil
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from builds.models import Build, Retired
from hosting import instances
from hosting.models import Backup, Instance
from portal import alarms, audit, clock
from portal.stories import ProjectError
from projects import providers
from projects.connect import github
from projects.models import Branch, Project, Stage

KEY = "removal-"  # of alarms, before the project's number
WAY_OUT = (
    "Undo the deletion, let production be backed up and proven, then delete it again; or bin/berth remove-project."
)


def instances_of(project: Project) -> QuerySet[Instance]:
    """All that the project has: of its branches, of its builds, and retired ones."""
    rows = (
        Branch.objects.filter(project=project).values("instance"),
        Build.objects.filter(project=project).values("instance"),
        Retired.objects.filter(project=project).values("instance"),
    )
    found = Q()
    for each in rows:
        found |= Q(pk__in=each.exclude(instance=None))
    return Instance.objects.filter(found).exclude(state=Instance.State.REMOVED).order_by("pk")


def due() -> list[Project]:
    """Those whose time is up and that may go now. There is an alarm for each that waits, as long as it does."""
    go, waiting = [], set()
    for pk in Project.objects.deleted().filter(hours_left=0).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            project = _still_due(pk)
            unproven = unproven_of(project) if project else []
            if project and unproven and project.condemned_at is None:
                waiting.add(f"{KEY}{pk}")
                _alarm(project, unproven)
            elif project:
                go.append(project)
    for alarm in alarms.going_on().filter(key__startswith=KEY).exclude(key__in=waiting):
        alarms.end(alarm.key)
    return go


def _still_due(pk: int) -> Project | None:
    """The project, unless its deletion is undone: that looks at the same under this lock, and may not come after it
    where nothing is waited for.
    """
    rows = Project.objects.deleted().filter(pk=pk, hours_left=0)
    return rows.select_for_update(of=("self",)).first()


def unproven_of(project: Project) -> list[str]:
    """Databases of production that would be lost for good: each with why, in words."""
    production = instances_of(project).filter(stage=Stage.PRODUCTION, state=Instance.State.READY)
    return [f"{instance.name}: {why}" for instance in production if (why := _not_saved(instance))]


def _not_saved(instance: Instance) -> str:
    """Why its last backup doesn't hold what is in it, "" where it does."""
    last = Backup.objects.filter(instance=instance).order_by("-pk").first()
    if last is None:
        return "there is no backup of it."
    if last.forgotten_at is not None or not last.snapshot:
        return f"nothing is stored of the last backup, {last.pk}."
    if last.proof != Backup.Proof.PROVEN:
        return f"the last backup, {last.pk}, has no proof. {last.wrong}".strip()
    return ""


def _alarm(project: Project, unproven: list[str]) -> None:
    title = f"{project}, which was deleted, keeps its data: production's last backup isn't proven"
    alarms.begin(f"{KEY}{project.pk}", title, f"{' '.join(unproven)} {WAY_OUT}", project_id=project.pk)


def remove_unproven(project: Project, unproven: list[str]) -> None:
    """Whatever is lost by it: the operator said so, and nobody can undo the deletion from here on. A round goes on with
    it where this process ends. Raises ProjectError where the deletion was undone meanwhile.
    """
    with transaction.atomic():
        row = _still_due(project.pk)
        if row is None:
            raise ProjectError(f"The deletion of {project} was undone meanwhile", "Nothing was changed.", "")
        row.condemned_at = clock.now()
        row.save(update_fields=["condemned_at"])
        audit.record(by=None, verb="remove unproven data", object=row.slug, project_id=row.pk, before=unproven)
    for instance in instances_of(project):
        instances.remove(instance)
    finish(project)
    alarms.end(f"{KEY}{project.pk}")


def finish(project: Project) -> None:
    """When all its databases are gone: the rest, and its address and repository are free for others.

    The vault stays, with the last backups in it, until the operator removes it. Safe to repeat.
    """
    if instances_of(project).exists() or not Project.objects.deleted().filter(pk=project.pk).exists():
        return
    _end_webhook(project)
    for mirrors in (f"p{project.pk}.git", f"p{project.pk}.keyed"):
        shutil.rmtree(Path(settings.BERTH_HOME) / "git" / mirrors, ignore_errors=True)
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        if row.removed_at is not None or row.deleted_at is None:
            return
        vault = str(row.vault) if row.vault else None
        row.branches.update(deleted_at=clock.now(), instance=None)
        row.members.all().delete()
        row.deploy_keys.all().delete()
        row.hooks.all().delete()
        former = f"-{row.pk}"  # which nobody can choose
        Project.objects.filter(pk=row.pk).update(
            removed_at=clock.now(),
            slug=former,
            provider_id=former,
            subscription=None,  # its code is free for another
            token="",
            webhook_secret="",
            webhook_id="",
        )
        audit.record(by=None, verb="remove project", object=row.slug, project_id=row.pk, before={"vault": vault})


def _end_webhook(project: Project) -> None:
    """A Git server that refuses, or that can't be asked, keeps one whose deliveries are answered with 401."""
    if project.webhook_id.isdecimal() and project.token:
        try:
            github(project.token).delete_webhook(project.repository, int(project.webhook_id))
        except providers.ProviderError:
            return
