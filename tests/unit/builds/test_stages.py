"""Moving a branch to another stage."""

from types import SimpleNamespace

import pytest

from builds import deliveries, stages
from builds.models import Build, Retired
from portal.models import AuditEntry
from portal.stories import ProjectError
from projects.models import Branch, Project, Stage
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("library", people)


def test_a_branch_that_moves_to_staging_is_built_there(project: Project, people: SimpleNamespace) -> None:
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    stages.move(branch=feature, stage=Stage.STAGING, by=people.alice)
    build = Build.objects.get()
    assert (build.stage, build.commit, build.asked_by) == (Stage.STAGING, "a" * 40, people.alice)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.verb, entry.before, entry.after) == ("move branch", "development", "staging")


def test_an_update_in_place_becomes_a_build_in_production_and_that_is_written_down(
    project: Project, people: SimpleNamespace
) -> None:
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, on_push="update")
    stages.move(branch=feature, stage=Stage.PRODUCTION, by=people.alice)
    entry = AuditEntry.objects.get(verb="change branch settings")
    assert (entry.object, entry.before, entry.after) == ("feature", {"on_push": "update"}, {"on_push": "build"})


def test_there_is_one_production_branch(project: Project, people: SimpleNamespace) -> None:
    cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    with pytest.raises(ProjectError) as refused:
        stages.move(branch=feature, stage=Stage.PRODUCTION, by=people.alice)
    assert "main is the production branch already" in refused.value.detail
    assert refused.value.remedy == "Merge feature into main, or move main to development first."
    feature.refresh_from_db()
    assert feature.stage == Stage.DEVELOPMENT
    assert not Build.objects.exists()


def test_production_is_no_copy_of_itself(project: Project, people: SimpleNamespace) -> None:
    main = cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    with pytest.raises(ProjectError, match="was not moved"):
        stages.move(branch=main, stage=Stage.STAGING, by=people.alice)
    assert Branch.objects.get().stage == Stage.PRODUCTION


def test_production_without_a_database_is_moved_at_once(project: Project, people: SimpleNamespace) -> None:
    main = cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    stages.move(branch=main, stage=Stage.DEVELOPMENT, by=people.alice)
    assert Branch.objects.get().stage == Stage.DEVELOPMENT
    assert Build.objects.get().stage == Stage.DEVELOPMENT
    assert not Retired.objects.exists()


def test_production_with_a_database_stays_until_that_is_retired(project: Project, people: SimpleNamespace) -> None:
    instance = cast.instance(Stage.PRODUCTION, "library.localhost")
    main = cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40, instance=instance)
    stages.move(branch=main, stage=Stage.DEVELOPMENT, by=people.alice)
    retired = Retired.objects.get()
    assert (Branch.objects.get().stage, retired.instance, retired.at) == (Stage.PRODUCTION, instance, None)
    assert AuditEntry.objects.latest("pk").after == f"development; {instance.name} is retired"
    with pytest.raises(ProjectError, match="was not moved"):
        stages.move(branch=main, stage=Stage.DEVELOPMENT, by=people.alice)


def test_a_copy_of_production_stays_when_its_branch_moves_to_development(
    project: Project, people: SimpleNamespace
) -> None:
    instance = cast.instance(Stage.STAGING, "library-next-i7.localhost")
    branch = cast.branch(project, "next", Stage.STAGING, head="a" * 40, instance=instance)
    stages.move(branch=branch, stage=Stage.DEVELOPMENT, by=people.tom)
    branch.refresh_from_db()
    assert (branch.stage, branch.instance, branch.on_push) == (Stage.DEVELOPMENT, instance, Branch.OnPush.NOTHING)
    assert not Build.objects.exists()


def test_a_push_to_it_builds_nothing_until_asked(project: Project, people: SimpleNamespace) -> None:
    cast.branch(project, "next", Stage.DEVELOPMENT, head="a" * 40, on_push=Branch.OnPush.NOTHING)
    said = deliveries.move_branch(project, "next", "b" * 40, before="a" * 40)
    branch = Branch.objects.get()
    assert (branch.head, Build.objects.count()) == ("b" * 40, 0)
    assert said == "nothing is built: the settings of next say so"


def test_the_database_of_before_serves_until_the_copy_is_ready(project: Project, people: SimpleNamespace) -> None:
    instance = cast.instance(Stage.DEVELOPMENT, "library-feature-i7.localhost")
    branch = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40, instance=instance)
    stages.move(branch=branch, stage=Stage.STAGING, by=people.tom)
    branch.refresh_from_db()
    assert (branch.stage, branch.instance) == (Stage.STAGING, instance)


def test_nothing_happens_where_it_is_there_already(project: Project, people: SimpleNamespace) -> None:
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    stages.move(branch=feature, stage=Stage.DEVELOPMENT, by=people.alice)
    assert not Build.objects.exists()
