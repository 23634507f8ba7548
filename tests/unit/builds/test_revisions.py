"""Which frozen Odoo a build is made of, and which ones stay because somebody needs them."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import revisions, rounds
from builds.again import deploy_again
from builds.models import Build
from hosting import runtimes
from hosting.models import Host, Pool, Runtime, Stage
from portal import clock, hours
from projects.models import Branch
from tests import cast
from tests.apis import Caller
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.stage import OLD, Scenery

NEWER = "sha256:newer"
stories_told = pytest.mark.django_db(transaction=True)


def newer(world: World) -> Runtime:
    """The next week's."""
    world.registry["odoo:18.0"] = NEWER
    FakeEngine(world).pull("odoo:18.0", timeout=1)
    return runtimes.freeze(Host.objects.get(), "18.0")


def served(stage: Scenery) -> Build:
    """Production, deployed."""
    stage.world.commits = {OLD: {"shop": "1.0"}}
    return stage.deploy(stage.branch("main", Stage.PRODUCTION), OLD)


@stories_told
def test_a_build_is_made_of_the_newest_one_and_remembers_it(stage: Scenery) -> None:
    build = stage.same()
    before = Build.objects.exclude(pk=build.pk).get()
    assert before.runtime is not None
    assert before.odoo_image == before.runtime.name == "odoo:18.0 (odoo)"
    frozen = newer(stage.world)
    assert stage.tell(build).runtime == frozen


@stories_told
def test_one_that_is_deployed_again_has_the_odoo_that_it_had(stage: Scenery, people: SimpleNamespace) -> None:
    before = served(stage)
    newer(stage.world)
    again = stage.tell(deploy_again(build=before, by=people.alice))
    assert (again.runtime, again.image_id) == (before.runtime, before.image_id)


@stories_told
def test_what_a_pool_runs_on_stays_however_old_and_what_nothing_runs_on_goes(stage: Scenery) -> None:
    build = served(stage)
    newer(stage.world)
    with clock.moved(runtimes.KEPT + timedelta(days=1)):
        assert revisions.needed() == {build.runtime_id}
        assert runtimes.outdated(revisions.needed()) == []
        Pool.objects.update(state=Pool.State.GONE)
        assert revisions.needed() == set()
        rounds.clean_up()
    assert Runtime.objects.frozen().get().image_id == NEWER


@stories_told
def test_a_clock_that_jumped_takes_none(stage: Scenery) -> None:
    rounds.clean_up()
    runtimes.freeze(Host.objects.get(), "18.0")
    newer(stage.world)
    with clock.moved(timedelta(days=900)):
        rounds.clean_up()
        assert hours.to_steady()
    assert Runtime.objects.frozen().count() == 2


# --- the operator's page ----------------------------------------------------------------------------------------------
@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(cast.person("Operator", is_superuser=True))
    return client


def test_the_page_shows_which_there_are_and_how_many_pools_run_on_each(operator: Client, world: World) -> None:
    runtime = runtimes.freeze(cast.host(), "18.0")
    instance = cast.instance(Stage.PRODUCTION, "shop.localhost")
    branch = cast.branch(cast.project("shop"), "main", Stage.PRODUCTION, instance=instance)
    cast.build(branch, runtime=runtime, pool=instance.live_pool)
    page = operator.get("/operator/odoo/").content.decode()
    assert "odoo:18.0 (odoo)" in page
    assert "<td>1</td>" in page


def test_the_page_asks_for_a_new_one_and_says_so(
    operator: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "async_task", lambda *_arguments, **_options: None)
    assert "None yet" in operator.get("/operator/odoo/").content.decode()
    operator.post("/operator/odoo/18.0/freeze/", {"urgent": "1"})
    assert "asked for an urgent one" in operator.get("/operator/odoo/").content.decode()
    assert operator.post("/operator/odoo/17.0/freeze/").status_code == 404
    Runtime.objects.update(wrong="There is no image")
    assert "tried again every hour: There is no image" in operator.get("/operator/odoo/").content.decode()


# --- pins -------------------------------------------------------------------------------------------------------------
@stories_told
def test_a_pinned_branch_is_built_of_what_it_is_pinned_to_which_stays(stage: Scenery) -> None:
    build = stage.same()
    before = Build.objects.exclude(pk=build.pk).get()
    newer(stage.world)
    Branch.objects.update(runtime=before.runtime, pinned_until=clock.now() + timedelta(days=80))
    assert stage.tell(build).runtime == before.runtime
    Pool.objects.update(state=Pool.State.GONE)
    with clock.moved(runtimes.KEPT + timedelta(days=1)):
        assert runtimes.outdated(revisions.needed()) == []


def test_the_api_pins_a_branch_and_says_until_when(world: World, people: SimpleNamespace) -> None:
    runtime = runtimes.freeze(cast.host(), "18.0")
    project = cast.project("demo", people)
    branch = cast.branch(project, "main", Stage.PRODUCTION)
    caller = Caller(people.alice)
    assert [row["id"] for row in caller.send("get", "projects/demo/runtimes/").json()["results"]] == [runtime.pk]
    address = f"projects/demo/branches/{branch.pk}/settings/"
    shown = caller.send("patch", address, {"runtime": runtime.pk}).json()
    assert shown["runtime"] == runtime.pk
    assert shown["pinned_until"] > clock.now().isoformat()
    assert caller.send("patch", address, {"drain_seconds": 70}).json()["pinned_until"] == shown["pinned_until"]
    assert caller.send("patch", address, {"runtime": 10**9}).status_code == 409
    assert caller.send("patch", address, {"runtime": None}).json()["pinned_until"] is None
