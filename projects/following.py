"""What becomes of a repository and of our way to it: renamed, transferred, deleted; the webhook muted, removed or
failing; the account's grant taken back. Found in rounds, shown in the project's settings, mended there by a click.
"""

import logging

from django.conf import settings
from django.db import transaction

from portal import alarms, audit, clock
from portal.models import User
from portal.rounds import alone
from portal.stories import ProjectError
from projects import providers
from projects.connect import github, install_webhook, webhook_url
from projects.models import Project, Stage
from projects.providers import Repository, Webhook

log = logging.getLogger(__name__)

TEST_CONTEXT = "ci/berth (test)"


def follow(project: Project) -> None:
    """Take over how the repository is called by now, and where it is cloned from; note where it is not to be had any
    more. It is asked for by its id: its former name may be another's. Raises ProviderError.
    """
    try:
        found = github(project.token).repository_by_id(project.provider_id)
    except providers.NotFound:
        _note(project, lost=True)
        raise
    except providers.TokenRefused as error:
        _note(project, token_error=str(error))
        raise
    _note(project)
    _rename(project, found)


def _rename(project: Project, found: Repository) -> None:
    before, after = (project.repository, project.clone_url), (found.full_name, found.clone_url)
    if before == after:
        return
    with transaction.atomic():
        project.repository, project.clone_url = after
        project.save(update_fields=["repository", "clone_url"])
        audit.record(
            by=None, verb="follow repository", object=project.slug, project_id=project.pk, before=before, after=after
        )


def _note(project: Project, *, lost: bool = False, token_error: str = "") -> None:
    """Write down how the repository can be had, and tell the admins when that changes for the worse."""
    if lost != (project.gone_at is not None):
        project.gone_at = clock.now() if lost else None
        verb = "repository gone" if lost else "repository back"
        audit.record(by=None, verb=verb, object=project.slug, project_id=project.pk, after=project.repository)
    project.token_error = token_error[:300]
    project.save(update_fields=["gone_at", "token_error"])
    alarms.keep(
        f"repository-{project.pk}",
        f"GitHub doesn't find {project.repository} any more",
        f"No builds begin until it is found again; what runs goes on. What to do: {_page(project)}",
        wrong=lost,
        project_id=project.pk,
    )
    alarms.keep(
        f"token-{project.pk}",
        f"GitHub refuses the account of {project}",
        f"Private code can't be fetched, and commits get no statuses. What to do: {_page(project)}",
        wrong=bool(token_error),
        project_id=project.pk,
    )


def refuse_while_gone(project: Project) -> None:
    """Raises ProjectError where the repository is not to be had, so that there is nothing to build from."""
    if project.gone_at is not None:
        raise ProjectError(
            f"GitHub doesn't find {project.repository} any more",
            "Nothing was begun; what runs goes on.",
            "Look at GitHub in the project's settings: it says what to do.",
        )


# --- the webhook ------------------------------------------------------------------------------------------------------
@alone
def look_at_webhooks() -> None:
    """Every ten minutes: those that were muted or removed, or fail."""
    for project in Project.objects.alive().exclude(token="").filter(gone_at=None, token_error="").order_by("pk"):
        try:
            look_at_webhook(project)
        except providers.Unreachable as error:
            log.warning("looking at webhooks ends at %s: %s", project.slug, error)
            return  # what waits behind these calls is the mending of everything


def look_at_webhook(project: Project) -> None:
    """Note what is wrong with the webhook, "" for nothing. Raises Unreachable."""
    try:
        hook = github(project.token).webhook_state(project.repository, webhook_url(project))
        wrong = _wrong_with(hook)
        project.webhook_id = str(hook.id) if hook else ""
    except providers.Unreachable:
        raise
    except providers.ProviderError as error:
        wrong = f"It can't be looked at: {error}"
    project.webhook_error, project.webhook_seen_at = wrong[:300], clock.now()
    project.save(update_fields=["webhook_id", "webhook_error", "webhook_seen_at"])
    alarms.keep(
        f"webhook-{project.pk}",
        f"The webhook of {project} needs mending",
        f"{wrong} Builds begin a little later. One click mends it: {_page(project)}",
        wrong=bool(wrong),
        project_id=project.pk,
    )


def _wrong_with(hook: Webhook | None) -> str:
    if hook is None:
        return "It was removed at GitHub."
    if not hook.active:
        return "It was switched off at GitHub."
    if hook.muted:
        return "It was changed at GitHub, and tells of no pushes any more."
    if hook.last_code is not None and not 200 <= hook.last_code < 300:
        return f"GitHub's last delivery failed with {hook.last_code}: {hook.last_message}."
    return ""


def mend_webhook(*, project: Project, by: User) -> str:
    """Install it or set it right, and let GitHub try it: says so. Raises ProjectError."""
    install_webhook(project)
    audit.record(by=by, verb="mend webhook", object=project.slug, project_id=project.pk, after=project.webhook_error)
    try:
        if not project.webhook_error:
            github(project.token).ping_webhook(project.repository, int(project.webhook_id))
            alarms.end(f"webhook-{project.pk}")
            return "The webhook is in order; GitHub tries it now."
    except providers.ProviderError as error:
        project.webhook_error = f"It was mended, but could not be tried: {error}"[:300]
    raise ProjectError(
        "The webhook could not be mended",
        project.webhook_error,
        "An admin of the repository may lend his account below, then try again.",
    )


# --- the account ------------------------------------------------------------------------------------------------------
def lend(*, project: Project, by: User) -> str:
    """Let the project use the person's GitHub account from now on: says so. Raises ProjectError."""
    try:
        github(by.github_token).repository_by_id(project.provider_id)
    except providers.ProviderError as error:
        raise ProjectError(
            "Your GitHub account can't be used", str(error), "Sign in with GitHub again, or ask who may see it."
        ) from error
    with transaction.atomic():
        project.token, project.token_of = by.github_token, by
        project.save(update_fields=["token", "token_of"])
        audit.record(by=by, verb="lend account", object=project.slug, project_id=project.pk, after=by.github_login)
    try:
        follow(project)
        look_at_webhook(project)
    except providers.ProviderError as error:
        return f"The project uses your GitHub account from now on; what it asked with it at once was refused: {error}"
    return "The project uses your GitHub account now."


def try_statuses(*, project: Project, by: User) -> str:
    """Set a status on production's newest commit, to see whether the account may: says so. Raises ProjectError."""
    branch = project.branches.alive().filter(stage=Stage.PRODUCTION).exclude(head="").first()
    if branch is None:
        raise ProjectError("There is no commit to try it on", "Production has none.", "Push one, then try again.")
    try:
        github(project.token).set_commit_status(
            project.repository,
            branch.head,
            "success",
            context=TEST_CONTEXT,
            description="Berth may set commit statuses",
            target_url=_page(project),
        )
    except providers.ProviderError as error:
        raise ProjectError(
            "Commits get no statuses", str(error), "Lend an account that may push to the repository."
        ) from error
    audit.record(by=by, verb="try commit status", object=project.slug, project_id=project.pk, after=branch.head)
    return f"It works: {branch.head[:7]} on {branch} has the status {TEST_CONTEXT}."


def _page(project: Project) -> str:
    return f"{settings.BERTH_PORTAL_URL}/{project.slug}/settings/github/"
