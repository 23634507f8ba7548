"""The only way in which a page gets hold of a build."""

from django.http import Http404, HttpRequest

from builds.models import Build
from projects.access import Access, Tool, project_or_404


def build_or_404(request: HttpRequest, slug: str, number: int, tool: Tool) -> tuple[Access, Build]:
    """A build of the project, for somebody who may use `tool` on the build's stage."""
    access = project_or_404(request, slug, Tool.BUILDS)
    rows = Build.objects.select_related("branch", "instance__live_pool", "pool", "story", "asked_by", "runtime")
    build = rows.filter(project=access.project, number=number).first()
    if build is None:
        raise Http404
    build.project = build.branch.project = access.project
    access.require(tool, build.stage)
    return access, build
