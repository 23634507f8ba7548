"""A dry run and the request that follows it say the same."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from builds.models import Build, Retired
from hosting.models import Instance, Runtime
from hosting.odoo.lives import LIVES
from portal import clock
from portal.models import AuditEntry
from projects.models import Project, Stage
from projects.plans import TRIAL_H
from tests import cast
from tests.apis import Caller

HEAD = "a" * 40


@pytest.fixture
def shop(people: SimpleNamespace) -> SimpleNamespace:
    """Production that serves, a development branch, and of each runtime of Odoo a build of production's."""
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    main = cast.branch(project, "main", Stage.PRODUCTION, instance=instance, head=HEAD)
    older, newer = (
        Runtime.objects.create(host=cast.host(), series="18.0", image_id=f"sha256:{name}", frozen_at=clock.now())
        for name in ("older", "newer")
    )
    old = cast.build(main, image_id="sha256:image", runtime=older)
    cast.build(main, pool=instance.live_pool, runtime=newer, switched_at=clock.now())
    dev = cast.branch(project, "dev", head=HEAD)
    dev_build = cast.build(dev)
    return SimpleNamespace(
        project=project, main=main, dev=dev, old=old, dev_build=dev_build, older=older, alice=Caller(people.alice)
    )


def both(shop: SimpleNamespace, path: str, body: Any = None) -> tuple[dict[str, Any], Any]:
    """What is foretold of a request to the project, and its answer."""
    foretold = shop.alice.send("post", f"projects/demo/{path}?dry_run=1", body)
    assert foretold.status_code == 200, foretold.content
    return foretold.json(), shop.alice.send("post", f"projects/demo/{path}", body)


def close(project: Project, how: str) -> None:
    if how == "gone":
        Project.objects.update(gone_at=clock.now())
    else:
        Project.objects.update(trial_hours=TRIAL_H)


def assert_both_refuse(foretold: dict[str, Any], answer: Any) -> None:
    assert answer.status_code == 409, answer.content
    assert answer.json()["title"] in foretold["refused"]
    assert foretold["would"] == []


@pytest.mark.parametrize("how", ["gone", "trial is over"])
@pytest.mark.parametrize("deed", ["branches/{dev.pk}/deploy/", "builds/{dev_build.number}/rebuild/"])
def test_a_build_is_foretold_the_refusal_that_comes(shop: SimpleNamespace, deed: str, how: str) -> None:
    close(shop.project, how)

    assert_both_refuse(*both(shop, deed.format(**vars(shop))))


def test_a_move_that_begins_a_build_is_foretold_the_builds_refusal(shop: SimpleNamespace) -> None:
    close(shop.project, "gone")

    assert_both_refuse(*both(shop, f"branches/{shop.dev.pk}/move/", {"stage": "staging"}))


@pytest.mark.parametrize("name", ["main", "dev"])
def test_of_a_move_to_where_a_branch_is_nothing_is_foretold_or_done(shop: SimpleNamespace, name: str) -> None:
    branch, before = getattr(shop, name), AuditEntry.objects.count()

    foretold, answer = both(shop, f"branches/{branch.pk}/move/", {"stage": branch.stage})

    assert foretold == {"would": [], "lost": [], "stays": [], "refused": ""}
    assert (answer.status_code, answer.json()["operation"], AuditEntry.objects.count()) == (202, None, before)


@pytest.mark.parametrize("how", ["gone", "phased out"])
def test_what_is_deployed_again_takes_its_image_whatever_became_of_the_rest(shop: SimpleNamespace, how: str) -> None:
    later = timedelta()
    if how == "gone":
        close(shop.project, how)
    else:
        later = LIVES["18.0"].extended_until + timedelta(days=1) - clock.now().date()

    with clock.moved(later):
        foretold, answer = both(shop, f"builds/{shop.old.number}/deploy-again/")

    assert (foretold["refused"], answer.status_code) == ("", 202)
    assert f"The image of #{shop.old.number} is used again, or made again if it is gone by then." in foretold["would"]
    assert f"It is made of {shop.older}, {shop.older.name}." in foretold["would"]
    assert Build.objects.latest("pk").image_of == shop.old


@pytest.fixture
def retired(shop: SimpleNamespace) -> Retired:
    """Production's database, put aside; no branch is on production."""
    shop.main.stage, instance, shop.main.instance = Stage.DEVELOPMENT, shop.main.instance, None
    shop.main.save()
    Instance.objects.filter(pk=instance.pk).update(hostname="demo-retired.localhost", live_pool=None, door="stopped")
    return Retired.objects.create(
        project=shop.project, branch=shop.main, instance=instance, hostname="demo.localhost", at=clock.now()
    )


def test_a_move_is_foretold_with_the_retired_database_that_it_names(shop: SimpleNamespace, retired: Retired) -> None:
    body = {"stage": "production", "attach": retired.pk}

    foretold, answer = both(shop, f"branches/{shop.main.pk}/move/", body)

    assert f"It goes on with {retired.instance}, the database that was retired on" in foretold["would"][0]
    assert (foretold["refused"], answer.status_code) == ("", 202)
    shop.main.refresh_from_db()
    assert shop.main.instance_id == retired.instance_id


def test_an_address_that_is_in_use_is_foretold(shop: SimpleNamespace, retired: Retired) -> None:
    cast.instance(Stage.PRODUCTION, "demo.localhost")

    foretold, answer = both(shop, f"branches/{shop.main.pk}/move/", {"stage": "production", "attach": retired.pk})

    assert (answer.status_code, foretold["would"]) == (409, [])
    assert foretold["refused"] == answer.json()["detail"] == "demo.localhost is in use."


def test_a_retired_database_that_is_none_is_none_in_a_dry_run_too(shop: SimpleNamespace, retired: Retired) -> None:
    path, body = f"projects/demo/branches/{shop.main.pk}/move/", {"stage": "production", "attach": retired.pk + 1}

    assert [shop.alice.send("post", f"{path}{query}", body).status_code for query in ("?dry_run=1", "")] == [409, 409]
