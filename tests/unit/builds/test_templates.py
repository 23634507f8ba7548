"""Development databases from templates: the same result as from nothing, and nobody shares what should be his own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from builds import rounds, template
from builds.models import Build
from builds.origin import Origin, Way
from builds.template import Plan
from hosting import machine_state, templates
from hosting.machine_state import Room
from hosting.models import DatabaseServer, Instance, Template
from portal import clock
from portal.models import Result, Story
from projects.models import Branch, Stage
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery, said, scenery
from tests.unit.fakes.world import ODOO_IMAGE, Killed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    with scenery(monkeypatch, settings, tmp_path) as stage:
        stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
        yield stage


def make(stage: Scenery) -> Template:
    """Tell what the builds asked for."""
    for story in Story.objects.filter(kind="template").exclude(state="done"):
        for _ in range(5):
            stage.look(Template.objects.get(story=story))  # type: ignore[arg-type]
    return Template.objects.order_by("-pk")[0]


def feature(stage: Scenery, name: str = "feature", **fields: object) -> Branch:
    return stage.branch(name, Stage.DEVELOPMENT, **fields)


def origin(build: Build) -> Origin:
    found = Origin.of(build)
    assert found
    return found


def rows(stage: Scenery, build: Build) -> tuple[str, ...]:
    assert build.instance
    return stage.world.databases["lab"][build.instance.database].rows


def test_the_first_build_is_made_from_nothing_and_the_next_from_what_that_had(stage: Scenery) -> None:
    branch = feature(stage)
    first = stage.deploy(branch, OLD)
    made = make(stage)
    second = stage.deploy(branch, NEW)
    assert (origin(first).way, origin(second).way) == (Way.NOTHING, Way.TEMPLATE)
    assert rows(stage, first) == rows(stage, second) == ("install base 18.0.1.3", "install shop 18.0.1.0")
    assert (made.modules, made.installed, made.image_id) == (["base"], ["base"], ODOO_IMAGE)
    assert second.tests == first.tests
    assert Template.objects.get().uses == 1
    assert stage.world.wrongs == []
    assert [*leftovers(stage)] == []


def test_each_clone_has_its_own_secret_address_and_password(stage: Scenery) -> None:
    stage.deploy(feature(stage), OLD)
    made = make(stage)
    builds = [stage.deploy(feature(stage, name), NEW) for name in ("one", "two")]
    held = stage.world.databases["lab"]
    instances = [build.instance for build in builds if build.instance]
    parameters = [held[instance.database].parameters for instance in instances]
    for key in ("database.uuid", "database.secret", "web.base.url"):
        assert len({found[key] for found in parameters}) == 2
    assert len({instance.login_password for instance in instances}) == 2
    assert all(held[instance.database].owner == instance.database for instance in instances)
    assert made.instance
    assert held[made.instance.database].parameters.get("database.secret") is None


def test_a_template_serves_nobody_and_survives_the_rounds(stage: Scenery) -> None:
    stage.deploy(feature(stage), OLD)
    made = make(stage)
    assert made.instance
    assert (made.instance.state, stage.world.answer(made.instance.hostname)) == (Instance.State.READY, "stopped")
    assert stage.world.using(made.instance.database) == []
    with clock.moved(timedelta(days=10)):
        rounds.mend()
        rounds.clean_up()
    assert templates.ready().get() == made
    with clock.moved(timedelta(days=15)):
        rounds.clean_up()
    assert not templates.alive().exists()
    assert made.instance.database not in stage.world.databases["lab"]


def test_it_goes_with_its_image_and_where_disk_is_scarce(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = feature(stage)
    stage.deploy(branch, OLD)
    made = make(stage)
    Template.objects.filter(pk=made.pk).update(image_id="sha256:gone")
    rounds.clean_up()
    assert not templates.alive().exists()
    stage.deploy(branch, NEW)
    make(stage)
    assert templates.ready().exists()
    monkeypatch.setattr(machine_state, "room", lambda _folder: Room(size=2**40, free=2**37))
    rounds.clean_up()
    assert not templates.alive().exists()
    stage.deploy(branch, OLD)
    assert not templates.alive().exists()


def test_one_that_goes_away_in_the_middle_is_done_without(stage: Scenery) -> None:
    stage.deploy(feature(stage), OLD)
    make(stage)
    build = stage.build(feature(stage, "other"), NEW)

    def let_go(what: str) -> None:
        if what == "finish copy":
            stage.world.before = lambda _what: None
            templates.let_go(templates.ready().get())

    stage.world.before = let_go
    build = stage.tell(build)
    assert (build.result, origin(build).way) == (Result.SUCCESS, Way.NOTHING), said(build)
    assert rows(stage, build) == ("install base 18.0.1.3", "install shop 18.0.1.0")


def test_two_builds_ask_for_one(stage: Scenery) -> None:
    stage.deploy(feature(stage), OLD)
    stage.deploy(feature(stage, "other"), NEW)
    assert Template.objects.count() == 1


def test_one_that_could_not_be_made_is_left_alone_for_a_day(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = feature(stage)
    stage.deploy(branch, OLD)

    def refuse(what: str) -> None:
        if what == "install base":
            raise OSError("no space")

    stage.world.before = refuse
    made = make(stage)
    assert made.removed_at
    assert made.wrong
    assert [*leftovers(stage)] == []
    stage.deploy(branch, NEW)
    assert Template.objects.count() == 1
    with clock.moved(timedelta(hours=25)):
        stage.deploy(branch, OLD)
        assert Template.objects.count() == 2


def test_making_one_survives_its_worker_wherever_that_dies(stage: Scenery) -> None:
    branch = feature(stage)
    stage.deploy(branch, OLD)
    stage.world.seen.clear()
    made = make(stage)
    events = stage.world.seen.total()
    for number in range(1, events, 4):
        templates.let_go(made)
        Template.objects.all().delete()
        template.want(Build.objects.latest("pk"), Plan.of(["base"], {"addons": []}))
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            if count == at:
                stage.world.dead = True
                raise Killed

        stage.world.before = kill
        made = make(stage)
        assert made.instance
        assert made.instance.state == Instance.State.READY, number
        assert [*leftovers(stage)] == [], number
        assert stage.world.databases["lab"][made.instance.database].rows == ("install base 18.0.1.3",), number


# --- what fits --------------------------------------------------------------------------------------------------------
def addon(name: str, *depends: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "depends": list(depends), "installable": True} | more


def test_a_plan_knows_what_lies_beneath_the_repositorys_modules() -> None:
    addons = [addon("shop", "sale", "tools"), addon("tools", "web"), addon("unused", "mrp")]
    plan = Plan.of(["base", "shop"], {"addons": addons})
    assert plan.foundation == ("base", "sale", "web")
    assert plan.to_install(Template(installed=["base", "sale", "web", "mail"])) == ["shop"]
    assert plan.to_install(Template(installed=["base", "web"])) == ["sale", "shop"]


def test_what_odoo_would_install_by_itself_is_named() -> None:
    """On a clone it would not: nothing that such a module waits for is installed anew."""
    addons = [addon("shop", "web"), addon("bridge", "web", "mail", auto_install=["web", "mail"])]
    plan = Plan.of(["base", "shop"], {"addons": addons})
    assert plan.to_install(Template(installed=["base", "web", "mail"])) == ["shop", "bridge"]
    assert plan.to_install(Template(installed=["base", "web"])) == ["shop"]


def test_the_largest_that_has_nothing_else_is_taken(stage: Scenery) -> None:
    host = machines_host(stage)
    made = {names: ready(host, names) for names in (("base",), ("base", "web"), ("base", "web", "mrp"))}
    found = templates.best(host, ODOO_IMAGE, ["base", "web", "sale"], own=["shop"])
    assert found == made[("base", "web")]
    assert templates.best(host, "sha256:other", ["base", "web"], own=[]) is None
    assert templates.best(host, ODOO_IMAGE, ["base", "web"], own=["web"]) == made[("base",)]


def machines_host(stage: Scenery) -> Any:
    return feature(stage).project.host


def ready(host: Any, names: tuple[str, ...]) -> Template:
    instance = Instance.objects.create(
        host=host,
        database_server=DatabaseServer.objects.get(purpose="lab"),
        stage=Stage.DEVELOPMENT,
        series="18.0",
        hostname="-".join(names),
        state=Instance.State.READY,
    )
    return Template.objects.create(
        host=host, series="18.0", image_id=ODOO_IMAGE, modules=list(names), installed=list(names), key="-".join(names),
        instance=instance, seconds=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"from_template": False}, False),
        ({"test_tags": "/shop,-slow"}, True),
        ({"test_tags": "post_install/shop:TestShop.test_price"}, True),
        ({"test_tags": "-slow"}, True),
        ({"test_tags": "post_install"}, False),
        ({"test_tags": "/sale"}, False),
        ({"test_tags": "/sale", "run_tests": False}, True),
    ],
)
def test_tests_that_reach_beyond_the_repository_run_from_nothing(fields: dict[str, Any], fits: bool) -> None:
    plan = Plan.of(["base", "shop"], {"addons": [addon("shop", "sale")]})
    assert (template.refusal(Branch(**fields), plan) == "") is fits


def test_modules_of_odoo_on_a_list_are_tested_where_they_are_installed() -> None:
    plan = Plan.of(["base", "sale"], {"addons": [addon("shop", "sale")]})
    assert template.refusal(Branch(), plan)
    assert not template.refusal(Branch(run_tests=False), plan)
