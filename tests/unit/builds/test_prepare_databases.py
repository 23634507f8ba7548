"""Preparing the database: created, kept or copied as its stage wants it, and as it was when the build fails."""

from collections.abc import Callable
from typing import Any

import pytest

from builds import prepare
from builds.models import Build
from hosting.engines.docker import ContainerSpec
from hosting.models import Instance, Pool
from portal.commands import Output, discard
from portal.models import LogChunk, Result
from projects.models import Branch, Stage
from tests.unit.fakes import Killed, World
from tests.unit.fakes.cluster import FakeDatabase
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.stage import NEW, OLD, Scenery, said

pytestmark = pytest.mark.django_db(transaction=True)


def done(world: World, build: Build) -> tuple[str, ...]:
    """What Odoo did in a build's database."""
    assert build.instance is not None
    return (world.databases["hosted"] | world.databases["lab"])[build.instance.database].rows


def dying(world: World, moment: str) -> Callable[[str], None]:
    def die(what: str) -> None:
        if what == moment:
            world.dead = True
            raise Killed

    return die


def answers(stage: Scenery) -> set[str]:
    """What clients of production get from now on."""
    got: set[str] = set()
    stage.world.watch = lambda: got.add(stage.world.answer("shop.localhost"))
    return got


# --- production -------------------------------------------------------------------------------------------------------
def test_production_is_created_once_without_tests_and_keeps_its_data(stage: Scenery) -> None:
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.1"}}
    main = stage.branch("main", Stage.PRODUCTION)
    first, second = stage.deploy(main, OLD), stage.deploy(main, NEW)
    assert first.instance == second.instance
    assert done(stage.world, second) == ("install base 18.0.1.3", "install shop 18.0.1.0", "update shop 18.0.1.1")
    assert (first.tests, second.to_update) == ({}, ["shop"])


def test_only_modules_whose_version_rose_are_updated(stage: Scenery) -> None:
    stage.world.commits = {OLD: {"shop": "1.0", "till": "1.0"}, NEW: {"shop": "1.0", "till": "1.1", "other": "1.0"}}
    main = stage.branch("main", Stage.PRODUCTION)
    stage.deploy(main, OLD)
    assert stage.deploy(main, NEW).to_update == ["till"]


def test_without_an_update_the_old_pool_serves_until_the_switch(stage: Scenery) -> None:
    build, got = stage.same(), answers(stage)
    assert stage.tell(build).result == Result.SUCCESS
    assert got == {OLD, NEW}
    chunks = LogChunk.objects.filter(step__story=build.story_id)
    assert chunks.filter(text__contains="No module's version or requirement changed").exists()


# --- development and staging ------------------------------------------------------------------------------------------
def test_development_has_demo_data_and_runs_the_repositorys_own_tests(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    argvs: list[tuple[str, ...]] = []
    real = FakeEngine._odoo

    def odoo(engine: FakeEngine, spec: ContainerSpec, *others: Any) -> int:
        argvs.append(spec.argv)
        return real(engine, spec, *others)

    monkeypatch.setattr(FakeEngine, "_odoo", odoo)
    stage.world.commits = {NEW: {"shop": "1.0"}}
    build = stage.deploy(stage.branch("feature", Stage.DEVELOPMENT), NEW)
    (argv,) = argvs
    assert {"--init=base,shop", "--test-enable", "--test-tags=/shop"} <= set(argv)
    assert not [word for word in argv if word.startswith("--without-demo")]
    assert build.tests == {"total": 2, "failed": 0, "errors": 0, "names": []}


def test_failing_tests_make_the_build_red_and_its_database_serve(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeEngine._odoo
    log = "2026-11-21 20:56:29,859 11 ERROR db odoo.{}: {}\n"

    def fails(engine: FakeEngine, spec: Any, data: Any, told: Output, keep_going: Any) -> int:
        real(engine, spec, data, discard, keep_going)
        told(log.format("addons.shop.tests.test_shop", "FAIL: TestShop.test_price"))
        told(log.format("tests.result", "1 failed, 0 error(s) of 2 tests when loading database 'db'"))
        return 1

    monkeypatch.setattr(FakeEngine, "_odoo", fails)
    stage.world.commits = {NEW: {"shop": "1.0"}}
    build = stage.tell(stage.build(stage.branch("feature", Stage.DEVELOPMENT), NEW))
    assert (build.result, build.tests["names"]) == (Result.FAILURE, ["FAIL: TestShop.test_price"])
    assert build.instance is not None
    assert stage.world.answer(build.instance.hostname) == NEW


def test_each_build_of_development_has_its_own_database_and_the_former_is_stopped(stage: Scenery) -> None:
    feature = stage.branch("feature", Stage.DEVELOPMENT)
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
    first, second = stage.deploy(feature, OLD).instance, stage.deploy(feature, NEW).instance
    assert first is not None
    assert second is not None
    assert [stage.world.answer(instance.hostname) for instance in (first, second)] == ["stopped", NEW]
    assert first.database in stage.world.databases["lab"]


def test_staging_is_a_neutralised_copy_with_this_commits_modules(stage: Scenery) -> None:
    build = stage.tell(stage.staging())
    assert build.instance is not None
    assert done(stage.world, build) == ("install base 18.0.1.3", "install shop 18.0.1.0", "update shop 18.0.1.1")
    copied = stage.world.databases["lab"][build.instance.database]
    assert copied.parameters["database.is_neutralized"] == "true"
    assert copied.parameters["web.base.url"] == build.instance.url
    production = stage.world.databases["hosted"][Instance.objects.get(stage=Stage.PRODUCTION).database]
    assert "database.is_neutralized" not in production.parameters
    assert production.modules["shop"] == "18.0.1.0"


def test_nothing_starts_on_a_copy_that_is_not_neutralised(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.staging()
    monkeypatch.setattr(FakeDatabase, "parameter", lambda *_: "false")
    stage.world.seen.clear()
    assert said(stage.tell(build)).startswith("The copy could not be neutralised")
    assert "start web" not in stage.world.seen


def test_staging_without_production_says_what_to_do(stage: Scenery) -> None:
    stage.world.commits = {NEW: {"shop": "1.0"}}
    build = stage.tell(stage.build(stage.branch("next", Stage.STAGING), NEW))
    assert build.result == Result.FAILURE
    assert said(build).startswith("There is no production database to copy")


# --- what is shared ---------------------------------------------------------------------------------------------------
def test_a_branch_that_moved_while_it_was_built_does_not_keep_that_database(stage: Scenery) -> None:
    """Else production's first build would be deployed on a database of development."""
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
    feature = stage.branch("feature", Stage.DEVELOPMENT)
    build = stage.build(feature, OLD)

    def move(what: str) -> None:
        if what == "start web":
            Branch.objects.filter(pk=feature.pk).update(stage=Stage.PRODUCTION, instance=None)

    stage.world.before = move
    assert stage.tell(build).result == Result.SUCCESS
    assert Branch.objects.get().instance is None
    production = stage.deploy(feature, NEW).instance
    assert production is not None
    assert (production.stage, stage.world.answer("shop.localhost")) == (Stage.PRODUCTION, NEW)
    running = {container.spec.labels["berth.instance"] for container in stage.world.containers.values()}
    assert running == {production.name}


@pytest.mark.parametrize(
    "name", ["feature/x", "Ünïcode-🚀", "-rf", "a" * 200, "shop; rm -rf /", "$(id)", "..", "x_y.z", "MAIN"]
)
def test_every_branch_gets_one_label_of_its_own(stage: Scenery, name: str) -> None:
    hostname = prepare.branch_hostname(stage.branch(name, Stage.DEVELOPMENT))
    label = hostname.format(name="i999999999999").partition(".")[0]
    assert len(label) <= 63
    assert label.startswith("shop-")
    assert label.endswith("-i999999999999")
    assert not set(label) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert hostname.count("{name}") == 1


@pytest.mark.parametrize(
    ("install", "wanted"),
    [
        (Branch.Install.MINE, ["base", "shop"]),
        (Branch.Install.ALL, ["base", "shop", "oca"]),
        (Branch.Install.LIST, ["base", "sale"]),
    ],
)
def test_the_branch_says_which_modules_are_installed(install: str, wanted: list[str]) -> None:
    branch = Branch(install=install, install_list=["sale"])
    addons = [
        {"name": "shop", "installable": True, "in_submodule": False},
        {"name": "oca", "installable": True, "in_submodule": True},
        {"name": "not_ported", "installable": False, "in_submodule": False},
    ]
    assert prepare._modules(Build(branch=branch, inspection={"addons": addons})) == wanted


def test_too_little_memory_makes_the_build_yellow_also_where_it_was_resumed(stage: Scenery) -> None:
    stage.world.commits = {NEW: {"shop": "1.0"}}
    branch = stage.branch("main", Stage.PRODUCTION)
    Branch.objects.update(memory_mb=512)
    stage.world.before = dying(stage.world, "odoo ends")
    assert stage.tell(stage.build(branch, NEW)).result == Result.WARNING
    assert Pool.objects.get().memory_mb == 768


@pytest.mark.parametrize(
    ("on", "result"), [(Stage.DEVELOPMENT, Result.WARNING), (Stage.PRODUCTION, Result.SUCCESS)], ids=str
)
def test_what_odoo_warns_of_makes_a_build_yellow_but_not_production(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch, on: Stage, result: Result
) -> None:
    real = FakeEngine._odoo

    def warning(engine: FakeEngine, spec: ContainerSpec, data: Any, output: Output, keep_going: Any) -> int:
        output("2026-11-21 20:56:29,859 11 WARNING db odoo.modules.module: Missing `license` key\n")
        return real(engine, spec, data, output, keep_going)

    monkeypatch.setattr(FakeEngine, "_odoo", warning)
    stage.world.commits = {NEW: {"shop": "1.0"}}
    build = stage.tell(stage.build(stage.branch("a", on), NEW))
    assert build.result == result
    told = "".join(LogChunk.objects.filter(step__story=build.story_id).values_list("text", flat=True))
    assert ("Odoo warned: odoo.modules.module: Missing `license` key" in told) == (result == Result.WARNING)
