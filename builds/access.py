"""The only ways in which a page or a call of the API gets hold of a build, a backup, an upload, an import or a mail."""

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from builds import rollback
from builds.models import Build, Restore, Upload
from hosting.models import Backup, Mail
from projects.access import Access, Tool, branch_or_404, project_or_404
from projects.models import Branch, Stage


def build_or_404(request: HttpRequest, slug: str, number: int, tool: Tool) -> tuple[Access, Build]:
    """A build of the project, for somebody who may use `tool` on the build's stage."""
    access = project_or_404(request, slug, Tool.BUILDS)
    rows = Build.objects.select_related("branch", "instance__live_pool", "pool", "story", "asked_by", "runtime")
    build = get_object_or_404(rows, project=access.project, number=number)
    build.project = build.branch.project = access.project
    access.require(tool, build.stage)
    return access, build


def deployed_or_404(request: HttpRequest, slug: str, number: int) -> tuple[Access, Build]:
    """A build that one may go back to, or deploy again: see rollback.deployable."""
    access, build = build_or_404(request, slug, number, Tool.DEPLOY)
    if not rollback.deployable(build):
        raise Http404
    return access, build


def backup_or_404(branch: Branch, pk: int) -> Backup:
    """One of this branch's whose content is there."""
    kept = Backup.objects.filter(forgotten_at=None).exclude(snapshot="")
    return get_object_or_404(kept, pk=pk, instance=branch.instance)


def uploads_of(access: Access, branch: Branch) -> QuerySet[Upload]:
    """The person's own for this branch: nobody sees what others bring."""
    rows = Upload.objects.select_related("story", "branch__project")
    return rows.filter(branch=branch, asked_by=access.person)


def upload_or_404(access: Access, branch: Branch, pk: int) -> Upload:
    """One of the person's own."""
    return get_object_or_404(uploads_of(access, branch), pk=pk)


def import_or_404(branch: Branch, pk: int) -> Restore:
    """What an archive's import into this branch, as production, came to."""
    return get_object_or_404(Restore.objects.select_related("upload"), branch=branch, pk=pk, imported=True)


def mailbox_or_404(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Branch, QuerySet[Mail]]:
    """The mails that a branch's database sent. Production's go to whom they are for."""
    access, branch = branch_or_404(request, slug, pk, Tool.MAILS)
    if branch.stage == Stage.PRODUCTION:
        raise Http404
    return access, branch, Mail.objects.filter(instance=branch.instance) if branch.instance else Mail.objects.none()
