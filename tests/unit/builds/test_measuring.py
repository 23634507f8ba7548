"""What takes the disk is measured, told apart by whose it is, and shown."""

import html
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from builds import measuring
from hosting import machine_state, machines
from hosting.engines.docker import EngineUnreachable
from hosting.models import Host, Instance, Stage, Vault
from portal import alarms, clock
from portal.models import AuditEntry
from projects import quota
from projects.models import DiskUse, Project
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.fakes.engine import FakeEngine
from tests.unit.hosting import rows

GB = quota.GB


@pytest.fixture
def project(world: World, people: SimpleNamespace) -> Project:
    return cast.project("shop", people, vault=Vault.objects.create())


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def instance_of(project: Project, name: str = "main", stage: Stage = Stage.PRODUCTION) -> Instance:
    instance = rows.instance(stage, f"{name}.localhost")
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.READY)
    cast.build(cast.branch(project, name, stage, instance=instance))
    return instance


def test_databases_files_and_logs_count_for_their_project(
    project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = instance_of(project)
    world.databases["hosted"][f"{instance.database}_b7"] = world.databases["hosted"][instance.database]  # aside
    monkeypatch.setattr(FakeCluster, "size", lambda _cluster, _name: 5000)
    write(machines.folder(instance) / "data/filestore/x/ab/ab01", 9000)
    write(machines.folder(instance) / "log/odoo.log", 5000)
    write(Path(settings.BERTH_HOME) / f"vaults/{project.vault}/data", 5000)
    measuring.measure()
    storage = quota.storage(project)
    assert storage.by_kind == {"database": 10000, "files": 12288, "logs": 8192, "vault": 8192}
    assert storage.used == 30480
    assert storage.measured_at is not None


def test_what_has_gone_is_forgotten_and_what_is_new_is_found(project: Project, world: World) -> None:
    first = instance_of(project)
    measuring.measure()
    Instance.objects.filter(pk=first.pk).update(state=Instance.State.REMOVED)
    world.databases["hosted"].clear()
    second = instance_of(project, "second", Stage.STAGING)
    measuring.measure()
    assert set(DiskUse.objects.filter(kind="database").values_list("name", flat=True)) == {second.name}
    assert set(DiskUse.objects.filter(kind="files").values_list("name", flat=True)) == {second.name}


def test_an_engine_that_is_away_leaves_the_last_measure(
    project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.pool(instance_of(project), world)
    world.images["sha256:b1"] = world.images["sha256:b1"].__class__("sha256:b1", (f"x/p{project.pk}:b1",), {}, 77)
    measuring.measure()

    def away(_engine: FakeEngine) -> None:
        raise EngineUnreachable("gave no answer")

    monkeypatch.setattr(FakeEngine, "used", away)
    measuring.measure()
    assert DiskUse.objects.get(kind="image", project=project).bytes == 77
    assert DiskUse.objects.filter(kind="own").exists()


def test_no_link_of_a_tenant_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside/large", 100_000)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/file").symlink_to(tmp_path / "outside/large")
    assert machine_state.used(tmp_path / "inside") < 100_000


# --- quotas -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("own", "expected"), [(None, 100 * GB), (5, 5 * GB), (0, None)])
def test_a_project_has_the_installations_quota_or_its_own(
    project: Project, own: int | None, expected: int | None
) -> None:
    project.quota_gb = own
    assert quota.limit(project) == expected


def test_what_is_full_is_an_alarm_while_it_is(project: Project, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_of(project)
    Project.objects.update(quota_gb=1)
    monkeypatch.setattr(FakeCluster, "size", lambda _cluster, _name: 2 * GB)
    monkeypatch.setattr(machine_state, "room", lambda _folder: machine_state.Room(size=100 * GB, free=9 * GB))
    measuring.measure()
    titles = {alarm.title: alarm.project_id for alarm in alarms.going_on()}
    assert titles == {
        "Less than 10 % of the disk of here is free": None,
        "Shop uses more disk than it may": project.pk,
    }
    monkeypatch.setattr(machine_state, "room", lambda _folder: machine_state.Room(size=100 * GB, free=90 * GB))
    Project.objects.update(quota_gb=5)
    measuring.measure()
    assert not alarms.going_on().exists()


# --- pages ------------------------------------------------------------------------------------------------------------
def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_the_operator_sees_what_takes_the_disk(client: Client, project: Project) -> None:
    client.force_login(cast.person("Operator", is_superuser=True))
    assert "Nothing was measured yet" in page(client, "/operator/disk/")
    instance_of(project)
    measuring.measure()
    shown = page(client, "/operator/disk/")
    assert "Databases" in shown
    assert "Below 10 % new builds wait" in shown
    Host.objects.update(disk_size=100 * GB, disk_free=9 * GB)
    assert "Less than 10 % is free: new builds wait" in page(client, "/operator/disk/")


def test_that_page_asks_few_questions_and_leaves_out_who_is_gone(
    client: Client, project: Project, people: SimpleNamespace, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        cast.project(f"other-{number}", people)
    Project.objects.filter(slug="other-7").update(removed_at=clock.now())
    measuring.measure()
    client.force_login(cast.person("Operator", is_superuser=True))
    with django_assert_max_num_queries(12):
        shown = page(client, "/operator/disk/")
    assert "/other-6/" in shown
    assert "/other-7/" not in shown


def test_the_operator_sets_a_quota(client: Client, project: Project) -> None:
    client.force_login(cast.person("Operator", is_superuser=True))
    assert client.post("/operator/disk/shop/quota/", {"quota_gb": "20"}).status_code == 302
    assert Project.objects.get().quota_gb == 20
    entry = AuditEntry.objects.get(verb="set quota")
    assert (entry.by, entry.before, entry.after) == ("operator", {"quota_gb": None}, {"quota_gb": 20})
    client.post("/operator/disk/shop/quota/", {"quota_gb": "-3"})
    assert Project.objects.get().quota_gb == 20
    client.post("/operator/disk/shop/quota/", {"quota_gb": ""})
    assert Project.objects.get().quota_gb is None


def test_others_do_not_know_of_that_page(client: Client, project: Project, people: SimpleNamespace) -> None:
    client.force_login(people.alice)
    assert client.get("/operator/disk/").status_code == 404
    assert client.post("/operator/disk/shop/quota/", {"quota_gb": "20"}).status_code == 404
    assert Project.objects.get().quota_gb is None


def test_an_admin_sees_what_the_project_uses(client: Client, project: Project, people: SimpleNamespace) -> None:
    client.force_login(people.alice)
    assert "Not measured yet" in page(client, "/shop/settings/")
    instance_of(project)
    measuring.measure()
    assert "of 100.0 GB used" in page(client, "/shop/settings/").replace("\xa0", " ")
