"""A project made of a repository, with its first build."""

from django.db import transaction

from builds.begin import begin
from builds.models import Build
from portal.models import User
from projects import connect
from projects.models import Project, Stage


def make(
    *, by: User, repository: str, name: str, slug: str, series: str, code: str = ""
) -> tuple[Project, Build | None]:
    """Connect it, and build production where it has a commit. Raises ProjectError.

    The project and its first build are written at once, since nothing later would find a build that is missing. A
    webhook that is missing is found, and told of.
    """
    found = connect.look(by=by, repository=repository, slug=slug, series=series, code=code)
    with transaction.atomic():
        project = connect.create(by=by, found=found, name=name, slug=slug, series=series, code=code)
        production = project.branches.filter(stage=Stage.PRODUCTION).exclude(head="").first()
        build = begin(branch=production, commit=production.head, by=by) if production else None
    connect.install_webhook(project)
    return project, build
