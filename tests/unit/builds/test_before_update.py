"""The backup before an update: of the moment before, taken by the deploy, and never in its way."""

import pytest

from builds.models import Build
from hosting.engines.restic import RepositoryDamaged
from hosting.models import Backup, Instance, Stage
from portal.models import Result, State, Story
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery, said
from tests.unit.fakes.world import Data

pytestmark = pytest.mark.django_db(transaction=True)


def production(stage: Scenery) -> Data:
    return stage.world.databases["hosted"][Instance.objects.get(stage=Stage.PRODUCTION).database]


def test_it_holds_production_as_it_was_and_is_proven(stage: Scenery) -> None:
    build = stage.update()
    rows = len(production(stage).rows)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    backup = Backup.objects.get()
    assert (build.backup, backup.kind, backup.proof) == (backup, Backup.Kind.AUTOMATIC, Backup.Proof.PROVEN)
    assert backup.commit == OLD
    (manifest,) = (stage.home / "vaults").glob("*/*/manifest.json")
    assert f'"public.rows": {rows}' in manifest.read_text()
    assert not [*leftovers(stage)]


def test_it_is_dumped_before_anybody_is_held(stage: Scenery) -> None:
    build, order = stage.update(), list[str]()
    stage.world.before = order.append
    stage.look(build)
    assert Build.objects.get(pk=build.pk).result == Result.SUCCESS
    dumps = [number for number, what in enumerate(order) if what in ("start dump", "run pg_dump")]
    assert len(dumps) == 2, "one of the rehearsal, one of the backup"
    assert max(dumps) < order.index("hold")
    assert not stage.world.seen["store"], "storing is left to others"


def test_where_nothing_is_updated_nothing_is_backed_up(stage: Scenery) -> None:
    build = stage.tell(stage.same())
    assert build.result == Result.SUCCESS
    assert (build.backup, Backup.objects.count()) == (None, 0)


def test_another_requirement_is_reason_enough(stage: Scenery) -> None:
    build = stage.same()
    served = Build.objects.exclude(pk=build.pk).get()
    served.inspection["requirements"] = ["requests"]
    served.save()
    assert stage.tell(build).backup is not None


def test_without_room_for_it_nothing_is_updated(stage: Scenery) -> None:
    build = stage.update()
    before = stage.world.summary()

    def fill_the_disk(what: str) -> None:
        if what.startswith("update till"):  # the rehearsal is over
            stage.world.disk_free = 1

    stage.world.before = fill_the_disk
    build = stage.tell(build)
    assert said(build).startswith("Not enough disk for the backup")
    assert Backup.objects.count() == 0
    assert stage.world.summary()["databases"] == before["databases"]
    assert not [*leftovers(stage)]


def test_one_that_can_not_be_stored_is_red_and_the_deploy_goes_on(stage: Scenery) -> None:
    def damage(what: str) -> None:
        if what == "store":
            raise RepositoryDamaged("is damaged")

    build = stage.update()
    stage.look(build)
    backup = Backup.objects.get()
    stage.world.before = damage
    stage.look(backup)
    assert Build.objects.get(pk=build.pk).result == Result.SUCCESS
    backup.refresh_from_db()
    assert (backup.proof, backup.state) == (Backup.Proof.FAILED, State.DONE)
    assert not [*leftovers(stage)]


def test_a_deploy_that_fails_later_keeps_it(stage: Scenery) -> None:
    build = stage.update()
    stage.world.before = lambda what: stories_cancel(build) if what == "hold" else None
    build = stage.tell(build)
    assert build.result == Result.CANCELLED
    assert Backup.objects.get().proof == Backup.Proof.PROVEN
    assert stage.world.answer("shop.localhost") == OLD != NEW


def stories_cancel(build: Build) -> None:
    Story.objects.filter(pk=build.story_id or 0).update(cancel_requested=True)
