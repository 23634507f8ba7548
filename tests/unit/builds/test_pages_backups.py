"""The Backups tab: what was proven and what not, what goes on, and the button for one more."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import backup as story_of
from hosting.models import Backup, Instance, Place, Vault, VaultCopy
from portal import clock
from portal.models import AuditEntry, Result, State, Step, Story
from projects.models import Branch, Project, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    project = cast.project("demo", people)
    instance = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(project, "main", Stage.PRODUCTION, instance=instance)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def made(branch: Branch, **values: object) -> Backup:
    vault = Vault.objects.first() or Vault.objects.create()
    at = clock.now() - timedelta(hours=3)
    values = {"state": State.DONE, "snapshot": "a" * 64, "size_bytes": 5_000_000, "new_bytes": 70_000} | values
    values = {"kind": Backup.Kind.NIGHTLY, "commit": "c" * 40, "taken_at": at, "finished_at": at} | values
    assert branch.instance is not None
    return Backup.objects.create(vault=vault, instance=branch.instance, **values)


def proven(branch: Branch, **values: object) -> Backup:
    return made(branch, proof=Backup.Proof.PROVEN, proven_at=clock.now(), restore_seconds=41.2, **values)


def page(alice: Client, branch: Branch) -> str:
    text = alice.get(f"/demo/branches/{branch.pk}/backups/").content.decode().replace("\xa0", " ")
    return " ".join(text.split())


def test_where_there_is_none_it_says_when_the_first_will_be(alice: Client, branch: Branch) -> None:
    Project.objects.update(time_zone="Asia/Tokyo", backup_hour=4)
    text = page(alice, branch)
    assert "No backup yet" in text
    assert "Every night at 04:00 (Asia/Tokyo)" in text
    assert "Back up now" in text


def test_where_nothing_was_deployed_nothing_can_be_backed_up(alice: Client, branch: Branch) -> None:
    Instance.objects.update(state=Instance.State.NEW)
    text = page(alice, branch)
    assert "There is no production database yet." in text
    assert "Back up now" not in text


def test_each_says_which_odoo_served(alice: Client, branch: Branch) -> None:
    backup = proven(branch, odoo_image="odoo:18.0 (5c8ebf5e3599)")
    proven(branch)  # taken before that was written down
    assert page(alice, branch).count("The Odoo image whose code served") == 1
    shown = alice.get(f"/demo/branches/{branch.pk}/backups/{backup.pk}/").content.decode()
    assert "odoo:18.0 (5c8ebf5e3599)" in shown


def test_a_proven_one_says_what_production_lacked(alice: Client, branch: Branch) -> None:
    proven(branch)
    assert "that production lacks" not in page(alice, branch)
    proven(branch, lacking=3)
    assert "</svg>3 files that production lacks" in page(alice, branch)


def test_where_only_the_rows_are_is_no_place_of_a_backup(alice: Client, branch: Branch) -> None:
    backup, place = proven(branch), Place.objects.create(name="far", address="/mnt/far")
    VaultCopy.objects.create(vault=None, place=place).backups.add(backup)
    assert "1 place<" in page(alice, branch)


def test_it_says_how_old_the_newest_proven_one_is_and_how_long_restoring_took(alice: Client, branch: Branch) -> None:
    proven(branch)
    text = page(alice, branch)
    assert "3 h ago" in text
    assert "restored in 41 s" in text
    assert "4.8 MB, 68.4 KB new" in text


def test_one_that_could_not_be_proven_is_red_and_says_why(alice: Client, branch: Branch) -> None:
    made(branch, proof=Backup.Proof.FAILED, wrong="public.res_users has 3 rows, not <4>", result=Result.FAILURE)
    text = page(alice, branch)
    assert "is-failure" in text
    assert "has 3 rows, not &lt;4&gt;" in text
    assert "No backup was restored and opened yet" in text


def test_the_badge_is_red_while_the_newest_one_is(alice: Client, branch: Branch) -> None:
    proven(branch)
    made(branch, proof=Backup.Proof.FAILED, wrong="The vault is damaged", result=Result.FAILURE)
    assert "The newest that is: " in page(alice, branch)
    proven(branch)
    assert "The newest that is: " not in page(alice, branch)


def test_one_that_was_let_go_is_not_listed(alice: Client, branch: Branch) -> None:
    proven(branch, forgotten_at=clock.now())
    assert "No backup yet" in page(alice, branch)


def test_what_goes_on_shows_how_far_it_is(alice: Client, branch: Branch) -> None:
    story = Story.objects.create(kind="backup", queue="background", subject="b", object_id=1, state=State.RUNNING)
    Step.objects.create(story=story, name="store", title="Store in the vault", position=1, state=State.RUNNING)
    progress = {"bytes_done": 1024 * 1024, "bytes_total": 4 * 1024 * 1024, "seconds_left": 90}
    made(branch, state=State.RUNNING, story=story, snapshot="", progress=progress)
    text = page(alice, branch)
    assert "store in the vault, 1.0 MB of 4.0 MB, 1 min 30 s left" in text
    assert "Back up now" in text  # what that one holds is of a while ago
    assert 'hx-trigger="every 2s"' in text


def test_while_one_is_dumped_there_is_no_other(alice: Client, branch: Branch) -> None:
    made(branch, state=State.RUNNING, snapshot="", taken_at=None)
    assert "Back up now" not in page(alice, branch)


def test_the_button_begins_one_with_an_entry_in_the_audit_log(alice: Client, branch: Branch) -> None:
    response = alice.post(f"/demo/branches/{branch.pk}/backups/now/")
    assert response["Location"] == f"/demo/branches/{branch.pk}/backups/"
    backup = Backup.objects.get()
    assert (backup.kind, backup.asked_by) == (Backup.Kind.MANUAL, response.wsgi_request.user)
    entry = AuditEntry.objects.get(verb="back up")
    assert (entry.by, entry.after) == ("alice", "manual")
    assert Project.objects.get().vault == backup.vault
    assert "waits for its turn" in page(alice, branch)


def test_one_too_many_is_refused_with_the_reason(alice: Client, branch: Branch) -> None:
    for _ in range(story_of.A_DAY):
        proven(branch, kind=Backup.Kind.MANUAL)
    response = alice.post(f"/demo/branches/{branch.pk}/backups/now/", follow=True)
    assert "as many as a day may have" in response.content.decode()
    assert Backup.objects.count() == story_of.A_DAY


def test_the_vaults_key_is_encrypted_and_on_no_page(alice: Client, branch: Branch) -> None:
    alice.post(f"/demo/branches/{branch.pk}/backups/now/")
    key = Vault.objects.get().key
    assert len(key) >= 32
    assert key not in page(alice, branch)
    assert not Vault.objects.filter(key=key).exists()


def test_the_tab_is_there_for_admins_of_production_alone(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    shown = {}
    for name in ("alice", "tom", "dev"):
        client.force_login(getattr(people, name))
        shown[name] = "/backups/" in client.get(f"/demo/branches/{branch.pk}/").content.decode()
    assert shown == {"alice": True, "tom": False, "dev": False}
