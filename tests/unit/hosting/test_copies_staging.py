"""Production is copied by programs of Odoo's own image, each with no more than it needs; root follows no link."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hosting import copies, machines, neutralising
from hosting.engines.docker import ContainerSpec, ContainerState
from hosting.models import Instance, Pool, Stage
from portal.models import State, Step, Story
from portal.stories import LEASE, PlatformError
from portal.telling import ClaimLost, Telling
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.world import ODOO_IMAGE
from tests.unit.hosting import rows

FILE = "ab" * 20


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[ContainerSpec]:
    """What was run, in order."""
    specs: list[ContainerSpec] = []
    real = FakeEngine.run_once

    feed = FakeEngine._feed

    def run_once(engine: FakeEngine, spec: ContainerSpec, **options: Any) -> int:
        specs.append(spec)
        return real(engine, spec, **options)

    def started(engine: FakeEngine, spec: ContainerSpec) -> ContainerState:
        specs.append(spec)
        return feed(engine, spec)

    monkeypatch.setattr(FakeEngine, "run_once", run_once)
    monkeypatch.setattr(FakeEngine, "_feed", started)
    return specs


@pytest.fixture
def production(world: World) -> Instance:
    instance = rows.instance()
    rows.live(instance, world)
    data = world.databases["hosted"][instance.database]
    data.modules, data.rows = {"base": "18.0.1.3"}, ("a customer",)
    place(instance)
    return instance


def stored(instance: Instance) -> Path:
    return machines.folder(instance) / "data" / "filestore" / instance.database / "ab" / FILE


def place(instance: Instance) -> None:
    stored(instance).parent.mkdir(parents=True)
    stored(instance).write_text("an attachment")


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
    assert stored(instance).read_text() == "an attachment"
    copies.copy(source=production, pool=staging, telling=telling)
    assert stored(instance).read_text() == "an attachment"
    assert sorted(path.name for path in machines.folder(instance).iterdir() if path.is_dir()) == ["data", "log"]


def test_each_program_gets_one_role_and_one_network(
    production: Instance, staging: Pool, telling: Telling, ran: list[ContainerSpec]
) -> None:
    copies.copy(source=production, pool=staging, telling=telling)
    dump, restore = ran
    assert (dump.argv[0], dump.network, dump.env["PGUSER"]) == ("pg_dump", "berth-c0ffee-prod", production.database)
    assert (restore.argv[0], restore.network) == ("pg_restore", "berth-c0ffee-lab")
    assert restore.env["PGUSER"] == staging.instance.database
    assert dump.name != restore.name
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


def test_neither_tenant_can_write_to_what_the_other_has(production: Instance, staging: Pool, telling: Telling) -> None:
    """Odoo never writes to a file again; it reads it, and removes it, as the folder is its own."""
    copies.copy(source=production, pool=staging, telling=telling)
    for instance in (production, staging.instance):
        status = stored(instance).stat()
        assert (status.st_uid, status.st_mode & 0o777) == (0, 0o444)
    assert stored(staging.instance).samefile(stored(production))
    assert stored(staging.instance).parent.stat().st_uid == 101


def test_where_files_can_not_be_linked_each_has_its_own(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    shared = copies.copy(source=production, pool=staging, telling=telling)
    assert (shared.files, shared.copied, shared.size) == (1, 1, len("an attachment"))
    assert not stored(staging.instance).samefile(stored(production))
    assert stored(staging.instance).read_text() == "an attachment"
    assert stored(staging.instance).stat().st_uid == 101


def test_a_file_that_comes_during_the_dump_comes_over(
    production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that goes: the dump may name both."""
    feed = FakeEngine._feed

    def meanwhile(engine: FakeEngine, spec: ContainerSpec) -> ContainerState:
        stored(production).with_name("ab" + "0" * 38).write_text("new")
        stored(production).unlink()
        return feed(engine, spec)

    monkeypatch.setattr(FakeEngine, "_feed", meanwhile)
    copies.copy(source=production, pool=staging, telling=telling)
    assert {path.name for path in stored(staging.instance).parent.iterdir()} == {FILE, "ab" + "0" * 38}


@pytest.mark.parametrize("place", ["filestore", "filestore/{database}"])
def test_root_follows_no_link_that_a_tenant_put_there(
    production: Instance, staging: Pool, telling: Telling, tmp_path: Path, place: str
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
    assert "pg_restore ended with exit code 1" in caught.value.detail
    assert not (machines.folder(staging.instance) / "copy").exists()


def test_a_dump_that_fails_is_told_although_the_restore_ended_well(
    world: World, production: Instance, staging: Pool, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a dump may look whole to who reads it, and who waits for one that never comes waits for ever."""
    inspect = FakeEngine.inspect

    def failed(engine: FakeEngine, name: str) -> ContainerState | None:
        state = inspect(engine, name)
        return replace(state, exit_code=1) if state and name.endswith("-dump") else state

    monkeypatch.setattr(FakeEngine, "inspect", failed)
    with pytest.raises(PlatformError) as caught:
        copies.copy(source=production, pool=staging, telling=telling)
    assert "pg_dump ended with exit code 1" in caught.value.detail
    assert not [name for name in world.containers if name.endswith("-dump")]


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
    neutralising.neutralise(staging, telling=telling)
    assert (live.jobs, copied.jobs) == (3, 0)
