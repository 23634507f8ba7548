"""Handing a project over: Berth works at the Git server with the access of one person, and from then on of another.

Whoever takes it over becomes an admin of the project; who had it stays one, until one of the two changes that.
"""

from django.db import transaction

from portal import audit
from portal.models import User
from portal.stories import ProjectError
from projects.connect import github, install_webhook
from projects.models import Member, Project, Role
from projects.providers import ProviderError


def check(project: Project, by: User) -> None:
    """Raises ProjectError unless the person may administer the repository: else pushes and statuses would end."""
    try:
        may = github(by.github_token).permission(project.repository, by.github_login)
    except ProviderError as error:
        reason = str(error)
    else:
        if may == "admin":
            return
        reason = f"Your permission there is {may}, and it takes admin."
    raise ProjectError(
        f"You can't take {project} over",
        f"Berth would work with {project.repository} by your access. {reason} Nothing was changed.",
        "Get admin rights for the repository, sign in here again, then accept.",
    )


def take(project: Project, by: User) -> Member:
    """Within the caller's transaction, after `check`."""
    member, _new = Member.objects.update_or_create(project=project, user=by, defaults={"role": Role.ADMIN})
    Project.objects.filter(pk=project.pk).update(token=by.github_token, token_of=by, token_error="")
    audit.record(by=by, verb="take project over", object=project.slug, project_id=project.pk, after={"with": str(by)})
    transaction.on_commit(lambda: install_webhook(Project.objects.get(pk=project.pk)))
    return member
