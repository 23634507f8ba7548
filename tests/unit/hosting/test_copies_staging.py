"""Production is copied by programs of Odoo's own image, each with no more than it needs; root follows no link."""

import os
from pathlib import Path
from typing import Any

import pytest

from hosting import copies, machines
from hosting.engines.docker import ContainerSpec, Mount
from hosting.models import Instance, Pool, Stage
from portal.models import State, Step, Story
from portal.stories import LEASE, PlatformError
from portal.telling import ClaimLost, Telling
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.world import ODOO_IMAGE
from tests.unit.hosting import rows


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[ContainerSpec]:
    """What was run, in order."""
    specs: list[ContainerSpec] = []
    real = FakeEngine.run_once

    def run_once(engine: FakeEngine, spec: ContainerSpec, **options: Any) -> int:
        specs.append(spec)
        return real(engine, spec, **options)

    monkeypatch.setattr(FakeEngine, "run_once", run_once)
    return specs


@pytest.fixture
def production(world: World) -> Instance:
    instance = rows.instance()
    rows.live(instance, world)
    data = world.databases["hosted"][instance.database]
    data.modules, data.rows = {"base": "18.0.1.3"}, ("a customer",)
    file = machines.folder(instance) / "data" / "filestore" / instance.database / "ab" / "abcdef"
    file.parent.mkdir(parents=True)
    file.write_text("an attachment")
    return instance


@pytest.fixture
def staging(world: World) -> Pool:
    return rows.pool(rows.instance(Stage.STAGING, "staging.localhost"), world, "b2")


@pytest.fixture
def telling(db: None) -> Telling:
    story = Story.objects.create(kind="deploy", queue="deploy", subject="branch-1", object_id=1, claim="ours")
    telling = Telling(story, lease=LEASE)
    telling.enter(Step.objects.create(story=story, name="copy", title="Copy", position=1, state=State.QUEUED))
    return telling


def test_rows_and_files_come_over(world: World, production: Instance, staging: Pool, telling: Telling) -> None:
    copies.copy(source=production, pool=staging, telling=telling)
    instance = staging.instance
    assert world.databases["lab"][instance.database].rows == ("a customer",)
    copied = machines.folder(instance) / "data" / "filestore" / instance.database / "ab" / "abcdef"
    assert copied.read_text() == "an attachment"
    copies.copy(source=production, pool=staging, telling=telling)
    assert not (machines.folder(instance) / "copy").exists()


def test_each_program_gets_one_role_and_one_network(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    copies.copy(source=production, pool=staging, telling=telling)
    dump, restore, cp = ran
    assert (dump.argv[0], dump.network, dump.env["PGUSER"]) == ("pg_dump", "berth-c0ffee-prod", production.database)
    assert (restore.argv[0], restore.network) == ("pg_restore", "berth-c0ffee-lab")
    assert restore.env["PGUSER"] == staging.instance.database
    assert (cp.argv[0], cp.network, cp.env) == ("cp", None, {})
    assert not [spec for spec in ran if spec.user != "odoo" or spec.restart != "no" or spec.address]


def test_code_of_the_build_never_meets_productions_password(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    copies.copy(source=production, pool=staging, telling=telling)
    assert {spec.image_id for spec in ran} == {ODOO_IMAGE}
    assert production.database_password not in " ".join(" ".join(spec.argv) for spec in ran)


def test_the_dump_is_seen_by_nobody_else(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[tuple[int, int]] = []
    exchange = machines.folder(staging.instance) / "copy"

    def look(_text: str) -> None:
        status = exchange.stat()
        modes.append((status.st_mode & 0o777, status.st_uid))

    monkeypatch.setattr(telling, "log", look)
    copies.copy(source=production, pool=staging, telling=telling)
    assert set(modes) == {(0o700, 101)}


def test_files_are_copied_by_the_tenants_own_user_with_both_data_folders_only(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    copies.copy(source=production, pool=staging, telling=telling)
    assert ran[2].mounts == (
        Mount(str(machines.folder(production) / "data"), copies.FROM, read_only=True),
        Mount(str(machines.folder(staging.instance) / "data"), copies.TO, read_only=False),
    )
    assert "--no-dereference" in ran[2].argv


@pytest.mark.parametrize("place", ["filestore", "filestore/{database}"])
def test_root_follows_no_link_that_a_tenant_put_there(
    production: Instance, staging: Pool, telling: Telling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Neither to read what it leads to, nor to give that away."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "shadow").write_text("root:*")
    for instance in (production, staging.instance):
        link = machines.folder(instance) / "data" / place.format(database=instance.database)
        if link.is_dir():
            os.rename(link, tmp_path / f"was-{instance.name}")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(secret)
    monkeypatch.setattr(FakeEngine, "_copy", lambda *_: None)  # inside the container the links lead nowhere
    copies.copy(source=production, pool=staging, telling=telling)
    assert (secret / "shadow").stat().st_uid == secret.stat().st_uid == 0
    assert [path.name for path in secret.iterdir()] == ["shadow"]


def test_what_is_being_updated_is_not_copied(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    Instance.objects.filter(pk=production.pk).update(door=Instance.Door.UPDATING)
    with pytest.raises(PlatformError, match="being updated"):
        copies.copy(source=production, pool=staging, telling=telling)
    assert not ran


def test_production_without_attachments_is_copied_too(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    os.rename(machines.folder(production) / "data" / "filestore", machines.folder(production) / "elsewhere")
    copies.copy(source=production, pool=staging, telling=telling)
    assert [spec.argv[0] for spec in ran] == ["pg_dump", "pg_restore"]


def test_a_program_that_fails_is_told_with_its_exit_code(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "run_once", lambda *_, **_options: 1)
    with pytest.raises(PlatformError) as caught:
        copies.copy(source=production, pool=staging, telling=telling)
    assert "pg_dump ended with exit code 1" in caught.value.detail
    assert not (machines.folder(staging.instance) / "copy").exists()


def test_who_lost_the_claim_leaves_the_folder_to_who_has_it_now(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = machines.folder(staging.instance) / "copy"

    def lost(*_arguments: object, **_named: object) -> int:
        (exchange / "dump").write_text("the other worker's")
        raise ClaimLost

    monkeypatch.setattr(FakeEngine, "run_once", lost)
    with pytest.raises(ClaimLost):
        copies.copy(source=production, pool=staging, telling=telling)
    assert (exchange / "dump").read_text() == "the other worker's"


def test_a_copy_that_fails_leaves_no_dump(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "run_once", lambda *_arguments, **_named: 1)
    with pytest.raises(PlatformError):
        copies.copy(source=production, pool=staging, telling=telling)
    assert not (machines.folder(staging.instance) / "copy").exists()


def test_jobs_that_wait_in_production_run_on_no_copy(
    world: World, production: Instance, staging: Pool, telling: Telling
) -> None:
    """Odoo's own neutralisation leaves them, and the copy has a runner of its own."""
    live, copied = (
        world.databases["hosted"][production.database],
        world.databases["lab"][staging.instance.database],
    )
    live.jobs = 3
    copies.copy(source=production, pool=staging, telling=telling)
    assert copied.jobs == 3
    copies.neutralise(staging, telling=telling)
    assert (live.jobs, copied.jobs) == (3, 0)
