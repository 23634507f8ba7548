"""Reads of builds for lists: each one query, whatever the number of rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, F, IntegerField, OuterRef, Q, QuerySet, Subquery, When, Window
from django.db.models.functions import RowNumber

from builds.models import Build, BuildQuerySet, Rollback
from projects.models import Branch, Project, Stage

STAGES = (Stage.PRODUCTION, Stage.STAGING, Stage.DEVELOPMENT)


@dataclass(frozen=True)
class StageOfProject:
    stage: Stage
    build: Build | None  # the latest on that stage


@dataclass(frozen=True)
class ProjectCard:
    project: Project
    production: Branch | None
    stages: list[StageOfProject]
    latest: Build | None


@dataclass(frozen=True)
class Row:
    """A branch with its newest builds, newest first."""

    branch: Branch
    builds: list[Build]
    more: bool  # whether there are older ones


def for_lists() -> BuildQuerySet:
    """Builds without what only their own page shows."""
    return Build.objects.defer("inspection", "tests", "to_update", "image_id", "odoo_image")


def by_activity(branches: QuerySet[Branch]) -> QuerySet[Branch]:
    """The branch with the newest build first; those without any last, newest first."""
    newest = Build.objects.filter(branch=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    return branches.annotate(newest=Subquery(newest)).order_by(F("newest").desc(nulls_last=True), "-pk")


def by_stage(branches: QuerySet[Branch]) -> QuerySet[Branch]:
    """Production, then staging, then development; in each the most active first."""
    places = [When(stage=stage, then=place) for place, stage in enumerate(STAGES)]
    rank = Case(*places, output_field=IntegerField())
    return by_activity(branches).order_by(rank, F("newest").desc(nulls_last=True), "-pk")


def with_newest(projects: QuerySet[Project]) -> QuerySet[Project]:
    """With the newest build's id (`newest`) and that of each stage, by which the most active comes first.

    Each is one probe of an index, however many builds there are.
    """
    of_project = Build.objects.filter(project=OuterRef("pk")).order_by("-pk").values("pk")
    by_stage = {f"newest_{stage}": Subquery(of_project.filter(stage=stage)[:1]) for stage in STAGES}
    found = projects.annotate(newest=Subquery(of_project[:1]), **by_stage)
    return found.order_by(F("newest").desc(nulls_last=True), "-pk")


def cards(projects: list[Project]) -> list[ProjectCard]:
    """For projects that come `with_newest`."""
    ids = [getattr(project, f"newest_{stage}") for project in projects for stage in STAGES]
    newest = {(build.project_id, build.stage): build for build in for_lists().filter(pk__in=filter(None, ids))}
    production = {
        branch.project_id: branch
        for branch in Branch.objects.alive()
        .filter(project__in=projects, stage=Stage.PRODUCTION)
        .select_related("instance")
    }
    return [_card(project, production.get(project.pk), newest) for project in projects]


def _card(project: Project, production: Branch | None, newest: dict[tuple[int, str], Build]) -> ProjectCard:
    stages = [StageOfProject(stage, newest.get((project.pk, stage))) for stage in STAGES]
    builds = [each.build for each in stages if each.build]
    return ProjectCard(project, production, stages, max(builds, key=lambda build: build.pk, default=None))


def rows(branches: Iterable[Branch], *, cells: int) -> list[Row]:
    """Each branch with its `cells` newest builds."""
    of_branch: dict[int, list[Build]] = {branch.pk: [] for branch in branches}
    numbered = for_lists().annotate(
        place=Window(RowNumber(), partition_by=F("branch_id"), order_by=F("pk").desc()),
    )
    for build in numbered.filter(branch__in=list(of_branch), place__lte=cells + 1).order_by("-pk"):
        of_branch[build.branch_id].append(build)
    return [Row(branch, of_branch[branch.pk][:cells], more=len(of_branch[branch.pk]) > cells) for branch in branches]


def turns(build: Build) -> list[Rollback]:
    """The latest rollbacks to a build or away from it, newest first."""
    found = Rollback.objects.filter(Q(build=build) | Q(left=build)).select_related("build", "left", "asked_by", "story")
    return list(found.order_by("-pk")[:3])


def matching(branches: QuerySet[Branch], search: str) -> QuerySet[Branch]:
    return branches.filter(name__icontains=search) if search else branches
