"""Moving a branch to another stage."""

from types import SimpleNamespace

import pytest

from builds import stages
from builds.models import Build
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


def test_there_is_one_production_branch(project: Project, people: SimpleNamespace) -> None:
    cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    with pytest.raises(ProjectError, match="production branch already"):
        stages.move(branch=feature, stage=Stage.PRODUCTION, by=people.alice)
    feature.refresh_from_db()
    assert feature.stage == Stage.DEVELOPMENT
    assert not Build.objects.exists()


def test_production_stays(project: Project, people: SimpleNamespace) -> None:
    main = cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    with pytest.raises(ProjectError, match="stays there"):
        stages.move(branch=main, stage=Stage.DEVELOPMENT, by=people.alice)
    assert Branch.objects.get().stage == Stage.PRODUCTION


def test_nothing_happens_where_it_is_there_already(project: Project, people: SimpleNamespace) -> None:
    feature = cast.branch(project, "feature", Stage.DEVELOPMENT, head="a" * 40)
    stages.move(branch=feature, stage=Stage.DEVELOPMENT, by=people.alice)
    assert not Build.objects.exists()
