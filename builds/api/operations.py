"""Operations: the stories that a project's people begin, found by their number, with what came of them.

Whether what was asked for is there is read from the rows, and said apart from how the story ended: nobody has to take
one for the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from builds import upload as uploads
from builds.api.rows import OperationRow
from builds.models import Build, Download, Parked, Resize, Restore, Retired, Rollback, Upload
from hosting.models import Backup, Instance, Pool
from portal import clock
from portal.models import State, Story
from projects.access import Access, Tool, project_or_404
from projects.models import Branch, Project, Stage

FOLLOWED = {202: OperationRow}  # what is answered where a story begins


@dataclass(frozen=True)
class Found:
    """What a story is about: who may follow it, and whether it came about."""

    tool: Tool
    stage: str
    about: str
    confirmed: bool
    finding: str


def accepted(request: Request, slug: str, story: Story | None) -> Response:
    """202 with the operation to follow."""
    assert story is not None
    access = project_or_404(request, slug, Tool.BUILDS)
    address = reverse("api:operation", args=[slug, story.pk], request=request)
    return Response(OperationRow(shown(access, story)).data, status=202, headers={"Location": address})


def story_or_404(request: Request, slug: str, pk: int) -> tuple[Access, Story]:
    """A story of the project's, for who may begin such a one."""
    access = project_or_404(request, slug, Tool.BUILDS)
    story = get_object_or_404(Story, pk=pk)
    _found(access, story)
    return access, story


def shown(access: Access, story: Story) -> dict[str, Any]:
    """The operation as it stands, for who may begin such a one. Raises Http404, PermissionDenied."""
    found = _found(access, story)
    done = story.state == State.DONE
    error = {"title": story.error_title, "detail": story.error_detail, "remedy": story.error_remedy}
    return {
        "id": story.pk,
        "kind": story.kind,
        "state": story.state,
        "result": story.result,
        "confirmed": found.confirmed if done else None,
        "finding": found.finding if done else "",
        "error": error if story.error_title else None,
        "steps": list(story.steps.all()),
        "about": found.about,
        "created_at": story.created_at,
        "started_at": story.started_at,
        "finished_at": story.finished_at,
    }


def _found(access: Access, story: Story) -> Found:
    find = KINDS.get(story.kind)
    found = find(access.project, story.object_id) if find else None
    if found is None:
        raise Http404
    access.require(found.tool, found.stage)
    return found


# --- the kinds --------------------------------------------------------------------------------------------------------
def _deploy(project: Project, pk: int) -> Found | None:
    build = Build.objects.select_related("pool").filter(project=project, pk=pk).first()
    if build is None:
        return None
    if build.switched_at is None:
        finding = f"#{build.number} never served."
    elif build.pool is not None and build.pool.state == Pool.State.LIVE:
        finding = f"#{build.number} serves, at commit {build.pool.commit}."
    else:
        finding = f"#{build.number} served from {build.switched_at:%Y-%m-%d %H:%M:%S} UTC on, and does no more."
    return Found(Tool.LOGS, build.stage, _build(project, build), build.switched_at is not None, finding)


def _rollback(project: Project, pk: int) -> Found | None:
    row = Rollback.objects.select_related("build", "pool").filter(build__project=project, pk=pk).first()
    if row is None:
        return None
    number, serves = row.build.number, row.pool is not None and row.pool.state == Pool.State.LIVE
    if not row.switched:
        finding = f"Requests did not go back to #{number}."
    else:
        finding = f"#{number} serves again." if serves else f"#{number} served again, and does no more."
    return Found(Tool.DEPLOY, Stage.PRODUCTION, _build(project, row.build), row.switched, finding)


def _backup(project: Project, pk: int) -> Found | None:
    row = Backup.objects.filter(pk=pk, vault=project.vault_id).first() if project.vault_id else None
    if row is None:
        return None
    proven = bool(row.snapshot) and row.proof == Backup.Proof.PROVEN
    if not row.snapshot:
        finding = "Nothing is stored."
    else:
        finding = "It was restored and opened for proof." if proven else f"It is stored and not proven. {row.wrong}"
    about = reverse("api:backup", args=[project.slug, row.pk])
    return Found(Tool.BACKUPS, Stage.PRODUCTION, about, proven, finding.strip())


def _restore(project: Project, pk: int) -> Found | None:
    row = Restore.objects.select_related("branch").filter(branch__project=project, pk=pk).first()
    if row is None:
        return None
    if row.switched_at is None:
        finding = "Production's database is as it was."
    elif row.answered_at is None:
        finding = "The restored database took its place, and was not seen to answer."
    else:
        finding = f"The restored database answered at {row.answered_at:%Y-%m-%d %H:%M:%S} UTC."
    confirmed = row.switched_at is not None and row.answered_at is not None
    about = _import(project, row) if row.imported else _branch(project, row.branch)
    return Found(Tool.BACKUPS, Stage.PRODUCTION, about, confirmed, finding)


def _upload(project: Project, pk: int) -> Found | None:
    row = Upload.objects.select_related("branch").filter(branch__project=project, pk=pk).first()
    if row is None:
        return None
    refused = uploads.refusal(row)
    about = reverse("api:upload", args=[project.slug, row.branch_id, row.pk])
    return Found(Tool.BACKUPS, row.branch.stage, about, not refused, refused or "The archive can be imported.")


def _switch_on(project: Project, pk: int) -> Found | None:
    row = Parked.objects.select_related("restore__branch").filter(restore__branch__project=project, pk=pk).first()
    if row is None:
        return None
    on = row.switched_on_at is not None
    finding = f"{row} is {'on' if on else 'still off'}."
    return Found(Tool.BACKUPS, row.restore.branch.stage, _import(project, row.restore), on, finding)


def _download(project: Project, pk: int) -> Found | None:
    row = Download.objects.filter(branch__project=project, pk=pk).first()
    if row is None:
        return None
    there = row.expires_at is not None and row.expires_at > clock.now()
    until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else ""
    finding = f"The file is there{until}." if there else "There is no file."
    return Found(Tool.BACKUPS, Stage.PRODUCTION, reverse("api:downloads", args=[project.slug]), there, finding)


def _retire(project: Project, pk: int) -> Found | None:
    row = Retired.objects.select_related("branch", "instance").filter(project=project, pk=pk).first()
    if row is None:
        return None
    finding = f"{row.branch} is on production as before."
    if row.at is not None:
        finding = f"{row.branch} left production; its database, {row.instance.name}, is kept."
    return Found(Tool.BRANCH_SETTINGS, Stage.PRODUCTION, _branch(project, row.branch), row.at is not None, finding)


def _resize(project: Project, pk: int) -> Found | None:
    row = Resize.objects.select_related("branch").filter(branch__project=project, pk=pk).first()
    if row is None:
        return None
    branch = row.branch
    confirmed = (branch.memory_mb, branch.cpus) == (row.memory_mb, row.cpus)
    finding = f"Each container of {branch} has {branch.memory_mb:,} MB."
    return Found(Tool.BRANCH_SETTINGS, branch.stage, _branch(project, branch), confirmed, finding)


def _wake(project: Project, pk: int) -> Found | None:
    branch = Branch.objects.alive().select_related("instance").filter(project=project, instance=pk).first()
    if branch is None or branch.instance is None:
        return None
    awake = branch.instance.door == Instance.Door.OPEN
    finding = f"{branch.instance.hostname} is {'open' if awake else 'not open'}."
    return Found(Tool.CONNECT, branch.stage, _branch(project, branch), awake, finding)


KINDS: dict[str, Callable[[Project, int], Found | None]] = {
    "deploy": _deploy,
    "rollback": _rollback,
    "backup": _backup,
    "restore": _restore,
    "download": _download,
    "retire": _retire,
    "resize": _resize,
    "wake": _wake,
    "upload": _upload,
    "switch-on": _switch_on,
}


def _build(project: Project, build: Build) -> str:
    return reverse("api:build", args=[project.slug, build.number])


def _import(project: Project, restore: Restore) -> str:
    return reverse("api:import", args=[project.slug, restore.branch_id, restore.pk])


def _branch(project: Project, branch: Branch) -> str:
    return reverse("api:branch", args=[project.slug, branch.pk])
