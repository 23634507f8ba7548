"""What production's pages say of rollbacks: before the click, and after."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import branchsettings
from builds.models import Build, Rollback
from hosting.models import Pool
from portal import clock
from portal.models import Result, State, Story
from projects.models import Stage
from tests import cast


@pytest.fixture
def shop(people: SimpleNamespace) -> SimpleNamespace:
    """Production on its second build, with the pool of the first one kept."""
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    branch = cast.branch(project, "main", Stage.PRODUCTION, instance=instance)
    until = clock.now() + timedelta(minutes=15)
    kept = Pool.objects.create(
        instance=instance, generation=2, state=Pool.State.KEPT, kept_until=until, image_id="x", commit="1" * 40
    )
    old = cast.build(branch, pool=kept, image_id="sha256:1")
    new = cast.build(branch, pool=instance.live_pool, to_update=["shop"])
    return SimpleNamespace(project=project, branch=branch, old=old, new=new, kept=kept, people=people)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_the_build_that_serves_offers_the_way_back(alice: Client, shop: SimpleNamespace) -> None:
    for path in ("/demo/builds/1/", "/demo/builds/2/", f"/demo/branches/{shop.branch.pk}/"):
        assert "Roll back to #1" in page(alice, path)


def test_where_nothing_serves_no_build_is_taken_for_it(shop: SimpleNamespace) -> None:
    """Not one of those that came to no pool, which are another's as well as one's own."""
    cast.build(cast.branch(cast.project("other", shop.people), "main", Stage.PRODUCTION), result=Result.FAILURE)
    cast.build(shop.branch, result=Result.FAILURE)
    instance = shop.branch.instance
    instance.live_pool = None
    instance.save(update_fields=["live_pool"])

    assert Build.objects.serving(instance) is None
    assert branchsettings.served(shop.branch) is None


def test_who_may_not_deploy_is_offered_none(client: Client, shop: SimpleNamespace) -> None:
    client.force_login(shop.people.dev)
    for path in ("/demo/builds/1/", "/demo/builds/2/", f"/demo/branches/{shop.branch.pk}/"):
        assert "Roll back" not in page(client, path)


def test_it_says_before_the_click_what_does_not_come_back(alice: Client, shop: SimpleNamespace) -> None:
    found = page(alice, "/demo/builds/1/roll-back/")
    for said in ("stays as it is", "stay sent", "<code>shop</code>", "attachments"):
        assert said in found
    assert "Roll back to #1</button>" in found


def test_a_click_begins_one_and_says_so(alice: Client, shop: SimpleNamespace) -> None:
    assert alice.post("/demo/builds/1/roll-back/").status_code == 302
    assert Rollback.objects.get().build == shop.old
    found = page(alice, "/demo/builds/1/")
    assert "Rolling back to #1, asked for by alice" in found
    assert 'hx-trigger="every 2s"' in found


def test_afterwards_both_builds_say_who_did_it(alice: Client, shop: SimpleNamespace) -> None:
    ended = {"state": State.DONE, "result": Result.SUCCESS, "switched": True, "finished_at": clock.now()}
    Rollback.objects.create(
        build=shop.old, left=shop.new, pool=shop.kept, asked_by=shop.people.alice, started_at=clock.now(), **ended
    )
    assert "alice rolled back" in page(alice, "/demo/builds/1/")
    assert ">#1</a> by alice" in page(alice, "/demo/builds/2/")


def test_one_that_failed_says_why(alice: Client, shop: SimpleNamespace) -> None:
    alice.post("/demo/builds/1/roll-back/")
    Story.objects.filter(kind="rollback").update(
        state=State.DONE, result=Result.FAILURE, error_title="It does not answer"
    )
    Rollback.objects.update(state=State.DONE, result=Result.FAILURE, finished_at=clock.now())
    assert "It does not answer" in page(alice, "/demo/builds/1/")


def test_the_branch_says_which_build_serves_when_it_is_not_the_latest(alice: Client, shop: SimpleNamespace) -> None:
    assert "Serving" not in page(alice, f"/demo/branches/{shop.branch.pk}/")
    Build.objects.filter(pk=shop.old.pk).update(pool=shop.new.pool)
    Build.objects.filter(pk=shop.new.pk).update(pool=shop.kept)
    assert 'Serving <a href="/demo/builds/1/">#1</a>' in page(alice, f"/demo/branches/{shop.branch.pk}/")


def test_one_that_is_not_kept_can_be_deployed_again(alice: Client, shop: SimpleNamespace) -> None:
    Pool.objects.filter(pk=shop.kept.pk).update(state=Pool.State.GONE, not_kept="the machine was full.")
    assert "Deploy again" in page(alice, "/demo/builds/1/")
    found = page(alice, "/demo/builds/1/roll-back/")
    assert "the machine was full." in found
    assert "Deploy #1 again</button>" in found
    assert alice.post("/demo/builds/1/deploy-again/")["Location"] == "/demo/builds/3/"
    assert Build.objects.get(number=3).image_of == shop.old


def test_a_database_that_is_ahead_offers_neither(alice: Client, shop: SimpleNamespace) -> None:
    Pool.objects.filter(pk=shop.kept.pk).update(outdated=True)
    for build, version in ((shop.old, "18.0.1.0"), (shop.new, "18.0.2.0")):
        Build.objects.filter(pk=build.pk).update(inspection={"addons": [{"name": "shop", "full_version": version}]})
    found = page(alice, "/demo/builds/1/roll-back/")
    assert "can&#x27;t run on it" in found
    assert "shop 18.0.2.0 (that build has 18.0.1.0)" in found
    assert '<button type="submit" class="btn btn-primary"' not in found
