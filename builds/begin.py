"""Builds begin: on a push, and when somebody asks for one."""

from django.db import transaction

from builds.models import Build
from portal import audit, clock, stories
from portal.models import Result, State, Story, User
from projects.models import Branch, Project

SKIPPED = "Skipped: a newer commit came before this one began"


@transaction.atomic
def begin(
    *, branch: Branch, commit: str, by: User | None, message: str = "", author: str = "", **source: object
) -> Build:
    """Write a build down and ring for its story. A push takes the place of builds of the branch that still wait.

    `source` says, by fields of Build, what a database of staging is made of instead of production.
    """
    project = Project.objects.select_for_update().get(pk=branch.project_id)
    if by is None:
        skip_waiting(branch, SKIPPED)
    project.builds_counted += 1
    project.save(update_fields=["builds_counted"])
    build = Build.objects.create(
        project=project,
        branch=branch,
        number=project.builds_counted,
        stage=branch.stage,
        commit=commit,
        message=message,
        author=author[:200],
        asked_by=by,
        **source,
    )
    build.story = stories.begin("deploy", object_id=build.pk, subject=branch.subject)
    build.save(update_fields=["story"])
    return build


def skip_waiting(branch: Branch, verdict: str) -> None:
    """Builds that no worker has begun are ended; one that is being claimed at this moment is not."""
    over = {"state": State.DONE, "result": Result.CANCELLED, "finished_at": clock.now()}
    waiting = Story.objects.filter(subject=branch.subject, kind="deploy", state=State.QUEUED, started_at=None)
    for pk in list(waiting.values_list("pk", flat=True)):
        if waiting.filter(pk=pk).update(**over):
            Build.objects.filter(story=pk).update(verdict=verdict, **over)


def rebuild(*, build: Build, by: User) -> Build:
    """The same commit once more."""
    again = begin(branch=build.branch, commit=build.commit, by=by, message=build.message, author=build.author)
    audit.record(by=by, verb="rebuild", object=str(build), project_id=build.project_id, after={"build": again.number})
    return again


def cancel(*, build: Build, by: User) -> None:
    """Ask a build to stop; what it did is undone. One that has switched already goes on to its end."""
    if build.story is not None and build.state != State.DONE:
        audit.record(by=by, verb="cancel build", object=str(build), project_id=build.project_id)
        stories.cancel(build.story)
