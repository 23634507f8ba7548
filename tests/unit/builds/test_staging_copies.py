"""Staging copies: of the newest proven restore where that is fresh enough, else of production as it is."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from builds import rounds
from builds.models import Build, Restore
from builds.origin import Origin, Way
from hosting import machine_state, machines, restored
from hosting.machine_state import Room
from hosting.models import Backup, Instance
from portal import clock
from portal.models import Result
from projects.models import Branch, Stage
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, Scenery, said, scenery
from tests.unit.fakes.world import Data

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = b"an attachment"
NAME = hashlib.sha1(CONTENT).hexdigest()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    with scenery(monkeypatch, settings, tmp_path) as stage:
        yield stage


@pytest.fixture
def build(stage: Scenery) -> Build:
    """A build of staging that has not begun. Production has a customer, a file and three scheduled actions."""
    build = stage.staging()
    data = production(stage)
    data.rows += ("a customer",)
    data.switched_on = {"Scheduled actions": 3}
    file = stored(Instance.objects.get(stage=Stage.PRODUCTION))
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return build


def stored(instance: Instance) -> Path:
    return machines.folder(instance) / "data" / "filestore" / instance.database / NAME[:2] / NAME


def production(stage: Scenery) -> Data:
    return stage.world.databases["hosted"][Instance.objects.get(stage=Stage.PRODUCTION).database]


def told(stage: Scenery, build: Build) -> tuple[Instance, Data, Origin]:
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert stage.world.answer(build.instance.hostname if build.instance else "") == NEW
    assert stage.world.wrongs == []
    assert [*leftovers(stage)] == []
    origin, instance = Origin.of(build), build.instance
    assert origin
    assert instance
    return instance, stage.world.databases["lab"][instance.database], origin


def kept() -> list[int]:
    return [backup.pk for backup in restored.kept()]


def test_it_is_made_of_a_proven_restore_without_asking_production(stage: Scenery, build: Build) -> None:
    backup = stage.back_up()
    stage.world.seen.clear()
    instance, data, origin = told(stage, build)
    assert stage.world.seen["run pg_restore"] == stage.world.seen["start dump"] == stage.world.seen["neutralize"] == 0
    assert (origin.way, origin.backup, origin.files, origin.copied_files) == (Way.RESTORE, backup.pk, 1, 0)
    assert backup.taken_at is not None
    assert origin.moment == backup.taken_at
    assert "a customer" in data.rows
    assert stored(instance).read_bytes() == CONTENT
    assert (data.parameters["database.is_neutralized"], data.parameters["web.base.url"]) == ("true", instance.url)
    assert (data.switched_on, instance.neutralised["found"]) == ({}, {"Scheduled actions": 3})
    assert production(stage).switched_on == {"Scheduled actions": 3}
    assert kept() == [backup.pk]


def test_the_copy_signs_with_a_secret_of_its_own(stage: Scenery, build: Build) -> None:
    production(stage).parameters |= {"database.secret": "production's", "database.uuid": "production's"}
    stage.back_up()
    drill = restored.kept().get().drill
    assert drill
    restored_one = stage.world.databases["lab"][drill.database]
    _instance, data, _origin = told(stage, build)
    for key in ("database.secret", "database.uuid"):
        values = [each.parameters[key] for each in (production(stage), restored_one, data)]
        assert len(set(values)) == 3
        assert values[0] == "production's"


def test_without_a_proven_restore_production_is_copied_as_it_is(stage: Scenery, build: Build) -> None:
    instance, data, origin = told(stage, build)
    assert (origin.way, origin.files) == (Way.LIVE, 1)
    assert "a customer" in data.rows
    assert (data.switched_on, instance.neutralised["found"]) == ({}, {"Scheduled actions": 3})
    assert instance.neutralised["at"]


@pytest.mark.parametrize(
    ("hours", "age", "way"), [(24, 23, "restore"), (24, 25, "live"), (48, 25, "restore"), (0, 0, "live")]
)
def test_how_old_it_may_be_is_the_branchs_setting(stage: Scenery, build: Build, hours: int, age: int, way: str) -> None:
    Branch.objects.filter(pk=build.branch_id).update(copy_hours=hours)
    backup = stage.back_up()
    Backup.objects.filter(pk=backup.pk).update(taken_at=clock.now() - timedelta(hours=age))
    assert told(stage, build)[2].way == way


def test_what_was_there_before_another_backup_was_restored_is_not_copied(stage: Scenery, build: Build) -> None:
    stage.back_up()
    main = Branch.objects.get(stage=Stage.PRODUCTION)
    Restore.objects.create(branch=main, switched_at=clock.now())
    assert told(stage, build)[2].way == Way.LIVE


def test_a_source_that_was_neutralised_itself_is_neutralised_all_the_same(stage: Scenery, build: Build) -> None:
    """Its flag says nothing of what was switched on again since."""
    production(stage).parameters["database.is_neutralized"] = "true"
    stage.world.seen.clear()
    told(stage, build)
    assert stage.world.seen["neutralize"] == 1


def test_one_that_goes_away_in_the_middle_makes_no_half_copy(stage: Scenery, build: Build) -> None:
    stage.back_up()

    def let_go(what: str) -> None:
        if what == "finish copy":
            stage.world.before = lambda _what: None
            restored.let_go(restored.kept().get())

    stage.world.before = let_go
    instance, data, origin = told(stage, build)
    assert origin.way == Way.LIVE
    assert "a customer" in data.rows
    assert stored(instance).read_bytes() == CONTENT
    assert kept() == []


def test_only_the_newest_of_a_project_stays(stage: Scenery, build: Build) -> None:
    told(stage, build)
    first = stage.back_up()
    assert kept() == [first.pk]
    second = stage.back_up()
    assert kept() == [second.pk]
    rounds.mend()
    rounds.clean_up()
    assert kept() == [second.pk]
    assert [*leftovers(stage)] == []


def test_one_that_is_old_or_whose_production_is_gone_goes(stage: Scenery, build: Build) -> None:
    backup = stage.back_up()
    Backup.objects.filter(pk=backup.pk).update(taken_at=clock.now() - timedelta(days=8))
    told(stage, build)
    rounds.clean_up()
    assert kept() == []
    stage.back_up()
    Instance.objects.filter(stage=Stage.PRODUCTION).update(state=Instance.State.REMOVED)
    rounds.clean_up()
    assert kept() == []


def test_where_disk_is_scarce_none_stays(stage: Scenery, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stage.back_up()
    monkeypatch.setattr(machine_state, "room", lambda _folder: Room(size=2**40, free=2**37))
    second = stage.back_up()
    assert (first.proof, second.proof) == (Backup.Proof.PROVEN, Backup.Proof.PROVEN)
    assert kept() == []
    told(stage, build)


def test_a_backup_that_is_not_proven_leaves_none(stage: Scenery, build: Build) -> None:
    stored(Instance.objects.get(stage=Stage.PRODUCTION)).write_bytes(b"something else")
    assert stage.back_up().proof == Backup.Proof.FAILED
    assert kept() == []
    told(stage, build)
