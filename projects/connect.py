"""Connecting a repository: the project, its branches, its webhook."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from hosting.models import Host
from portal import audit
from portal.models import User
from portal.stories import ProjectError
from projects import plans, providers, subscriptions, support
from projects.git import GitError, validate_branch
from projects.models import SLUG, Branch, Member, Project, Role, Stage, Subscription
from projects.providers.github import GitHub

RESERVED_SLUGS = {"account", "operator", "api", "static", "webhooks", "hooks", "admin", "www", "mail"}
RESERVED_SLUGS |= {
    "sign-in",
    "sign-out",
    "new",
    "login",
    "complete",
    "healthz",
    "inside",
    "invitations",
}  # the portal's own paths
INSTANCE_NAME = re.compile(r"-i\d+$")  # so end the addresses of staging and development


def github(token: str) -> GitHub:
    """GitHub, as whose token it is. Raises Forbidden for none."""
    if not token:
        raise providers.Forbidden("There is no GitHub account to do it with: sign in with GitHub first.")
    return GitHub(token, settings.BERTH_GITHUB_API_URL)


def repositories(user: User) -> Sequence[providers.Repository]:
    """What the person may connect. Raises ProviderError."""
    return github(user.github_token).repositories()


def connect(*, by: User, repository: str, name: str, slug: str, series: str, code: str = "") -> Project:
    """Make a project of a repository, and let GitHub tell of its pushes. Nothing is built yet. Raises ProjectError."""
    found = look(by=by, repository=repository, slug=slug, series=series, code=code)
    project = create(by=by, found=found, name=name, slug=slug, series=series, code=code)
    install_webhook(project)
    return project


@dataclass(frozen=True)
class Found:
    """What GitHub says of a repository."""

    repository: providers.Repository
    heads: Sequence[providers.BranchHead]


def look(*, by: User, repository: str, slug: str, series: str, code: str = "") -> Found:
    """Ask GitHub for a repository, where a project could be made with the rest. Raises ProjectError."""
    _check(slug=slug, series=series)
    subscriptions.for_new_project(code)
    try:
        found = github(by.github_token).repository(repository)
        heads = github(by.github_token).branches(repository)
    except providers.ProviderError as error:
        raise ProjectError(
            f"{repository} can't be read",
            str(error),
            "Sign in with GitHub again, and check that you may see the repository.",
        ) from error
    return Found(found, heads)


def _check(*, slug: str, series: str) -> None:
    try:
        SLUG(slug)
    except ValidationError as error:
        raise ProjectError(f"The address {slug!r} can't be used", str(error.message), "Choose another one.") from error
    if slug in RESERVED_SLUGS or INSTANCE_NAME.search(slug):
        raise ProjectError(f"The address {slug!r} is reserved", "", "Choose another one.")
    if series not in settings.BERTH_ODOO_IMAGES:
        known = ", ".join(settings.BERTH_ODOO_IMAGES)
        raise ProjectError(
            f"Odoo {series} isn't offered here", f"This installation has {known}.", "Choose one of them."
        )
    if refused := support.refusal(series):
        raise ProjectError(f"Odoo {series} is phased out", f"{refused} Nothing was made.", "Choose a newer series.")


@transaction.atomic
def create(*, by: User, found: Found, name: str, slug: str, series: str, code: str = "") -> Project:
    """A project of a repository: its default branch becomes production, the others development. It has the
    subscription with this code, and is a trial without one. Raises ProjectError.
    """
    repository = found.repository
    subscription = subscriptions.for_new_project(code)
    host = _host(subscription)
    try:
        with transaction.atomic():
            project = Project.objects.create(
                name=(name or repository.full_name)[:100],
                slug=slug,
                series=series,
                host=host,
                repository=repository.full_name,
                provider_id=repository.provider_id,
                clone_url=repository.clone_url,
                token=by.github_token,
                token_of=by,
            )
    except IntegrityError as error:
        taken = Project.objects.filter(slug=slug).exists()
        raise ProjectError(
            f"The address {slug!r} is taken" if taken else f"{repository.full_name} is connected already",
            "Nothing was created.",
            "Choose another address."
            if taken
            else "A repository has one project: delete that one first, or ask its admins in.",
        ) from error
    subscriptions.begin(project, subscription)
    Member.objects.create(project=project, user=by, role=Role.ADMIN)
    known = {repository.default_branch: ""} | {head.name: head.sha for head in found.heads if _is_usable(head.name)}
    for branch, sha in known.items():
        stage = Stage.PRODUCTION if branch == repository.default_branch else Stage.DEVELOPMENT
        made = Branch(project=project, name=branch, stage=stage, head=sha)
        if stage == Stage.PRODUCTION:
            made.workers, made.replicas = plans.granted_workers(made)
        made.save()
    after = {
        "repository": repository.full_name,
        "code": str(subscription or ""),
        "trial": project.trial_hours is not None,
    }
    audit.record(by=by, verb="create project", object=slug, project_id=project.pk, after=after)
    return project


def _host(subscription: Subscription | None) -> Host:
    """The first one, or the first of the subscription's region. Raises ProjectError."""
    hosts = Host.objects.order_by("pk")
    if not hosts:
        raise ProjectError(
            "No machine is set up", "This installation has no host yet.", "Tell the operator to run bin/up."
        )
    found = hosts.filter(region=subscription.region).first() if subscription and subscription.region else hosts[0]
    if found is None:
        regions = ", ".join(sorted({host.region for host in hosts}))
        raise ProjectError(
            f"{subscription} is for another region",
            f"Machines are in {regions} here. No project was created.",
            subscriptions.RENEW,
        )
    return found


def _is_usable(branch: str) -> bool:
    try:
        validate_branch(branch)
    except GitError:
        return False
    return True


def webhook_url(project: Project) -> str:
    return f"{settings.BERTH_PORTAL_URL}/hooks/{project.pk}/"


def install_webhook(project: Project) -> None:
    """Install or repair the webhook. A refusal is kept on the project, where its settings page shows what to do."""
    try:
        webhook_id = github(project.token).ensure_webhook(
            project.repository, webhook_url(project), project.webhook_secret
        )
        project.webhook_id, project.webhook_error = str(webhook_id), ""
    except providers.ProviderError as error:
        project.webhook_error = f"The webhook could not be installed: {error}"[:300]
    project.save(update_fields=["webhook_id", "webhook_error"])
