"""The reconciler removes what rows say is over, leaves alone what no row knows, brings back what a row lacks, and does
no harm next to running stories.
"""

import shutil
from pathlib import Path

import pytest

from hosting import databases, machines, pools, strangers, switch
from hosting.engines.docker import ContainerSpec, EngineUnreachable, ImageMissing
from hosting.engines.haproxy import RouterError
from hosting.models import Instance, Pool, Slot, Stage
from hosting.reconcile import reconcile
from portal import alarms
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.world import Container, Data
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def stray(world: World, name: str) -> None:
    spec = ContainerSpec(name, "sha256:b1", ("odoo",), 1, 1, 1, env={"PGDATABASE": "x"})
    world.containers[name] = Container(spec)


def remove_row(instance: Instance) -> None:
    """As after its removal, whatever of it is still there."""
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.REMOVED, live_pool=None)
    Pool.objects.filter(instance=instance).update(state=Pool.State.GONE)


def lose_rows() -> None:
    """As in an empty database of the portal."""
    Slot.objects.update(pool=None)
    Instance.objects.update(live_pool=None)
    Pool.objects.all().delete()
    Instance.objects.all().delete()


def alarm() -> str:
    return " ".join(f"{alarm.title} {alarm.detail}" for alarm in alarms.going_on())


def test_it_finds_nothing_where_all_is_well(world: World) -> None:
    rows.live(rows.instance(), world, "b1")
    rows.live(rows.instance(Stage.STAGING, "staging.localhost"), world, "b2")
    before = world.summary()
    assert reconcile() == []
    assert world.summary() == before


# --- containers -------------------------------------------------------------------------------------------------------
def test_a_container_without_a_pool_is_removed_and_others_installations_are_let_be(world: World) -> None:
    there, gone = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    remove_row(gone)
    others = ("berth-decade-i1-g1-web", "vigorous_fermat")
    for name in (f"berth-c0ffee-{there}-g1-web", f"berth-c0ffee-{gone}-run", *others):
        stray(world, name)
    found = [line for line in reconcile() if "container" in line]
    assert set(world.containers) == set(others)
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
def test_databases_and_roles_of_removed_instances_are_dropped_with_their_copies(world: World) -> None:
    kept, gone = rows.instance(), rows.instance(hostname="gone.localhost")
    world.databases["hosted"][f"{gone.database}_b7"] = Data(gone.database)
    for name in ("bdecade_i999999", "postgres"):
        world.databases["hosted"][name] = Data("postgres")
    remove_row(gone)
    reconcile()
    assert set(world.databases["hosted"]) == {kept.database, "bdecade_i999999", "postgres"}
    assert world.roles["hosted"] == {kept.database}
    assert not alarms.going_on()


def test_where_rows_are_lost_nothing_of_the_instances_is(world: World) -> None:
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    rows.live(production, world, "b1")
    rows.live(staging, world, "b2")
    world.databases["hosted"][f"{production.database}_b7"] = Data(production.database)
    folders = machines.folder(production), machines.folder(staging)
    before = world.summary()
    lose_rows()
    reconcile()
    after = world.summary()
    assert (after["databases"], after["containers"]) == (before["databases"], before["containers"])
    assert world.roles == {"hosted": {production.database}, "lab": {staging.database}}
    assert all(folder.exists() for folder in folders)


def test_what_no_row_knows_is_an_alarm_until_the_row_is_back(world: World) -> None:
    lost = rows.instance()
    world.databases["hosted"][f"{lost.database}_b7"] = Data(lost.database)
    Instance.objects.filter(pk=lost.pk).delete()
    assert f"left folders alone that no row knows: {lost.name}" in reconcile()
    reconcile()
    assert len(alarms.going_on()) == 2
    assert f"hosted databases: {lost.database}, {lost.database}_b7" in alarm()
    assert f"folders: {lost.name}" in alarm()
    assert "docs/operate.md" in alarm()
    lost.save()
    assert not [line for line in reconcile() if "no row knows" in line]
    assert not alarms.going_on()


def test_the_number_of_what_no_row_knows_is_never_given_again(world: World) -> None:
    """Else a new instance would begin with dropping the database of another one."""
    first = rows.instance()
    lost = f"bc0ffee_i{first.pk + 1}"
    world.databases["lab"][lost] = Data(lost)
    reconcile()
    assert rows.instance(Stage.STAGING, "staging.localhost").pk > first.pk + 1
    assert lost in world.databases["lab"]


def test_numbers_that_are_there_are_known_before_the_first_round(world: World) -> None:
    first = rows.instance()
    (machines.folder(first).parent / f"i{first.pk + 7}").mkdir()
    world.databases["lab"][f"bc0ffee_i{first.pk + 9}_b7"] = Data("postgres")
    strangers.look_ahead()
    assert rows.instance(Stage.STAGING, "staging.localhost").pk == first.pk + 10
    strangers.look_ahead()
    assert rows.instance(Stage.STAGING, "more.localhost").pk == first.pk + 11


def test_a_cluster_with_the_databases_of_the_other_one_is_left_alone(world: World) -> None:
    """That is what it looks like where somebody mixed up BERTH_HOSTED_URL and BERTH_LAB_URL."""
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    remove_row(staging)
    world.databases["hosted"], world.databases["lab"] = world.databases["lab"], world.databases["hosted"]
    world.roles["hosted"], world.roles["lab"] = world.roles["lab"], world.roles["hosted"]
    reconcile()
    assert set(world.databases["hosted"]) == {staging.database}
    assert set(world.databases["lab"]) == {production.database}
    assert production.database in alarm()


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


def test_folders_of_removed_instances_are_removed_and_no_others(world: World) -> None:
    kept, gone = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    root = machines.folder(kept).parent
    for name in ("i999999", f"{gone.name}-saved", f"i0{gone.pk}", "lost+found"):
        (root / name / "data").mkdir(parents=True)
    remove_row(gone)
    assert f"removed folder {gone.name}, which belongs to nothing" in reconcile()
    left = {kept.name, "i999999", f"{gone.name}-saved", f"i0{gone.pk}", "lost+found"}
    assert {path.name for path in root.iterdir()} == left
    assert [each.title for each in alarms.going_on()] == [
        f"No row of the portal knows these folders: {gone.name}-saved, i999999"
    ]


def test_a_folder_that_is_a_link_is_let_be(world: World, tmp_path: Path) -> None:
    """Nobody but root can put one there, and nothing of ours does."""
    gone = rows.instance()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    folder = machines.folder(gone)
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path / "elsewhere")
    remove_row(gone)
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
    remove_row(rows.instance(Stage.STAGING, "staging.localhost"))
    world.hosts, world.routes = {}, {}

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
    stray(world, f"berth-c0ffee-{rows.instance()}-g1-web")

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
