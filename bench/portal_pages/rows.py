"""Rows of a full installation."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection

from builds.models import Build
from portal import clock
from portal.models import LogChunk, Result, State, Step, Story, User
from projects.models import Branch, Member, Project, Role, Stage
from tests import cast

PROJECTS, BRANCHES, BUILDS = 200, 2_000, 20_000
OF_THE_LARGEST = 5  # it has a fifth of all branches and builds
LOG_LINES = 2_000


def fill(mark: str) -> tuple[User, Project]:
    """Alice, who is admin of every project, and the project with the most rows."""

    alice = cast.person(mark)
    projects = make_projects(mark, alice)
    make_builds(make_branches(projects))
    newest = projects[0].branches.get(name="main").builds.latest("pk")
    newest.story = Story.objects.create(
        kind="deploy",
        queue="deploy",
        subject=mark,
        object_id=newest.pk,
        state=State.DONE,
        result=Result.FAILURE,
    )
    newest.result = Result.FAILURE
    newest.save()
    make_output(newest.story)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE projects_project, projects_branch, projects_member, builds_build, portal_step")
    return alice, projects[0]


def make_projects(mark: str, alice: User) -> list[Project]:

    host = cast.host()
    projects = Project.objects.bulk_create(
        Project(
            name=f"Project {number}",
            slug=f"{mark}-{number}",
            series="18.0",
            host=host,
            repository=f"acme/{mark}-{number}",
            provider_id=f"{mark}-{number}",
            clone_url=f"https://github.com/acme/{mark}-{number}.git",
            builds_counted=BUILDS,
        )
        for number in range(PROJECTS)
    )
    Member.objects.bulk_create(Member(project=project, user=alice, role=Role.ADMIN) for project in projects)
    return projects


def make_branches(projects: list[Project]) -> list[Branch]:
    """`main` in production and one staging branch for each project; the rest is development."""

    def branches() -> Iterator[Branch]:
        for number in range(BRANCHES):
            place = number if number < 2 * PROJECTS else number % OF_THE_LARGEST and number
            project = projects[place % PROJECTS]
            if number < PROJECTS:
                yield Branch(project=project, name="main", stage=Stage.PRODUCTION, head="4" * 40)
            elif number < 2 * PROJECTS:
                yield Branch(project=project, name="staging", stage=Stage.STAGING, head="4" * 40)
            else:
                yield Branch(project=project, name=f"feature/some-work-{number}", stage=Stage.DEVELOPMENT)

    return Branch.objects.bulk_create(branches(), batch_size=500)


def make_builds(branches: list[Branch]) -> None:

    results = (Result.SUCCESS, Result.SUCCESS, Result.WARNING, Result.FAILURE, Result.CANCELLED)
    now = clock.now()

    def builds() -> Iterator[Build]:
        for number in range(BUILDS):
            branch = branches[number % len(branches)]
            began = now - timedelta(minutes=BUILDS - number)
            yield Build(
                project=branch.project,
                branch=branch,
                number=number + 1,
                stage=branch.stage,
                commit=f"{number:040x}",
                message=f"Change number {number} of the stock valuation report\n\nWith a word about why.",
                author="Alice Ferrari",
                state=State.DONE,
                result=results[number % len(results)],
                verdict=f"Deployed {number:07x} to {branch.stage} in 41 s",
                created_at=began,
                started_at=began,
                finished_at=began + timedelta(seconds=41),
            )

    Build.objects.bulk_create(builds(), batch_size=1_000)


def make_output(story: Story) -> None:
    """Nine steps; the fourth failed after LOG_LINES lines."""

    now = clock.now()
    for position in range(9):
        failed = position == 3
        step = Step.objects.create(
            story=story,
            name=f"step_{position}",
            title=f"Step number {position}",
            position=position,
            state=State.DONE if position <= 3 else State.QUEUED,
            result=Result.FAILURE if failed else Result.SUCCESS if position < 3 else Result.NONE,
            started_at=now if position <= 3 else None,
            finished_at=now if position <= 3 else None,
        )
        if failed:
            line = "2026-11-21 20:56:29,859 11 INFO database odoo.modules.loading: Loading module stock (31/93)\n"
            LogChunk.objects.bulk_create(LogChunk(step=step, text=line * 20) for _number in range(LOG_LINES // 20))
