"""Moving a branch to another stage from its page: what it does is said first."""

import html
from types import SimpleNamespace

import pytest
from django.test import Client

from builds.models import Build, Retired
from hosting.models import Instance
from portal import clock
from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    return cast.branch(cast.project("demo", people), "fix", head="4" * 40)


@pytest.fixture
def main(branch: Branch) -> Branch:
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(branch.project, "main", Stage.PRODUCTION, head="4" * 40, instance=instance)


def move(client: Client, branch: Branch, stage: str, **form: object) -> int:
    return client.post(f"/demo/branches/{branch.pk}/move/", {"stage": stage, **form}).status_code


def page(client: Client, path: str) -> str:
    return html.unescape(client.get(path, follow=True).content.decode())


def offered(client: Client, branch: Branch) -> set[str]:
    shown = page(client, f"/demo/branches/{branch.pk}/")
    return {stage for stage in Stage.values if f"/demo/branches/{branch.pk}/move/?stage={stage}" in shown}


def retired(branch: Branch, hostname: str = "demo-retired.localhost") -> Retired:
    instance = cast.instance(Stage.PRODUCTION, hostname)
    Instance.objects.filter(pk=instance.pk).update(live_pool=None, hours_left=700)
    return Retired.objects.create(
        project=branch.project, branch=branch, instance=instance, hostname="demo.localhost", at=clock.now()
    )


def test_a_tester_moves_a_branch_to_staging(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    client.force_login(people.tom)

    assert offered(client, branch) == {"staging"}
    said = page(client, f"/demo/branches/{branch.pk}/move/?stage=staging")
    assert "a new copy of production, neutralised" in said
    assert "the build on staging has nothing to copy" in said
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
    said = client.post(f"/demo/branches/{branch.pk}/move/", {"stage": "production"}).content.decode()
    assert "main is the production branch already" in said


def test_a_stage_that_does_not_exist_changes_nothing(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    client.force_login(people.alice)

    assert move(client, branch, "moon") == 302
    branch.refresh_from_db()
    assert branch.stage == Stage.DEVELOPMENT


def test_production_is_retired_when_its_name_is_typed(client: Client, people: SimpleNamespace, main: Branch) -> None:
    client.force_login(people.alice)
    assert offered(client, main) == {"development"}
    said = page(client, f"/demo/branches/{main.pk}/move/?stage=development")
    assert "demo.localhost stops" in said
    assert "kept for 30 days" in said

    assert move(client, main, "development", typed="mian") == 200
    assert not Retired.objects.exists()

    assert move(client, main, "development", typed="main") == 302
    assert Retired.objects.get().asked_by == people.alice
    assert "Its database is being retired" in page(client, f"/demo/branches/{main.pk}/")


def test_only_an_admin_retires_production(client: Client, people: SimpleNamespace, main: Branch) -> None:
    client.force_login(people.tom)
    assert move(client, main, "development", typed="main") == 403
    assert not Retired.objects.exists()


def test_a_retired_database_can_be_chosen(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    row = retired(branch)
    client.force_login(people.alice)
    assert f'name="attach" id="attach-{row.pk}"' in page(client, f"/demo/branches/{branch.pk}/move/?stage=production")
    assert row.instance.name in page(client, "/demo/retired/")

    assert move(client, branch, "production", attach=str(row.pk)) == 302

    branch.refresh_from_db()
    row.instance.refresh_from_db()
    assert (branch.stage, branch.instance_id) == (Stage.PRODUCTION, row.instance_id)
    assert (row.instance.hostname, row.instance.hours_left) == ("demo.localhost", None)


def test_that_of_another_project_can_not(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    foreign = retired(cast.branch(cast.project("other", people), "main"), "other-retired.localhost")
    client.force_login(people.alice)

    assert move(client, branch, "production", attach=str(foreign.pk)) == 404
    branch.refresh_from_db()
    assert branch.stage == Stage.DEVELOPMENT


def test_who_may_not_use_staging_gets_no_copy_of_production_by_its_move(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    instance = cast.instance(Stage.STAGING, "demo-fix-i7.localhost")
    Branch.objects.filter(pk=branch.pk).update(instance=instance)
    client.force_login(people.dev)
    shown = page(client, f"/demo/branches/{branch.pk}/")
    assert "Connect" not in shown
    assert client.get(f"/demo/branches/{branch.pk}/logs/").status_code == 403
    assert client.post(f"/demo/branches/{branch.pk}/wake/").status_code == 403
    client.force_login(people.tom)
    assert client.get(f"/demo/branches/{branch.pk}/logs/").status_code == 200


def test_a_commit_that_made_no_build_can_be_built(client: Client, people: SimpleNamespace, branch: Branch) -> None:
    Branch.objects.filter(pk=branch.pk).update(on_push=Branch.OnPush.NOTHING)
    client.force_login(people.dev)
    assert "new commits do nothing on this branch" in page(client, f"/demo/branches/{branch.pk}/")

    assert client.post(f"/demo/branches/{branch.pk}/build/").status_code == 302

    build = Build.objects.get()
    assert (build.commit, build.asked_by, build.stage) == ("4" * 40, people.dev, "development")


def test_an_old_build_is_not_built_again_on_a_stage_that_is_out_of_reach(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    build = cast.build(branch)
    Branch.objects.filter(pk=branch.pk).update(stage=Stage.PRODUCTION)
    client.force_login(people.dev)
    assert client.post(f"/demo/builds/{build.number}/rebuild/").status_code == 403
    assert Build.objects.count() == 1
