"""Production brought back on a machine that has nothing but the portal's rows and a place with the backups."""

import shutil
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from builds import backup as story_of
from builds import download, recovery, vaultcopies
from builds import restore as restores
from builds.models import Build, Download
from hosting.engines.restic import Unreachable
from hosting.models import Backup, Instance, Place, Pool, Runtime, Slot, Vault, VaultCopy
from portal import clock
from portal.models import Alarm, LogChunk, State, Story
from projects.models import Branch, Project, Stage
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery
from tests.unit.fakes.world import ODOO_IMAGE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branch(stage: Scenery) -> Branch:
    """Production that has been backed up and copied to a place; then a commit came that was never deployed."""
    stage.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.1"}}
    branch = stage.branch("main", Stage.PRODUCTION)
    stage.deploy(branch, OLD)
    stage.deploy(stage.branch("feature", Stage.DEVELOPMENT), NEW)
    instance = Branch.objects.get(pk=branch.pk).instance
    assert instance is not None
    stage.world.databases["hosted"][instance.database].rows += ("a customer",)
    Place.objects.create(name="attic", address="attic")
    stage.look(story_of.begin(branch=Branch.objects.get(pk=branch.pk), kind=Backup.Kind.NIGHTLY, by=None))
    assert Backup.objects.get().proof == Backup.Proof.PROVEN
    VaultCopy.objects.create(vault=None, place=Place.objects.get(), done_at=Backup.objects.get().taken_at)
    vaultcopies.begin_due()
    tell(stage, "copy")
    assert VaultCopy.objects.get(vault=Backup.objects.get().vault).backups.count() == 1
    stage.build(branch, NEW)
    return Branch.objects.get(pk=branch.pk)


def attached(stage: Scenery, branch: Branch) -> set[str]:
    return set(stage.world.databases["hosted"][branch.instance.database].rows) if branch.instance else set()


def another_place(stage: Scenery, branch: Branch) -> Backup:
    """One that alone has the newest backup, as the first is away. Both answer again when this ends."""
    assert branch.instance is not None
    stage.world.databases["hosted"][branch.instance.database].rows += ("a later customer",)
    Build.objects.exclude(state=State.DONE).delete()
    Story.objects.filter(kind="deploy").exclude(state=State.DONE).delete()
    stage.look(newest := story_of.begin(branch=branch, kind=Backup.Kind.MANUAL, by=None))
    Place.objects.update(removed_at=clock.now())
    cellar = Place.objects.create(name="cellar", address="cellar")
    VaultCopy.objects.create(vault=None, place=cellar, done_at=clock.now())
    vaultcopies.begin_due()
    tell(stage, "copy")
    Place.objects.update(removed_at=None)
    return Backup.objects.get(pk=newest.pk)


def tell(stage: Scenery, kind: str) -> None:
    for story in Story.objects.filter(kind=kind).exclude(state=State.DONE):
        stage.look(SimpleNamespace(story_id=story.pk))  # type: ignore[arg-type]


def lose_the_machine(stage: Scenery) -> None:
    world = stage.world
    for gone in (world.containers, world.hosts, world.routes, world.held, world.slots, world.connections):
        gone.clear()
    world.images = {ODOO_IMAGE: world.images[ODOO_IMAGE]}
    world.databases, world.roles = {"hosted": {}, "lab": {}}, {"hosted": set(), "lab": set()}
    for folder in ("instances", "vaults", "builds", "git"):
        shutil.rmtree(stage.home / folder, ignore_errors=True)


def test_its_rows_are_back_and_its_address_answers(stage: Scenery, branch: Branch) -> None:
    rows = stage.world.databases["hosted"][branch.instance.database].rows if branch.instance else ()
    lose_the_machine(stage)
    assert recovery.begin_all() == ["Shop"]
    tell(stage, "recover")
    story = Story.objects.get(kind="recover")
    assert story.result == "success", f"{story.error_title} {story.error_detail}"
    build = Build.objects.latest("pk")
    assert build.commit == OLD, "what served, not what was pushed last"
    stage.tell(build)
    instance = Instance.objects.get(stage=Stage.PRODUCTION)
    assert stage.world.answer(instance.hostname) == OLD
    assert set(rows) <= set(stage.world.databases["hosted"][instance.database].rows)
    assert not [*leftovers(stage)]
    assert not list((stage.home / "instances").glob("*/recovery"))
    assert not Alarm.objects.filter(ended_at=None).exists()


def test_a_pinned_one_whose_series_was_phased_out_comes_back_too(stage: Scenery, branch: Branch) -> None:
    """On the Odoo that this machine has: the frozen images were the other's."""
    lost = Runtime.objects.get()
    Branch.objects.update(runtime=lost, pinned_until=clock.now() + timedelta(days=9000))
    lose_the_machine(stage)
    stage.world.images = {"sha256:here": replace(stage.world.images[ODOO_IMAGE], id="sha256:here")}
    with clock.moved(timedelta(days=4 * 365)):
        recovery.begin_all()
        tell(stage, "recover")
        build = stage.tell(Build.objects.latest("pk"))
    assert (build.result, build.commit) == ("success", OLD), build.verdict
    assert build.runtime is not None
    assert (build.runtime.image_id, build.runtime == lost) == ("sha256:here", False)
    assert Branch.objects.get(pk=branch.pk).runtime is None  # and its settings say so


def test_what_the_lost_machine_had_is_written_off(stage: Scenery, branch: Branch) -> None:
    lose_the_machine(stage)
    recovery.begin_all()
    assert [story.kind for story in Story.objects.open()] == ["recover"]
    assert not Pool.objects.exclude(state=Pool.State.GONE).exists()
    assert not Slot.objects.exclude(pool=None).exists()
    assert not Build.objects.exclude(state=State.DONE).exists()
    assert Branch.objects.get(name="feature").instance is None
    assert [each.stage for each in Instance.objects.exclude(state=Instance.State.REMOVED)] == [Stage.PRODUCTION]


def test_a_backup_that_was_never_copied_is_not_said_to_be_there(stage: Scenery, branch: Branch) -> None:
    stage.tell(Build.objects.latest("pk"))  # an update, with a backup before it
    assert Backup.objects.filter(forgotten_at=None).count() == 2
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    assert Backup.objects.get(forgotten_at=None).kind == Backup.Kind.NIGHTLY
    assert Story.objects.get(kind="recover").result == "warning"


def test_a_place_that_does_not_answer_leaves_all_as_it_was(stage: Scenery, branch: Branch) -> None:
    def away(_what: str) -> None:
        if _what in ("ask a place", "copy a snapshot"):
            raise Unreachable("connection refused")

    lose_the_machine(stage)
    recovery.begin_all()
    stage.world.before = away
    tell(stage, "recover")
    assert Story.objects.get(kind="recover").error_title == "No place gave the vault"
    assert Alarm.objects.get().title.startswith("Shop could not be brought back")
    assert stage.world.databases["hosted"] == {}


def test_what_could_not_be_brought_back_is_tried_again_when_that_is_mended(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="was not lost"):
        call_command("recover", "shop")
    lose_the_machine(stage)
    recovery.begin_all()
    with pytest.raises(CommandError, match="is being brought back"):
        call_command("recover", "shop")
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_fetch_from", lambda *_arguments: False)
        tell(stage, "recover")
    assert "bin/berth recover shop" in Alarm.objects.get(ended_at=None).detail
    call_command("recover", "shop")
    tell(stage, "recover")
    assert Story.objects.filter(kind="recover").latest("pk").result == "success"
    assert not Alarm.objects.filter(ended_at=None).exists()
    stage.tell(Build.objects.latest("pk"))
    assert "a customer" in attached(stage, branch)
    with pytest.raises(CommandError, match="was brought back"):
        call_command("recover", "shop")


def test_it_comes_from_the_vault_of_before_where_another_was_begun(stage: Scenery, branch: Branch) -> None:
    Project.objects.filter(pk=branch.project_id).update(vault=Vault.objects.create())
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    story = Story.objects.get(kind="recover")
    assert story.result == "success", f"{story.error_title} {story.error_detail}"
    assert "a customer" in attached(stage, branch)


def test_a_newer_one_that_was_never_proven_is_named(stage: Scenery, branch: Branch) -> None:
    stage.tell(Build.objects.latest("pk"))  # an update, with a backup before it
    for each in Backup.objects.exclude(state=State.DONE):
        stage.look(each)
    vaultcopies.begin_due()
    tell(stage, "copy")
    newer = Backup.objects.latest("pk")
    Backup.objects.filter(pk=newer.pk).update(proof=Backup.Proof.FAILED)
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    story = Story.objects.get(kind="recover")
    said = "".join(LogChunk.objects.filter(step__story=story).values_list("text", flat=True))
    assert (story.result, f"{newer}, of " in said) == ("warning", True)


def test_the_newest_is_brought_back_whichever_place_has_it(stage: Scenery, branch: Branch) -> None:
    newest = another_place(stage, branch)
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    newest.refresh_from_db()
    assert newest.forgotten_at is None
    assert "a later customer" in attached(stage, branch)


def test_what_only_a_silent_place_has_is_not_let_go_there(stage: Scenery, branch: Branch) -> None:
    newest = another_place(stage, branch)
    lose_the_machine(stage)
    recovery.begin_all()
    (stage.home / "places" / "cellar").rename(stage.home / "cellar")
    tell(stage, "recover")
    assert Story.objects.get(kind="recover").result == "warning"
    assert "a customer" in attached(stage, branch)
    (stage.home / "cellar").rename(stage.home / "places" / "cellar")
    vaultcopies.begin_due()
    tell(stage, "copy")
    there = (stage.home / "places" / "cellar").glob("*/*")
    assert newest.tag in {folder.name.partition(".")[2] for folder in there}


def test_after_a_clock_that_was_set_back_the_newest_is_still_the_last_one(stage: Scenery, branch: Branch) -> None:
    newest = another_place(stage, branch)
    Backup.objects.filter(pk=newest.pk).update(taken_at=newest.created_at - timedelta(days=400))
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    assert "a later customer" in attached(stage, branch)


def test_no_new_backup_is_called_like_one_that_the_rows_do_not_know(stage: Scenery, branch: Branch) -> None:
    """It lies at the place, stored by the machine that was lost after its rows had been."""
    known = Backup.objects.latest("pk")
    lose_the_machine(stage)
    recovery.begin_all()
    new = Backup.objects.create(vault=known.vault, instance=known.instance, kind=Backup.Kind.MANUAL)
    assert new.pk > known.pk + 1000


def test_a_restore_that_went_on_hinders_no_later_one(stage: Scenery, branch: Branch, people: SimpleNamespace) -> None:
    begun = restores.begin(branch=branch, backup=Backup.objects.get(), by=people.alice)
    file = download.begin(branch=branch, backup=Backup.objects.get(), form=Download.Form.ZIP, by=people.alice)
    lose_the_machine(stage)
    recovery.begin_all()
    tell(stage, "recover")
    stage.tell(Build.objects.latest("pk"))
    begun.refresh_from_db()
    file.refresh_from_db()
    assert (begun.state, begun.result) == (file.state, file.result) == ("done", "cancelled")
    assert restores.refusal(Branch.objects.get(pk=branch.pk), Backup.objects.get()) == ""
