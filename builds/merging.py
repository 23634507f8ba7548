"""Merging a branch into another at the Git server, in the name of who asks for it: what GitHub lets that person do.

Nothing is built here. A merge is a push to the branch that it goes into: the webhook tells of it, or a poll finds it.
"""

from builds.begin import is_kept
from portal import audit
from portal.models import User
from portal.stories import PlatformError, ProjectError
from projects import plans, providers
from projects.connect import github
from projects.following import refuse_while_gone
from projects.models import Branch, Stage

BUILT = {
    Stage.PRODUCTION: "The merge is deployed to {into} at once, which is production. Modules whose version rose are "
    "updated, after a rehearsal on a copy and an automatic backup; what serves now goes on until the new code has "
    "proven itself.",
    Stage.STAGING: "The merge is built on {into} at once, in a new copy of production, neutralised. What is in its "
    "present database isn't in that one.",
    Stage.DEVELOPMENT: "The merge is built on {into} at once, in a fresh database with demo data. What is in its "
    "present database isn't in that one.",
}

KEPT = (
    "The database that {into} has is updated with the merge at once: its content stays, and modules whose version rose "
    "are updated behind a page."
)


class Conflict(ProjectError):
    """The two branches change the same lines: somebody has to settle it in Git."""


def merge(*, branch: Branch, into: Branch, by: User) -> str | None:
    """Returns the merge's commit, None where `into` has all of `branch` already.

    Raises ProjectError, and PlatformError where GitHub is away. Nothing was merged then; only where its answer got
    lost nobody knows, and to ask again does no harm.
    """
    reason = refusal(branch, into)
    if reason:
        raise ProjectError(f"{branch} can't be merged into {into}", f"{reason} Nothing was changed.")
    project = branch.project
    refuse_while_gone(project)
    try:
        commit = github(by.github_token).merge(
            project.repository, base=into.name, head=branch.name, message=f"Merge {branch} into {into}"
        )
    except providers.ProviderError as error:
        raise _in_words(error, branch, into) from error
    if commit:
        after = {"into": into.name, "commit": commit}
        audit.record(by=by, verb="merge branch", object=branch.name, project_id=project.pk, after=after)
    return commit


def refusal(branch: Branch, into: Branch) -> str:
    """Why the one can't be merged into the other, "" when it can."""
    if branch == into:
        return "They are the same branch."
    empty = next((each for each in (branch, into) if not each.head), None)
    return f"{empty} has no commit yet." if empty else ""


def _in_words(error: providers.ProviderError, branch: Branch, into: Branch) -> ProjectError | PlatformError:
    title = f"{branch} was not merged into {into}"
    if isinstance(error, providers.MergeConflict):
        return Conflict(
            f"{branch} and {into} conflict",
            "They change the same lines. Nothing was merged: both are as they were.",
            f"Merge {into} into {branch} on your machine, settle the conflict there and push. Then merge again.",
        )
    if isinstance(error, providers.NotFound):
        return ProjectError(
            title,
            f"{error} Nothing was changed.",
            "The repository or one of the branches is gone, or your account may not push there. Look at it on GitHub.",
        )
    if isinstance(error, providers.Unreachable):
        return PlatformError(
            f"Nobody knows whether {branch} was merged",
            str(error),
            f"Look at {into} on GitHub, or merge again: what is merged already is not merged twice.",
        )
    remedy = "" if isinstance(error, providers.Forbidden) else "See what GitHub says; then try again."
    return ProjectError(title, f"{error} Nothing was changed.", remedy)


# --- for people -------------------------------------------------------------------------------------------------------
def effects(branch: Branch, into: Branch) -> list[str]:
    """What a merge does, a sentence each: first to the branches, then to the databases."""
    known = f" (at {branch.head[:7]}, as far as Berth knows)" if branch.head else ""
    return [
        f"GitHub merges {branch}{known} into {into}, by a merge commit in your name.",
        f"{branch} itself stays as it is.",
        after_push(into),
        "If both change the same lines, nothing is merged, and the next page says how to settle it.",
    ]


def after_push(branch: Branch) -> str:
    """What a push to the branch does."""
    plan = plans.plan(branch.project)
    if plan.is_closed:
        return f"Nothing is built: {plan.says}"
    if branch.on_push == Branch.OnPush.NOTHING:
        return f"Nothing is built: by the settings of {branch}, new commits do nothing there until somebody asks."
    if is_kept(branch):
        return KEPT.format(into=branch)
    return BUILT[Stage(branch.stage)].format(into=branch)
