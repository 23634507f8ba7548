"""News of builds and backups, for people and for programs, in the transaction in which a story ends."""

from builds.models import Build
from hosting.models import Backup
from portal.models import Result
from projects import notices, outgoing
from projects.access import Tool
from projects.models import Branch, Project, Stage
from projects.news import Event, News

WORKED = {Result.SUCCESS, Result.WARNING}


def build(build: Build) -> None:
    """Nothing of one that somebody cancelled."""
    if build.result == Result.CANCELLED:
        return
    production, worked = build.stage == Stage.PRODUCTION, build.result in WORKED
    done, failed = (Event.DEPLOY_DONE, Event.DEPLOY_FAILED) if production else (Event.BUILD_DONE, Event.BUILD_FAILED)
    facts = {
        "number": build.number,
        "branch": build.branch.name,
        "stage": build.stage,
        "commit": build.commit,
        "result": build.result,
        "verdict": build.verdict,
        "trigger": build.trigger,
        "address": build.instance.url if worked and build.instance else "",
    }
    _announce(
        build.project,
        News(
            event=done if worked else failed,
            title=f"#{build.number} {build.branch.name}: {build.verdict}",
            path=f"/{build.project.slug}/builds/{build.number}/",
            tool=Tool.LOGS,
            stage=Stage(build.stage),
            facts={"build": facts},
        ),
    )


def backup(backup: Backup) -> None:
    backup.refresh_from_db(fields=["proof", "wrong", "restore_seconds"])
    branch = Branch.objects.select_related("project").filter(instance=backup.instance).first()
    if branch is None:
        return
    proven = backup.proof == Backup.Proof.PROVEN
    kind, first = Backup.Kind(backup.kind).label, backup.wrong.partition("\n")[0][:200]
    facts = {
        "id": backup.pk,
        "kind": backup.kind,
        "proven": proven,
        "wrong": backup.wrong[:1000],
        "taken_at": backup.taken_at.isoformat() if backup.taken_at else None,
        "size_bytes": backup.size_bytes,
        "restore_seconds": backup.restore_seconds,
    }
    _announce(
        branch.project,
        News(
            event=Event.BACKUP_DONE if proven else Event.BACKUP_FAILED,
            title=f"{kind} backup of {branch}: " + ("made and proven" if proven else f"not proven. {first}"),
            path=f"/{branch.project.slug}/branches/{branch.pk}/backups/{backup.pk}/",
            tool=Tool.BACKUPS,
            stage=Stage.PRODUCTION,
            facts={"backup": facts},
        ),
    )


def _announce(project: Project, news: News) -> None:
    outgoing.tell(project, news)
    notices.tell(project, news)
