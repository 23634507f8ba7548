"""Pools: their generations, what their containers are, and files that hold passwords."""

import os
from pathlib import Path

import pytest

from hosting import instances, logfiles, machines, pools
from hosting.models import Instance, Pool, Slot, Stage
from hosting.odoo.conf import Purpose
from portal.models import AuditEntry
from tests.unit.fakes import World
from tests.unit.hosting import rows


def test_generations_count_up_and_only_production_has_scheduled_actions_of_its_own(world: World) -> None:
    production, staging = rows.instance(), rows.instance(Stage.STAGING, "staging.localhost")
    made = [rows.pool(production, world), rows.pool(production, world), rows.pool(staging, world)]
    assert [pool.generation for pool in made] == [1, 2, 1]
    assert [pool.cron_workers for pool in made] == [1, 1, 0]


@pytest.mark.parametrize(("stage", "with_runner"), [(Stage.PRODUCTION, Purpose.CRON), (Stage.STAGING, Purpose.SERVE)])
def test_jobs_run_in_one_container_which_hears_their_runner(world: World, stage: Stage, with_runner: Purpose) -> None:
    pool = rows.pool(rows.instance(stage), world)
    pool.queue_job = True
    confs = {purpose: pools.write_conf(pool, purpose).read_text() for purpose in Purpose}
    assert [purpose for purpose, text in confs.items() if "queue_job" in text] == [with_runner]
    assert "http_enable = True" in confs[with_runner]
    hears = "--no-http" not in pools.spec(pool, "cron", Path("/x")).argv
    assert hears == (with_runner is Purpose.CRON)


def test_production_has_the_cores_before_staging_and_development(world: World) -> None:
    stages = (Stage.PRODUCTION, Stage.STAGING, Stage.DEVELOPMENT)
    made = [rows.live(rows.instance(stage, f"{stage}.localhost"), world) for stage in stages]
    assert [pools.spec(pool, "web", Path("/x")).later for pool in made] == [False, True, True]
    assert pools.spec(made[0], "cron", Path("/x")).later  # visitors come before scheduled actions
    assert pools.spec(rows.pool(made[0].instance, world), "web", Path("/x")).later  # it serves nobody yet


def test_the_configuration_is_roots_and_readable_by_the_tenant_alone(world: World) -> None:
    pool = rows.pool(rows.instance(), world)
    path = pools.write_conf(pool, Purpose.SERVE)
    status = path.stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o440, 0, 101)
    assert pool.instance.database_password in path.read_text()
    assert pools.write_conf(pool, Purpose.SERVE) == path
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_configuration_is_never_readable_by_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    real = os.fchown

    def fchown(handle: int, *owner: int) -> None:
        modes.append(os.fstat(handle).st_mode & 0o777)
        real(handle, *owner)

    monkeypatch.setattr(os, "fchown", fchown)
    pool = rows.pool(rows.instance(), world)
    folder = machines.folder(pool.instance) / "g1"
    folder.mkdir()
    (folder / "serve.part").write_text("left by a worker that was killed")
    pools.write_conf(pool, Purpose.SERVE)
    assert modes == [0o400]


def test_only_the_tenants_folders_are_given_away(world: World) -> None:
    folder = machines.folder(rows.instance())
    owners = {path.name: path.stat().st_uid for path in [folder, *folder.iterdir()]}
    assert owners == {folder.name: 0, "data": 101, "log": 101}


def test_a_pool_that_is_removed_leaves_no_password_and_no_container(world: World) -> None:
    instance = rows.instance()
    pool = rows.live(instance, world)
    pools.remove(pool)
    pools.remove(pool)
    assert not world.containers
    assert sorted(path.name for path in machines.folder(instance).iterdir()) == ["data", "log"]
    assert Pool.objects.get(pk=pool.pk).state == Pool.State.GONE


def test_last_words_are_what_the_container_printed_and_odoo_logged(world: World) -> None:
    pool = rows.live(rows.instance(), world)
    log = machines.folder(pool.instance) / "log" / pools.log_name(pool, Purpose.SERVE)
    log.write_text("2026-11-21 20:56:29,859 11 ERROR db odoo: it is broken\n")
    assert pools.last_words(pool, 50).splitlines() == ["what the container printed", log.read_text().strip()]
    assert pools.last_words(pool, 1) == log.read_text().strip()


def test_last_words_never_come_from_where_a_tenant_pointed(world: World, tmp_path: Path) -> None:
    pool = rows.live(rows.instance(), world)
    (tmp_path / "shadow").write_text("root:*")
    log = machines.folder(pool.instance) / "log" / pools.log_name(pool, Purpose.SERVE)
    log.symlink_to(tmp_path / "shadow")
    assert "root" not in pools.last_words(pool, 50)
    assert logfiles.files(pool.instance) == []


# --- instances --------------------------------------------------------------------------------------------------------
def test_an_instance_gets_its_cluster_by_its_stage_and_its_name_in_its_address(world: World) -> None:
    host = rows.instance().host
    made = instances.create(host=host, stage=Stage.STAGING, series="18.0", hostname="shop-next-{name}.localhost")
    assert made.hostname == f"shop-next-{made.name}.localhost"
    assert made.database_server.purpose == "lab"
    assert AuditEntry.objects.latest("pk").after == {"hostname": made.hostname, "for": ""}


def test_a_stopped_instance_keeps_its_database_and_nothing_starts_it_again(world: World) -> None:
    instance = rows.instance()
    pool = rows.live(instance, world)
    states: list[str] = []
    world.before = lambda what: states.append(Pool.objects.get().state) if what.startswith("remove") else None
    instances.stop(instance)
    assert states == [Pool.State.DRAINING, Pool.State.DRAINING]
    assert (world.answer("shop.localhost"), world.containers) == ("stopped", {})
    assert instance.database in world.databases["hosted"]
    assert Pool.objects.get(pk=pool.pk).state == Pool.State.GONE
    assert not Slot.objects.exclude(pool=None).exists()


def test_a_removed_instance_leaves_nothing_and_its_address_is_free(world: World) -> None:
    instance = rows.instance()
    rows.live(instance, world)
    world.databases["hosted"][f"{instance.database}_b7"] = world.databases["hosted"][instance.database]
    neighbour = f"{instance.database}0"
    world.databases["hosted"][neighbour] = world.databases["hosted"][instance.database].copy("x", finished=True)
    instances.remove(instance)
    assert (world.containers, world.hosts, world.routes) == ({}, {}, {})
    assert set(world.databases["hosted"]) == {neighbour}
    assert not machines.folder(instance).exists()
    assert Instance.objects.get(pk=instance.pk).state == Instance.State.REMOVED
    assert rows.instance().hostname == instance.hostname
