"""Moving a branch to another stage. What each means for the database: README, "How a deploy works"."""

from django.db import IntegrityError, transaction

from builds.begin import begin
from portal import audit
from portal.models import User
from portal.stories import ProjectError
from projects.models import Branch, Stage


def move(*, branch: Branch, stage: Stage, by: User) -> None:
    """Put the branch on `stage`, and build its head there: staging gets a neutralised copy of production.

    Its databases stay until the clean-up. Raises ProjectError, and changes nothing then.
    """
    if branch.stage == stage:
        return
    if branch.stage == Stage.PRODUCTION:
        raise ProjectError(
            f"{branch} is production and stays there",
            "Its database would lose its address. Nothing was changed.",
            "Merge what you want to deploy into this branch, or name another branch for it in the repository.",
        )
    before = branch.stage
    try:
        with transaction.atomic():
            Branch.objects.filter(pk=branch.pk).update(stage=stage, instance=None)
            branch.refresh_from_db()
            audit.record(
                by=by, verb="move branch", object=branch.name, project_id=branch.project.pk, before=before, after=stage
            )
            if branch.head:
                begin(branch=branch, commit=branch.head, by=by)
    except IntegrityError as error:
        raise ProjectError(
            "There is a production branch already",
            "A project has exactly one. Nothing was changed.",
            f"Merge {branch} into it instead.",
        ) from error
