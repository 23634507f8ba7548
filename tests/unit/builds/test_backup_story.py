"""A backup is taken, stored, and proven by restoring it; what can't be proven is never called so."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import backup as story_of
from builds import rounds
from hosting import backups, machines, restores
from hosting.engines.docker import TimedOut
from hosting.models import Backup, Instance
from portal import clock
from portal.models import Alarm, AuditEntry, Result, State, Step, Story
from portal.stories import PlatformError, ProjectError
from projects.models import Branch, Member, Role
from tests.unit.fakes import kept
from tests.unit.fakes.kept import CONTENT, NAME, attachment, begun, data, told
from tests.unit.fakes.kept import instance as production
from tests.unit.fakes.leftovers import leftovers
from tests.unit.fakes.stage import NEW, OLD, Scenery
from tests.unit.fakes.world import Killed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace) -> Branch:
    """Production, with a customer's rows and one attachment."""
    return kept.production(stage)


def left(stage: Scenery, branch: Branch) -> list[str]:
    """Whatever came of it, nothing of the throwaway stays, but the newest one that was proven."""
    folders = [str(path) for path in machines.folder(production(branch)).parent.glob("*/backup")]
    stays = Backup.objects.filter(proof=Backup.Proof.PROVEN).order_by("-pk")[:1].values("pk")
    others = Backup.objects.exclude(drill=None).exclude(pk__in=stays)
    return [*leftovers(stage), *folders, *(str(each) for each in others)]


# --- a good one -------------------------------------------------------------------------------------------------------
def test_it_is_stored_and_proven(stage: Scenery, branch: Branch) -> None:
    backup = told(stage, begun(branch))
    assert (backup.result, backup.proof, backup.wrong) == (Result.SUCCESS, Backup.Proof.PROVEN, "")
    assert (backup.commit, backup.size_bytes, backup.new_bytes) == (OLD, 100, 10)
    assert backup.odoo_image == "odoo:18.0 (odoo)"
    assert backup.proven_at is not None
    assert backup.restore_seconds is not None
    assert left(stage, branch) == []


def test_it_holds_the_rows_the_files_and_what_ran(stage: Scenery, branch: Branch) -> None:
    backup = told(stage, begun(branch))
    (folder,) = (stage.home / "vaults").glob(f"*/{backup.snapshot}.*")
    assert (folder / "files" / NAME).read_bytes() == CONTENT
    assert '"public.rows": 4' in (folder / "manifest.json").read_text()
    assert f'"commit": "{OLD}"' in (folder / "manifest.json").read_text()


def test_production_serves_all_the_time_and_keeps_what_it_has(stage: Scenery, branch: Branch) -> None:
    host, before = production(branch).hostname, data(stage, branch).rows
    seen: set[str] = set()
    stage.world.watch = lambda: seen.add(stage.world.answer(host))
    told(stage, begun(branch))
    assert seen == {OLD}
    assert data(stage, branch).rows == before
    assert attachment(branch).read_bytes() == CONTENT


def test_the_copy_is_neutralised_before_anything_starts_on_it(stage: Scenery, branch: Branch) -> None:
    order: list[str] = []
    stage.world.before = order.append
    told(stage, begun(branch))
    assert order.index("neutralize") < order.index("start web")
    assert stage.world.wrongs == []


# --- what can't be proven ---------------------------------------------------------------------------------------------
def test_a_file_that_an_attachment_names_and_that_is_gone_is_said(stage: Scenery, branch: Branch) -> None:
    attachment(branch).unlink()
    backup = told(stage, begun(branch))
    assert (backup.proof, backup.result) == (Backup.Proof.FAILED, Result.FAILURE)
    assert backup.wrong.splitlines() == [
        f"{NAME}, which an attachment names, is not among production's files",
        "Missing are 1, at the backup before 0. Older backups may hold them still.",
        "Look there, or back up again: the next backup is compared with what production has then.",
    ]
    assert AuditEntry.objects.get(verb="find a backup unproven").after == backup.wrong
    assert left(stage, branch) == []


def test_once_said_the_next_backup_is_taken_as_production_is(stage: Scenery, branch: Branch) -> None:
    attachment(branch).unlink()
    assert told(stage, begun(branch)).proof == Backup.Proof.FAILED
    backup = told(stage, begun(branch))
    assert (backup.proof, backup.result, backup.lacking) == (Backup.Proof.PROVEN, Result.WARNING, 1)
    assert backup.wrong == ""


def test_what_is_lost_later_is_said_again(stage: Scenery, branch: Branch) -> None:
    backup = begun(branch)
    Backup.objects.create(
        vault=backup.vault, instance=backup.instance, kind=backup.kind, taken_at=clock.now(), lacking=1
    )
    later = Backup.objects.create(
        vault=backup.vault, instance=backup.instance, kind=backup.kind, taken_at=clock.now(), lacking=3
    )
    assert [backups.lacked_before(each) for each in (backup, later)] == [0, 1]


def test_a_file_whose_content_is_another_is_said(stage: Scenery, branch: Branch) -> None:
    attachment(branch).write_bytes(b"an attackment")
    assert "another content" in told(stage, begun(branch)).wrong


def test_rows_that_did_not_come_back_are_said(stage: Scenery, branch: Branch) -> None:
    def lose_a_row(what: str) -> None:
        if what == "pg_restore ends":
            (copy,) = stage.world.databases["lab"].values()
            copy.rows = copy.rows[1:]

    backup = begun(branch)
    stage.world.before = lose_a_row
    assert told(stage, backup).wrong == "public.rows has 3 rows, not 4"


def test_a_restore_that_does_not_end_is_no_proof_and_is_not_tried_again(stage: Scenery, branch: Branch) -> None:
    def hang(what: str) -> None:
        if what == "run pg_restore":
            tries.append(what)
            raise TimedOut("It was still running after 3600 s and was killed.")

    tries: list[str] = []
    backup = begun(branch)
    stage.world.before = hang
    backup = told(stage, backup)
    assert (backup.proof, len(tries)) == (Backup.Proof.FAILED, 1)
    assert "still running after 3600 s" in backup.wrong
    assert left(stage, branch) == []


def test_a_restore_has_an_hour_and_a_second_for_each_megabyte() -> None:
    assert restores.patience(Backup(size_bytes=5_000_000_000)) == 3600 + 5000


def test_a_vault_that_is_damaged_is_said_and_a_gone_one_never_made_anew(stage: Scenery, branch: Branch) -> None:
    told(stage, begun(branch))
    for folder in (stage.home / "vaults").iterdir():
        folder.rename(stage.home / "elsewhere")
    backup = told(stage, begun(branch))
    assert backup.proof == Backup.Proof.FAILED
    assert "The vault is gone" in backup.wrong
    assert backup.snapshot == ""
    assert list((stage.home / "vaults").iterdir()) == []
    assert left(stage, branch) == []


def test_a_manifest_that_was_altered_is_no_proof(stage: Scenery, branch: Branch) -> None:
    def alter(what: str) -> None:
        if what == "check vault":
            for file in (stage.home / "vaults").rglob("manifest.json"):
                file.write_text(file.read_text().replace(": 4", ": 5"))

    backup = begun(branch)
    stage.world.before = alter
    assert "manifest" in told(stage, backup).wrong


def test_too_little_disk_is_said_before_anything_is_dumped(stage: Scenery, branch: Branch) -> None:
    stage.world.disk_free = 1
    backup = told(stage, begun(branch))
    assert "Not enough disk" in backup.wrong
    assert not stage.world.seen["run pg_dump"]
    assert left(stage, branch) == []


# --- beside a deploy --------------------------------------------------------------------------------------------------
def test_it_waits_while_production_is_held(stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    Instance.objects.filter(pk=production(branch).pk).update(door=Instance.Door.HELD)

    def pause(_seconds: float) -> None:
        assert not stage.world.seen["run pg_dump"]
        Instance.objects.filter(pk=production(branch).pk).update(door=Instance.Door.OPEN)

    monkeypatch.setattr("hosting.backups.time.sleep", pause)
    assert told(stage, begun(branch)).proof == Backup.Proof.PROVEN


def test_an_update_that_ends_the_dump_makes_it_begin_anew(stage: Scenery, branch: Branch) -> None:
    dumps = 0

    def interrupt(what: str) -> None:
        nonlocal dumps
        if what == "run pg_dump":
            dumps += 1
            if dumps == 1:
                Instance.objects.filter(pk=production(branch).pk).update(live_pool=None)
                raise PlatformError("the dump was ended")
            Instance.objects.filter(pk=production(branch).pk).update(live_pool=production(branch).live_pool)

    backup = begun(branch)
    stage.world.before = interrupt
    assert (told(stage, backup).proof, dumps) == (Backup.Proof.PROVEN, 2)


# --- killed -----------------------------------------------------------------------------------------------------------
def test_one_whose_worker_died_before_an_update_is_proven_with_the_code_after_it(
    stage: Scenery, branch: Branch
) -> None:
    """And says that commit: on a new machine it is what is deployed on these rows."""

    def die(what: str) -> None:
        if what == "freeze":
            stage.world.dead = True
            raise Killed

    backup = begun(branch)
    stage.world.before = die
    stage.look(backup)
    stage.world.commits[NEW] = {"shop": "1.1"}
    stage.look(stage.build(branch, NEW))
    backup = told(stage, backup)
    assert (backup.proof, backup.commit) == (Backup.Proof.PROVEN, NEW)
    for each in Backup.objects.exclude(state=State.DONE):
        told(stage, each)
    assert left(stage, branch) == []


def test_it_survives_its_worker_wherever_that_dies(stage: Scenery, branch: Branch) -> None:
    stage.world.seen.clear()
    told(stage, begun(branch))
    events = stage.world.seen.total()
    for number in range(3, events, 5):
        count = 0

        def kill(_what: str, at: int = number) -> None:
            nonlocal count
            count += 1
            if count == at:
                stage.world.dead = True
                raise Killed

        backup = begun(branch)
        stage.world.before = kill
        backup = told(stage, backup)
        rounds.clear_away()
        assert (backup.proof, backup.wrong) == (Backup.Proof.PROVEN, ""), number
        assert left(stage, branch) == [], number
    again = Step.objects.filter(story__kind="backup", attempts__gt=1)
    assert set(again.values_list("name", flat=True)) == {"dump", "store", "prove", "tidy"}
    kept = backups.kept(backup.vault)
    assert {folder.name.partition(".")[0] for folder in (stage.home / "vaults").glob("*/*")} == {
        each.snapshot for each in kept
    }


def test_one_that_dies_just_after_storing_is_proven_all_the_same(stage: Scenery, branch: Branch) -> None:
    """What the row says is done, and the step is told again."""
    stored = False

    def kill(what: str) -> None:
        nonlocal stored
        stored = stored or what == "stored"
        if stored and what.startswith('UPDATE "portal_step"'):
            stage.world.dead = True
            raise Killed

    backup = begun(branch)
    stage.world.before = kill
    backup = told(stage, backup)
    assert (backup.proof, backup.wrong) == (Backup.Proof.PROVEN, "")
    assert stage.world.seen["stored"] == 2
    assert len(list((stage.home / "vaults").glob("*/*"))) == 1


# --- asked for --------------------------------------------------------------------------------------------------------
def test_five_by_hand_a_day_and_no_more(stage: Scenery, branch: Branch) -> None:
    for _ in range(story_of.A_DAY):
        told(stage, begun(branch, Backup.Kind.MANUAL))
    with pytest.raises(ProjectError) as refused:
        begun(branch, Backup.Kind.MANUAL)
    assert "as many as a day may have" in refused.value.detail
    assert told(stage, begun(branch)).proof == Backup.Proof.PROVEN
    with clock.moved(timedelta(days=1)):
        assert told(stage, begun(branch, Backup.Kind.MANUAL)).proof == Backup.Proof.PROVEN
    with clock.moved(timedelta(days=-300)):  # it was ahead
        begun(branch, Backup.Kind.MANUAL)


def test_two_of_one_database_never_go_on_at_once(branch: Branch) -> None:
    begun(branch)
    with pytest.raises(ProjectError, match="No backup was begun"):
        begun(branch, Backup.Kind.MANUAL)


def test_backups_of_one_machine_take_turns(branch: Branch) -> None:
    story = Story.objects.get(kind="backup", object_id=begun(branch).pk)
    assert story.subject == f"backups-{production(branch).host_id}"


# --- alarms -----------------------------------------------------------------------------------------------------------
def test_one_that_is_not_proven_is_an_alarm_until_a_later_one_is(
    stage: Scenery, branch: Branch, client: Client, people: SimpleNamespace
) -> None:
    for person, role in ((people.alice, Role.ADMIN), (people.tom, Role.TESTER)):
        Member.objects.create(project=branch.project, user=person, role=role)
    told_of = {}
    attachment(branch).unlink()
    told(stage, begun(branch))
    for name in ("alice", "tom"):
        client.force_login(getattr(people, name))
        told_of[name] = "could not be proven" in client.get("/").content.decode()
    assert told_of == {"alice": True, "tom": False}
    attachment(branch).write_bytes(CONTENT)
    told(stage, begun(branch))
    client.force_login(people.alice)
    assert "could not be proven" not in client.get("/").content.decode()
    assert Alarm.objects.get().ended_at is not None


def test_a_refusal_says_what_would_help(stage: Scenery, branch: Branch) -> None:
    begun(branch)
    with pytest.raises(ProjectError) as refused:
        begun(branch)
    assert "going on already" in refused.value.detail
    assert "tomorrow" not in refused.value.remedy


def test_while_one_is_proven_the_present_state_can_be_backed_up(stage: Scenery, branch: Branch) -> None:
    first = begun(branch)
    Backup.objects.filter(pk=first.pk).update(taken_at=clock.now())
    second = begun(branch)
    assert [told(stage, each).proof for each in (first, second)] == ["proven", "proven"]
