"""Before a restore the page says what will be lost, and wants the project's name typed; afterwards how long it took."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds.models import Restore
from hosting.models import Backup, Vault
from portal import clock
from portal.models import Result, State, Step, Story
from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    project = cast.project("demo", people)
    return cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))


@pytest.fixture
def backup(branch: Branch) -> Backup:
    at = clock.now() - timedelta(hours=5)
    assert branch.instance is not None
    return Backup.objects.create(
        vault=Vault.objects.create(), instance=branch.instance, kind=Backup.Kind.NIGHTLY, state=State.DONE,
        snapshot="a" * 64, size_bytes=5_000_000, new_bytes=70_000, commit="c" * 40, taken_at=at, finished_at=at,
        proof=Backup.Proof.PROVEN, proven_at=at, restore_seconds=41.2,
    )  # fmt: skip


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def read(client: Client, url: str) -> str:
    return " ".join(client.get(url).content.decode().replace("\xa0", " ").split())


def asking(backup: Backup, branch: Branch) -> str:
    return f"/demo/branches/{branch.pk}/backups/{backup.pk}/restore/"


def test_it_says_what_will_be_lost_before_anything_happens(alice: Client, branch: Branch, backup: Backup) -> None:
    text = read(alice, asking(backup, branch))
    assert "What will be lost" in text
    assert "5 h ago" in text
    assert "Type <strong>demo</strong>" in text
    assert not Restore.objects.exists()


@pytest.mark.parametrize("typed", ["", "Demo", "main"])
def test_without_the_projects_name_nothing_is_restored(
    alice: Client, branch: Branch, backup: Backup, typed: str
) -> None:
    text = alice.post(asking(backup, branch), {"typed": typed}).content.decode()
    assert "That is not the project's name" in text
    assert not Restore.objects.exists()


def test_with_it_one_begins_and_is_followed(alice: Client, branch: Branch, backup: Backup) -> None:
    response = alice.post(asking(backup, branch), {"typed": "demo"})
    restore = Restore.objects.get()
    assert response["Location"] == f"/demo/branches/{branch.pk}/restores/{restore.pk}/"
    assert (restore.backup, restore.asked_by) == (backup, response.wsgi_request.user)
    assert "Waiting for what goes on with this branch" in read(alice, response["Location"])
    assert "Production is being restored" in read(alice, f"/demo/branches/{branch.pk}/backups/")
    assert "going on already" in read(alice, asking(backup, branch))


@pytest.mark.parametrize(("ticked", "forced"), [({}, False), ({"force": "on"}, True)])
def test_it_may_replace_what_can_not_be_backed_up_where_that_is_ticked(
    ticked: dict[str, str], forced: bool, alice: Client, branch: Branch, backup: Backup
) -> None:
    alice.post(asking(backup, branch), {"typed": "demo", **ticked})
    assert Restore.objects.get().forced is forced


def test_it_can_be_cancelled_until_the_switch(alice: Client, branch: Branch, backup: Backup) -> None:
    alice.post(asking(backup, branch), {"typed": "demo"})
    restore = Restore.objects.get()
    url = f"/demo/branches/{branch.pk}/restores/{restore.pk}/"
    alice.post(f"{url}cancel/")
    assert Story.objects.get(pk=restore.story_id or 0).cancel_requested
    assert "being undone" in read(alice, url)
    Restore.objects.update(switched_at=clock.now())
    assert "/cancel/" not in read(alice, url)


def ended(branch: Branch, backup: Backup, result: Result, **values: object) -> Restore:
    story = Story.objects.create(
        kind="restore", queue="background", subject="s", object_id=1, state=State.DONE, result=result,
        error_title="" if result == Result.SUCCESS else "The backup can't be restored",
    )  # fmt: skip
    step = Step.objects.create(story=story, name="swap", title="Change places", position=1, result=result)
    cast.output(step, "why it ended\n")
    values = {"state": State.DONE, "result": result, "story": story, "finished_at": clock.now()} | values
    return Restore.objects.create(branch=branch, backup=backup, **values)


def test_it_says_how_long_it_took(alice: Client, branch: Branch, backup: Backup) -> None:
    at = clock.now()
    times = {"created_at": at - timedelta(seconds=95), "switched_at": at, "answered_at": at}
    restore = ended(branch, backup, Result.SUCCESS, **times)
    said = "1 min 35 s from the click to the first answer"
    assert said in read(alice, f"/demo/branches/{branch.pk}/restores/{restore.pk}/")
    assert f"in {said}" in read(alice, f"/demo/branches/{branch.pk}/backups/")


def test_one_that_failed_says_why_and_that_production_is_as_it_was(
    alice: Client, branch: Branch, backup: Backup
) -> None:
    restore = ended(branch, backup, Result.FAILURE)
    text = read(alice, f"/demo/branches/{branch.pk}/restores/{restore.pk}/")
    assert "Failed: production stayed as it was" in text
    assert "The backup can&#x27;t be restored" in text
    assert "why it ended" in text
    assert "ended without a change" in read(alice, f"/demo/branches/{branch.pk}/backups/")


def test_one_of_another_branch_is_not_found(alice: Client, branch: Branch, backup: Backup) -> None:
    other = cast.branch(branch.project, "other", Stage.STAGING)
    restore = Restore.objects.create(branch=other)
    assert alice.get(f"/demo/branches/{branch.pk}/restores/{restore.pk}/").status_code == 404
