"""The operator's page of the places where backups lie."""

import html
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from builds import vaultcopies
from hosting.models import Backup, Place, Vault, VaultCopy
from portal import clock
from portal.models import AuditEntry, State, Story
from projects.models import Project, Stage
from tests import cast

SECRET = "AWS_SECRET_ACCESS_KEY=hunter22"


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    return cast.project("shop", people, vault=Vault.objects.create())


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(cast.person("Operator", is_superuser=True))
    return client


@pytest.fixture
def page(operator: Client) -> Callable[[], str]:
    def get() -> str:
        response = operator.get("/operator/places/")
        assert response.status_code == 200
        return html.unescape(response.content.decode())

    return get


def store(**fields: object) -> Place:
    return Place.objects.create(name="store", address="s3:https://s3.example/locked", account=SECRET, **fields)


def copy(place: Place, vault: Vault | None = None, **fields: object) -> VaultCopy:
    return VaultCopy.objects.create(place=place, vault=vault, **fields)


def test_without_a_place_it_says_how_to_name_one(page: Callable[[], str]) -> None:
    shown = page()
    assert "All backups lie on this machine alone" in shown
    assert "bin/berth place add disk /mnt/backup" in shown


def test_each_place_has_its_kind_and_whether_it_keeps_all(page: Callable[[], str]) -> None:
    store(keeps_all=True)
    Place.objects.create(name="far", address="sftp://berth@backup.example:22//srv/berth", account="PRIVATE KEY")
    shown = page()
    for words in ("An S3 store", "s3:https://s3.example/locked", "Keeps all", "by SFTP", "let go by the rule"):
        assert words in shown
    assert "Name 1 more" in shown
    assert "None of them keeps all" not in shown
    assert "The first copies begin within a minute or two" in shown
    assert "hunter22" not in shown
    assert "PRIVATE KEY" not in shown


def test_each_copy_has_its_state(page: Callable[[], str], project: Project) -> None:
    place = store()
    whole = copy(place, project.vault, done_at=clock.now() - timedelta(hours=3))
    taken = clock.now() - timedelta(hours=5)
    instance = cast.instance(Stage.PRODUCTION, "shop.localhost")
    vault = Vault.objects.get()
    whole.backups.add(Backup.objects.create(vault=vault, instance=instance, kind="nightly", taken_at=taken))
    past = clock.now() - timedelta(hours=7)
    copy(place, failing_since=past, tries=2, error="dial tcp: connection refused", next_at=clock.now())
    shown = page()
    assert "None of them keeps all" in shown
    assert shown.index("This installation") < shown.index("Shop"), "what fails comes first"
    for words in (
        "Failing",
        "connection refused",
        "2 tries failed",
        "Try again now",
        "Up to date",
        "1 backup, the newest",
    ):
        assert words in shown


def test_a_place_that_was_removed_is_not_there(page: Callable[[], str]) -> None:
    removed = store(removed_at=clock.now())
    copy(removed)
    assert "s3.example/locked" not in page()


def test_the_operator_has_one_copied_now(operator: Client, page: Callable[[], str]) -> None:
    later = copy(store(), failing_since=clock.now(), tries=3, next_at=clock.now() + timedelta(hours=2))
    for _twice in range(2):
        assert operator.post(f"/operator/places/copies/{later.pk}/").status_code == 302
    later.refresh_from_db()
    assert later.story == Story.objects.get(kind="copy"), "the one that goes on is enough"
    assert AuditEntry.objects.get(verb="copy backups now").by == "operator"
    shown = page()
    assert "Being copied" in shown
    assert "Try again now" not in shown
    Story.objects.update(state=State.DONE, result="success")
    later.refresh_from_db()
    assert not vaultcopies.is_going_on(later)


def test_others_do_not_know_of_it(client: Client, project: Project, people: SimpleNamespace) -> None:
    there = copy(store(), project.vault)
    client.force_login(people.alice)
    assert client.get("/operator/places/").status_code == 404
    assert client.post(f"/operator/places/copies/{there.pk}/").status_code == 404
    assert not Story.objects.exists()
