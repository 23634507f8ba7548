"""Moving a branch to another stage from its page."""

from types import SimpleNamespace

import pytest
from django.test import Client

from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    return cast.branch(cast.project("demo", people), "fix", head="4" * 40)


def move(client: Client, branch: Branch, stage: str) -> int:
    return client.post(f"/demo/branches/{branch.pk}/move/", {"stage": stage}).status_code


def offered(client: Client, branch: Branch) -> set[str]:
    page = client.get(f"/demo/branches/{branch.pk}/").content.decode()
    return {stage for stage in Stage.values if f'name="stage" value="{stage}"' in page}


def test_a_tester_moves_a_branch_to_staging(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    client.force_login(people.tom)

    assert offered(client, branch) == {"staging"}
    assert move(client, branch, "staging") == 302
    branch.refresh_from_db()
    assert branch.stage == Stage.STAGING
    assert branch.builds.get().stage == Stage.STAGING


def test_a_developer_may_not_move_it_where_the_role_does_not_reach(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    client.force_login(people.dev)

    assert offered(client, branch) == set()
    assert move(client, branch, "staging") == 403
    branch.refresh_from_db()
    assert branch.stage == Stage.DEVELOPMENT


def test_production_is_offered_only_where_there_is_none(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    client.force_login(people.alice)
    assert offered(client, branch) == {"production", "staging"}

    cast.branch(branch.project, "main", Stage.PRODUCTION)

    assert offered(client, branch) == {"staging"}
    page = client.post(f"/demo/branches/{branch.pk}/move/", {"stage": "production"}, follow=True).content.decode()
    assert "There is a production branch already." in page


def test_a_stage_that_does_not_exist_changes_nothing(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    client.force_login(people.alice)

    assert move(client, branch, "moon") == 302
    branch.refresh_from_db()
    assert branch.stage == Stage.DEVELOPMENT
