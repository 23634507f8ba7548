"""The reconciler removes what has no row, brings back what a row lacks, and does no harm next to running stories."""

from pathlib import Path

import pytest

from hosting import databases, machines, pools, switch
from hosting.engines.docker import ContainerSpec, EngineUnreachable, ImageMissing
from hosting.engines.haproxy import RouterError
from hosting.models import Instance, Pool, Stage
from hosting.reconcile import reconcile
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.world import Container, Data
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def stray(world: World, name: str) -> None:
    spec = ContainerSpec(name, "sha256:b1", ("odoo",), 1, 1, 1, env={"PGDATABASE": "x"})
    world.containers[name] = Container(spec)


def test_it_finds_nothing_where_all_is_well(world: World) -> None:
    rows.live(rows.instance(), world, "b1")
    rows.live(rows.instance(Stage.STAGING, "staging.localhost"), world, "b2")
    before = world.summary()
    assert reconcile() == []
    assert world.summary() == before


# --- containers -------------------------------------------------------------------------------------------------------
def test_a_container_without_a_pool_is_removed_and_others_installations_are_let_be(world: World) -> None:
    for name in (
        "berth-c0ffee-i999999-g1-web",
        "berth-c0ffee-i999999-run",
        "berth-decade-i1-g1-web",
        "vigorous_fermat",
    ):
        stray(world, name)
    found = reconcile()
    assert set(world.containers) == {"berth-decade-i1-g1-web", "vigorous_fermat"}
    assert len(found) == 2


def test_a_one_off_of_a_living_instance_is_a_storys_affair(world: World) -> None:
    name = databases.one_off_name(rows.instance())
    stray(world, name)
    reconcile()
    assert name in world.containers


def test_what_a_live_pool_lacks_is_started(world: World) -> None:
    pool = rows.live(rows.instance(), world)
    world.containers.clear()
    assert sorted(reconcile()) == [
        f"started container {pool.container(role)} of the live pool" for role in ("cron", "web")
    ]
    assert all(container.running for container in world.containers.values())


@pytest.mark.parametrize("state", [Pool.State.STARTING, Pool.State.STANDING_BY, Pool.State.DRAINING, Pool.State.GONE])
def test_what_is_not_live_is_not_started(world: World, state: Pool.State) -> None:
    rows.live(rows.instance(), world)
    Pool.objects.update(state=state)
    for container in world.containers.values():
        container.running = False
    reconcile()
    assert not [name for name, container in world.containers.items() if container.running]


def test_a_pool_that_is_paused_after_the_look_is_not_started(world: World) -> None:
    first = rows.live(rows.instance(), world, "b1")
    second = rows.live(rows.instance(Stage.STAGING, "staging.localhost"), world, "b2")
    world.containers.clear()

    def pause(what: str) -> None:
        if what == "start web":
            Pool.objects.filter(pk=second.pk).update(state=Pool.State.STANDING_BY)

    world.before = pause
    reconcile()
    assert set(world.containers) == {first.container("web"), first.container("cron")}


def test_scheduled_actions_do_not_begin_before_those_of_the_old_pool_end(world: World) -> None:
    instance = rows.instance()
    rows.live(instance, world, "b1")
    new = rows.started(instance, world, "b2")
    switch.switch_to(new)
    assert reconcile() == []
    assert new.container("cron") not in world.containers


def test_a_pool_whose_image_is_gone_does_not_keep_others_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = rows.live(rows.instance(Stage.DEVELOPMENT, "dev.localhost"), world, "b1")
    other = rows.live(rows.instance(Stage.STAGING, "staging.localhost"), world, "b2")
    world.containers.clear()
    real = FakeEngine.ensure_running

    def ensure_running(engine: FakeEngine, spec: ContainerSpec) -> object:
        if spec.image_id == lost.image_id:
            raise ImageMissing("There is no such image.")
        return real(engine, spec)

    monkeypatch.setattr(FakeEngine, "ensure_running", ensure_running)
    assert f"{lost.container('web')} can't be started: There is no such image." in reconcile()
    assert set(world.containers) == {other.container("web")}


# --- databases, folders, slots ----------------------------------------------------------------------------------------
def test_databases_and_roles_that_no_instance_has_are_dropped(world: World) -> None:
    kept = rows.instance()
    strange = "bc0ffee_i999999"
    for name in (strange, f"{strange}_b7", "bdecade_i999999", "postgres"):
        world.databases["hosted"][name] = Data(strange if "c0ffee" in name else "postgres")
    world.roles["hosted"].add(strange)
    reconcile()
    assert set(world.databases["hosted"]) == {kept.database, "bdecade_i999999", "postgres"}
    assert world.roles["hosted"] == {kept.database}


def test_an_instance_on_the_other_cluster_is_no_excuse(world: World) -> None:
    instance = rows.instance(Stage.STAGING, "staging.localhost")
    world.databases["hosted"][instance.database] = Data(instance.database)
    reconcile()
    assert instance.database in world.databases["lab"]
    assert instance.database not in world.databases["hosted"]


def test_the_copy_is_kept_while_its_update_goes_on_and_dropped_when_that_is_live(world: World) -> None:
    instance = rows.instance()
    rows.live(instance, world, "b1")
    pool = rows.pool(instance, world, "b2")
    switch.pause(instance, seconds=0, keep_going=lambda: None)
    databases.copy_aside(instance, "b2")
    reconcile()
    assert databases.has_aside(instance, "b2")
    pools.start_web(pool)
    switch.switch_to(pool)
    assert f"dropped database {instance.database}_b2, which belongs to nothing" in reconcile()
    assert set(world.databases["hosted"]) == {instance.database}


def test_folders_that_no_instance_has_are_removed(world: World) -> None:
    kept = machines.folder(rows.instance())
    (kept.parent / "i999999" / "data").mkdir(parents=True)
    assert "removed folder i999999, which belongs to nothing" in reconcile()
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_folder_that_is_a_link_is_let_be(world: World, tmp_path: Path) -> None:
    """Nobody but root can put one there, and nothing of ours does."""
    kept = machines.folder(rows.instance())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (kept.parent / "i999999").symlink_to(tmp_path / "elsewhere")
    reconcile()
    assert (tmp_path / "elsewhere" / "file").exists()


def test_a_slot_of_a_pool_that_is_gone_is_taken_back(world: World) -> None:
    pool = rows.started(rows.instance(), world)
    pools.remove(pool)
    assert f"took slot {pool.slot} back from {pool}" in reconcile()
    assert not any(world.slots.values())


# --- what is away -----------------------------------------------------------------------------------------------------
def test_an_engine_that_is_away_keeps_nothing_else_from_being_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.live(rows.instance(), world)
    world.hosts, world.routes = {}, {}
    world.databases["lab"]["bc0ffee_i999999"] = Data("bc0ffee_i999999")

    def away(_engine: FakeEngine) -> tuple[()]:
        raise EngineUnreachable("The engine gave no answer.")

    monkeypatch.setattr(FakeEngine, "list", away)
    assert "EngineUnreachable: The engine gave no answer." in reconcile()
    assert world.answer("shop.localhost") == rows.COMMIT
    assert not world.databases["lab"]


@pytest.mark.parametrize("error", [RouterError("no answer within 5 s"), OSError(28, "No space left on device")])
def test_a_router_that_takes_nothing_keeps_nothing_else_from_being_mended(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stray(world, "berth-c0ffee-i999999-g1-web")

    def refuse(_router: FakeRouter) -> None:
        raise error

    monkeypatch.setattr(FakeRouter, "live_state", refuse)
    reconcile()
    assert not world.containers


def test_an_instance_that_is_removed_needs_no_rows_of_its_pools(world: World) -> None:
    instance = rows.instance()
    rows.live(instance, world)
    Instance.objects.update(state=Instance.State.REMOVED, live_pool=None)
    Pool.objects.update(state=Pool.State.GONE)
    reconcile()
    assert not world.containers
    assert not world.databases["hosted"]
    assert not world.hosts
    assert not machines.folder(instance).exists()
