"""Builds begin: on a push, and when somebody asks for one."""

from django.db import transaction

from builds.models import Build
from hosting.models import Instance
from portal import audit, clock, stories
from portal.models import Result, State, Story, User
from portal.stories import ProjectError
from projects import plans, support
from projects.following import refuse_while_gone
from projects.models import Branch, Project, Stage

SKIPPED = "Skipped: a newer commit came before this one began"


@transaction.atomic
def begin(
    *,
    branch: Branch,
    commit: str,
    by: User | None,
    message: str = "",
    author: str = "",
    brings_back: bool = False,
    **source: object,
) -> Build:
    """Write a build down and ring for its story. A push takes the place of builds of the branch that still wait.

    `source` says, by fields of Build, what a database of staging is made of instead of production, whose image is taken
    instead of a new one, whether the branch's database is kept, which Odoo it is made of, and what began it.
    `brings_back`: it is what a lost machine served. Raises ProjectError: see `check`.
    """
    project = Project.objects.select_for_update().get(pk=branch.project_id)
    takes_image = source.get("image_of") is not None
    check(project, is_asked=by is not None, takes_image=takes_image, brings_back=brings_back)
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


def check(project: Project, *, is_asked: bool = True, takes_image: bool = False, brings_back: bool = False) -> None:
    """Raises ProjectError where no build of the project may begin now: it is deleted or closed; its series of Odoo is
    phased out, unless an older build's image is taken or a lost machine's production comes back; or somebody asks
    while its repository is gone.
    """
    if project.deleted_at is not None:
        raise ProjectError(f"{project} is deleted", "No build was begun.", "An admin of it can undo the deletion.")
    plans.check_open(project)
    if not takes_image and not brings_back:
        support.check(project)
    if not takes_image and is_asked:
        refuse_while_gone(project)


def refusal(project: Project, *, is_asked: bool = True, takes_image: bool = False) -> str:
    """What `check` says, "" where a build may begin."""
    try:
        check(project, is_asked=is_asked, takes_image=takes_image)
    except ProjectError as error:
        return error.in_words
    return ""


def is_kept(branch: Branch) -> bool:
    """Whether a push updates the database that the branch has. One that a move left, of another stage, is replaced."""
    wanted, instance = branch.on_push == Branch.OnPush.UPDATE and branch.stage != Stage.PRODUCTION, branch.instance
    there = instance is not None and instance.state == Instance.State.READY and instance.stage == branch.stage
    return wanted and there


def skip_waiting(branch: Branch, verdict: str) -> None:
    """Builds that no worker has begun are ended; one that is being claimed at this moment is not.

    One that was put off ends as a cancelled one does.
    """
    over = {"state": State.DONE, "result": Result.CANCELLED, "finished_at": clock.now()}
    waiting = Story.objects.filter(subject=branch.subject, kind="deploy", state=State.QUEUED, started_at=None)
    for pk in list(waiting.values_list("pk", flat=True)):
        if waiting.filter(pk=pk).update(**over):
            Build.objects.filter(story=pk).update(verdict=verdict, **over)
    for story in Story.objects.put_off().filter(subject=branch.subject, kind="deploy"):
        Build.objects.filter(story=story).update(verdict=verdict)
        stories.cancel(story)


def build_head(*, branch: Branch, by: User) -> Build:
    """Build the branch's newest commit, where pushes don't do so by themselves. Raises ProjectError."""
    if not branch.head:
        raise ProjectError(f"{branch} has no commit yet", "Nothing was begun.", "Push one.")
    build = begin(branch=branch, commit=branch.head, by=by)
    audit.record(by=by, verb="build", object=branch.name, project_id=branch.project_id, after=str(build))
    return build


def rebuild(*, build: Build, by: User) -> Build:
    """The same commit once more. Raises ProjectError."""
    if build.branch.deleted_at is not None:
        raise ProjectError(f"{build.branch} was deleted on GitHub", "Nothing was begun.", "Push it again to build it.")
    again = begin(branch=build.branch, commit=build.commit, by=by, message=build.message, author=build.author)
    audit.record(by=by, verb="rebuild", object=str(build), project_id=build.project_id, after={"build": again.number})
    return again


def cancel(*, build: Build, by: User) -> None:
    """Ask a build to stop; what it did is undone. One that has switched already goes on to its end."""
    if build.story is not None and build.state != State.DONE:
        audit.record(by=by, verb="cancel build", object=str(build), project_id=build.project_id)
        stories.cancel(build.story)
