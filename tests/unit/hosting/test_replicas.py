"""Pools with several web containers: all of them are started, proven, served from, resized and put away."""

from decimal import Decimal

import pytest

from hosting import addresses, databases, keep, machine_state, machines, pools, proof, resize, routing, switch
from hosting.engines import probe
from hosting.engines.docker import LimitRefused
from hosting.engines.haproxy import Server
from hosting.engines.postgres import Load, Version
from hosting.models import Instance, Pool, Replica
from hosting.odoo.conf import Purpose
from hosting.odoo.floors import MIB
from hosting.reconcile import reconcile
from tests.unit.fakes import World
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.fakes.engine import FakeEngine
from tests.unit.hosting import rows


@pytest.fixture
def instance(world: World) -> Instance:
    return rows.instance()


@pytest.fixture
def pool(world: World, instance: Instance) -> Pool:
    """A live one with three web containers."""
    return rows.live(instance, world, replicas=3)


def running(world: World, pool: Pool) -> list[str]:
    return [role for role in pool.roles if world.containers[pool.container(role)].running]


def failures(pool: Pool) -> dict[str, str]:
    return {check.name: check.failure for check in proof.look(pool) if check.failure}


# --- names and addresses ----------------------------------------------------------------------------------------------
def test_each_web_container_has_a_name_and_an_address_of_its_own(world: World, pool: Pool) -> None:
    assert pool.roles == ("cron", "web", "web-2", "web-3")
    names = {name.partition(f"{pool.name}-")[2]: each.spec.address for name, each in world.containers.items()}
    assert names == {**pool.web, "cron": pool.cron_address}
    assert len(set(names.values())) == 4


def test_addresses_of_all_are_taken_until_the_pool_is_gone(world: World, instance: Instance, pool: Pool) -> None:
    taken = {*pool.web.values(), pool.cron_address}
    assert not taken & set(addresses.allot(instance, 8))

    instance.live_pool = None
    instance.save()
    switch.retire(pool, keep_going=lambda: None)

    assert not Replica.objects.exists()
    assert taken <= set(addresses.allot(instance, 8))


def test_a_removed_pool_leaves_no_container_of_the_three(world: World, pool: Pool) -> None:
    pools.remove(pool)
    pools.remove(pool)
    assert not world.containers


# --- the router -------------------------------------------------------------------------------------------------------
def test_the_router_leads_to_all_of_them_as_many_requests_at_a_time_as_each_has_workers(
    world: World, pool: Pool
) -> None:
    assert pool.slot.number in world.slots
    assert world.slots[pool.slot.number] == [Server(address, maxconn=2) for address in pool.web.values()]
    assert routing.wanted().slots[pool.slot.number] == routing.servers(pool)


# --- the proof --------------------------------------------------------------------------------------------------------
def test_each_is_proven_from_all_sides(pool: Pool) -> None:
    names = [check.name for check in proof.look(pool)]
    assert failures(pool) == {}
    assert [f"web-2 {name}" for name in names[:9]] == names[9:18]
    assert [f"web-3 {name}" for name in names[:9]] == names[18:]


def test_a_stranger_at_the_address_of_one_proves_nothing(world: World, pool: Pool) -> None:
    world.containers[pool.container("web-2")].spec.__dict__["image_id"] = "sha256:stranger"
    world.images["sha256:stranger"] = world.images[pool.image_id]
    assert failures(pool) == {"web-2 container": f"runs image sha256:stranger, not {pool.image_id}"}


def test_one_that_is_not_connected_to_its_database_is_seen(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = {address: 1 for role, address in pool.web.items() if role != "web-3"}
    monkeypatch.setattr(FakeCluster, "clients", lambda *_: connected)
    assert failures(pool) == {"web-3 database": "no connection to its database yet"}


def test_one_that_serves_without_an_installed_module_is_seen_in_its_own_log(pool: Pool) -> None:
    said = "Some modules are not loaded, some dependencies or manifest may be missing: ['library']"
    line = f"2026-11-21 20:56:29,859 11 ERROR b_i1 odoo.modules.loading: {said}\n"
    (machines.folder(pool.instance) / "log" / pools.web_log(pool, "web-2")).write_text(line)
    assert failures(pool) == {"web-2 modules": "installed, but not loaded, as code is missing: library"}


def test_ports_are_waited_for_until_all_answer(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def status(address: str, _port: int, _path: str, _host: str) -> int:
        asked.append(address)
        return 0 if address == pool.web["web-3"] and asked.count(address) < 3 else 200

    monkeypatch.setattr(probe, "status", status)
    monkeypatch.setattr(proof, "LIVENESS_S", 0.0)
    assert proof.wait_for_ports(pool, timeout=20, keep_going=lambda: None)
    assert asked.count(pool.web["web-3"]) > 2


def test_one_that_ended_is_not_waited_for(world: World, pool: Pool) -> None:
    world.containers[pool.container("web-2")].running = False
    with pytest.raises(proof.Died):
        proof.wait_for_ports(pool, timeout=20, keep_going=lambda: None)
    assert "web-2 container" in {check.name for check in proof.glance(pool) if check.failure}


# --- logs and configurations ------------------------------------------------------------------------------------------
def test_each_writes_a_log_of_its_own(pool: Pool) -> None:
    folder = machines.folder(pool.instance) / f"g{pool.generation}"
    logs = {file.name: file.read_text().split("logfile = ")[1].split()[0] for file in folder.glob("*.conf")}
    assert logs == {
        "serve.conf": "/var/log/odoo/odoo-g1-serve.log",
        "serve-2.conf": "/var/log/odoo/odoo-g1-serve-2.log",
        "serve-3.conf": "/var/log/odoo/odoo-g1-serve-3.log",
        "cron.conf": "/var/log/odoo/odoo-g1-cron.log",
    }


def test_last_words_are_those_of_all(pool: Pool) -> None:
    log = machines.folder(pool.instance) / "log" / pools.web_log(pool, "web-3")
    log.write_text("2026-11-21 20:56:29,859 11 ERROR db odoo: it is broken\n")
    printed = "what the container printed"
    assert pools.last_words(pool, 50).splitlines() == [
        *("web:", printed, "web-2:", printed, "web-3:", printed),
        log.read_text().strip(),
    ]


# --- resizing ---------------------------------------------------------------------------------------------------------
def test_all_get_another_size_and_odoo_its_limits(world: World, instance: Instance, pool: Pool) -> None:
    resize.resize(instance, memory_mb=2048, cpus=Decimal(1))
    assert {each.spec.memory_bytes for each in world.containers.values()} == {2048 * MIB}
    conf = machines.folder(instance) / "g1" / "serve-3.conf"
    assert f"limit_memory_hard = {2048 * MIB}" in conf.read_text()


def test_one_that_uses_more_leaves_all_as_they_were(
    world: World, instance: Instance, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeEngine.resize

    def refuse(engine: FakeEngine, name: str, memory_bytes: int, cpus: float) -> object:
        if name == pool.container("web-3"):
            raise LimitRefused("It uses more.")
        return real(engine, name, memory_bytes, cpus)

    monkeypatch.setattr(FakeEngine, "resize", refuse)
    with pytest.raises(LimitRefused):
        resize.resize(instance, memory_mb=1024, cpus=Decimal(1))
    assert {each.spec.memory_bytes for each in world.containers.values()} == {1536 * MIB}


# --- mending ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [Pool.State.LIVE, Pool.State.KEPT])
def test_one_that_died_is_started_again(world: World, pool: Pool, state: Pool.State) -> None:
    Pool.objects.update(state=state)
    world.containers[pool.container("cron")].running = False
    Pool.objects.update(crons_stopped=True)
    world.containers[pool.container("web-2")].running = False
    assert reconcile() == [f"started container {pool.container('web-2')} of the {state} pool"]
    assert running(world, pool) == ["web", "web-2", "web-3"]
    assert reconcile() == []


def test_a_pool_that_sleeps_keeps_none_running(world: World, pool: Pool) -> None:
    Pool.objects.update(state=Pool.State.ASLEEP, crons_stopped=True)
    Instance.objects.update(door=Instance.Door.ASLEEP)
    reconcile()
    assert not set(running(world, pool)) & set(pool.web)


# --- stopping and keeping ---------------------------------------------------------------------------------------------
def test_all_stop_for_an_update_and_come_back(world: World, instance: Instance, pool: Pool) -> None:
    switch.pause(instance, seconds=0, keep_going=lambda: None)
    assert running(world, pool) == []
    switch.bring_back(pool, keep_going=lambda: None)
    assert running(world, pool) == list(pool.roles)


def left(world: World, instance: Instance) -> Pool:
    """One of two web containers that served before."""
    old = rows.live(instance, world, replicas=2)
    rows.live(instance, world, "b2")
    return old


def put_by(instance: Instance) -> str:
    said: list[str] = []
    keep.settle(instance, seconds=0, minutes=15, say=said.append, keep_going=lambda: None)
    return " ".join(said)


def test_one_of_which_a_single_container_died_is_kept(world: World, instance: Instance) -> None:
    old = left(world, instance)
    world.containers[old.container("web")].running = False
    assert "is kept until" in put_by(instance)


def test_memory_is_wanted_for_all_of_a_pool_that_is_to_be_kept(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(world, instance)
    monkeypatch.setattr(machine_state, "available_memory", lambda: 2000 * MIB)
    assert "has 2000 MB of memory free, and another pool may need 3072 MB" in put_by(instance)


# --- connections to PostgreSQL ----------------------------------------------------------------------------------------
def test_its_role_may_open_what_each_process_of_both_generations_may(world: World, instance: Instance) -> None:
    old, new = rows.pool(instance, world, replicas=3), rows.pool(instance, world, "b2")
    databases.allow_connections(instance)
    of_old, of_new, one_off = 3 * (2 + 1) + 1, (2 + 1) + 1, 1
    assert world.connections[instance.database] == (of_old + of_new + one_off) * 16

    pools.remove(old)
    databases.allow_connections(instance)
    assert world.connections[instance.database] == (of_new + one_off) * 16
    assert new.cron_workers == 1


def test_its_role_never_gets_all_that_the_server_has(
    world: World, instance: Instance, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCluster, "load", lambda _: Load(Version(16, 16), connections=10, limit=150))
    databases.allow_connections(instance)
    assert world.connections[instance.database] == 150 - databases.FOR_OTHERS


def test_purposes_keep_their_names_for_the_first(pool: Pool) -> None:
    """So that an installation which is updated goes on with the files and containers that it has."""
    assert pools.log_name(pool, Purpose.SERVE) == pools.web_log(pool, "web") == "odoo-g1-serve.log"
    assert pool.container("web").endswith(f"-i{pool.instance_id}-g1-web")
