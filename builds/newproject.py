"""A project made of a repository, with its first build."""

from builds.begin import begin
from builds.models import Build
from portal.models import User
from projects import connect
from projects.models import Project, Stage


def make(
    *, by: User, repository: str, name: str, slug: str, series: str, code: str = ""
) -> tuple[Project, Build | None]:
    """Connect it, and build production where it has a commit. Raises ProjectError."""
    project = connect.connect(by=by, repository=repository, name=name, slug=slug, series=series, code=code)
    production = project.branches.filter(stage=Stage.PRODUCTION).exclude(head="").first()
    if production is None:
        return project, None
    return project, begin(branch=production, commit=production.head, by=by)
