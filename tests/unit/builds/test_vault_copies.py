"""Copies of vaults at other places: brought up to date by themselves, tried again while they fail, red after a time."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from builds import alarming, vaultcopies
from builds import backup as story_of
from hosting.engines.restic import Unreachable
from hosting.models import Backup, Place, VaultCopy
from portal import clock
from portal.models import Alarm, State, Story
from projects.models import Branch, Member, Role, Stage
from tests.unit.fakes.stage import OLD, Scenery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def branch(stage: Scenery, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Branch:
    stage.world.commits = {OLD: {"shop": "1.0"}}
    branch = stage.branch("main", Stage.PRODUCTION)
    stage.deploy(branch, OLD)
    for person, role in ((people.alice, Role.ADMIN), (people.tom, Role.TESTER)):
        Member.objects.create(project=branch.project, user=person, role=role)
    place = Place.objects.create(name="attic", address="attic")
    VaultCopy.objects.create(vault=None, place=place, done_at=clock.now())
    for each in ("SELF_EVERY", "SELF_SOON"):
        monkeypatch.setattr(vaultcopies, each, timedelta(days=999))
    return Branch.objects.get(pk=branch.pk)


def backed_up(stage: Scenery, branch: Branch, kind: Backup.Kind = Backup.Kind.NIGHTLY) -> Backup:
    backup = story_of.begin(branch=branch, kind=kind, by=None)
    stage.look(backup)
    backup.refresh_from_db()
    assert backup.proof == Backup.Proof.PROVEN, backup.wrong
    return backup


def copied(stage: Scenery) -> VaultCopy:
    """Let the round ring, and tell what it began."""
    vaultcopies.begin_due()
    for story in Story.objects.filter(kind="copy").exclude(state=State.DONE):
        stage.look(SimpleNamespace(story_id=story.pk))  # type: ignore[arg-type]
    return VaultCopy.objects.exclude(vault=None).get()


def away(what: str) -> None:
    if what == "ask a place":
        raise Unreachable("dial tcp: connection refused")


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    now = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: now)


def tags(stage: Scenery) -> set[str]:
    return {folder.name.partition(".")[2] for folder in (stage.home / "places" / "attic").glob("*/*")}


def test_what_was_stored_is_copied_once(stage: Scenery, branch: Branch) -> None:
    backup = backed_up(stage, branch)
    copy = copied(stage)
    assert (copy.error, copy.failing_since, set(copy.backups.all())) == ("", None, {backup})
    assert copy.done_at is not None
    assert tags(stage) == {backup.tag}
    copied(stage)
    assert Story.objects.filter(kind="copy").count() == 1, "there was nothing to do"


def test_a_later_backup_is_copied_too_and_one_that_was_let_go_goes_there(stage: Scenery, branch: Branch) -> None:
    first, second = backed_up(stage, branch), backed_up(stage, branch)
    copied(stage)
    assert not set(VaultCopy.objects.exclude(vault=None).get().backups.filter(pk=first.pk)), (
        "the same night: the later one takes its place"
    )
    assert tags(stage) == {second.tag}


def test_a_place_that_keeps_all_forgets_nothing(stage: Scenery, branch: Branch) -> None:
    Place.objects.update(keeps_all=True)
    first = backed_up(stage, branch)
    copied(stage)
    second = backed_up(stage, branch)
    copy = copied(stage)
    assert tags(stage) == {first.tag, second.tag}
    assert copy.error == ""


def test_while_a_place_does_not_answer_it_is_tried_ever_later_and_nothing_is_lost(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(stage, branch)
    tries, hours = 0, 0.0
    while hours < 24:
        stage.world.before = away
        copy = copied(stage)
        stage.world.before = lambda _what: None
        assert "connection refused" in copy.error
        assert copy.tries == (tries := tries + 1)
        wait = copy.next_at - clock.now()
        assert timedelta(minutes=2) < wait <= vaultcopies.LONGEST_WAIT
        later(monkeypatch, wait)
        hours += wait.total_seconds() / 3600
    assert tries < 24, "it backs off"
    copy = copied(stage)
    assert (copy.error, copy.tries, set(copy.backups.all())) == ("", 0, {backup})


def test_after_six_hours_it_is_red_and_admins_and_operator_are_told_once(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch, people: SimpleNamespace, settings: Settings
) -> None:
    settings.EMAIL_HOST = "mail.invalid"
    for person in (people.alice, people.tom):
        person.email = f"{person.username}@example.com"
        person.save()
    backed_up(stage, branch)
    for hours in (1, 5, 2):
        later(monkeypatch, timedelta(hours=hours))
        stage.world.before = away
        copied(stage)
        alarming.tell_all()
        assert len(mail.outbox) == (1 if hours == 2 else 0)
    alarming.tell_all()
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    stage.world.before = lambda _what: None
    later(monkeypatch, timedelta(hours=2))
    copied(stage)
    assert Alarm.objects.get().ended_at is not None


def test_one_that_is_gone_is_never_made_anew(stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder is what a disk that is not mounted looks like."""
    backed_up(stage, branch)
    copied(stage)
    (stage.home / "places").rename(stage.home / "elsewhere")
    backed_up(stage, branch)
    copy = copied(stage)
    assert "is gone" in copy.error
    assert not (stage.home / "places").exists()


def test_the_tab_tells_of_each_place(stage: Scenery, branch: Branch, client: Client, people: SimpleNamespace) -> None:
    backed_up(stage, branch)
    client.force_login(people.alice)
    page: Callable[[], str] = lambda: client.get(f"/shop/branches/{branch.pk}/backups/").content.decode()  # noqa: E731
    stage.world.before = away
    copied(stage)
    assert "Tried again soon" in page()
    assert "connection refused" in page()
    stage.world.before = lambda _what: None
    VaultCopy.objects.update(next_at=clock.now())
    copied(stage)
    assert "Up to date" in page()
    assert "2 places" in page()


def test_without_a_place_the_tab_says_that_all_lies_on_one_disk(
    stage: Scenery, branch: Branch, client: Client, people: SimpleNamespace
) -> None:
    Place.objects.all().delete()
    backed_up(stage, branch)
    client.force_login(people.alice)
    assert "on this machine alone" in client.get(f"/shop/branches/{branch.pk}/backups/").content.decode()


def test_a_place_that_is_removed_while_a_copy_is_on_its_way_stops_nothing(stage: Scenery, branch: Branch) -> None:
    backed_up(stage, branch)
    vaultcopies.begin_due()
    call_command("place", "remove", "attic", stdout=StringIO())
    copied(stage)
    assert not Story.objects.open().filter(kind="copy").exists()
    assert not (stage.home / "places").exists()


def test_a_clock_that_was_set_back_stops_no_copy(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, timedelta(days=400))
    backup = backed_up(stage, branch)
    stage.world.before = away
    assert copied(stage).error
    stage.world.before = lambda _what: None
    later(monkeypatch, timedelta(days=-400))
    assert vaultcopies.is_red(VaultCopy.objects.exclude(vault=None).get()), "nobody knows since when"
    assert set(copied(stage).backups.all()) == {backup}


def test_the_installation_itself_is_copied_again_soon_after_a_backup_was_proven(
    stage: Scenery, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are what names the backup: older ones would bring an older one back."""
    monkeypatch.setattr(vaultcopies, "SELF_EVERY", timedelta(days=1))
    monkeypatch.setattr(vaultcopies, "SELF_SOON", timedelta(hours=1))
    itself = VaultCopy.objects.get(vault=None)
    later(monkeypatch, timedelta(hours=2))
    assert not vaultcopies.is_due(itself)
    backup = backed_up(stage, branch)
    assert vaultcopies.is_due(itself)
    itself.backups.add(backup)
    assert not vaultcopies.is_due(itself)
    later(monkeypatch, timedelta(days=-400))
    assert vaultcopies.is_due(itself), "the clock was set back: its day would come in a year"
