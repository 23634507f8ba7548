"""Connecting a repository."""

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock, patch

import pytest
from django.test import Client
from pytest_django import Settings

from builds.models import Build
from portal.stories import ProjectError
from projects.models import Project, Stage
from projects.providers import Forbidden, Repository
from tests import cast

FORM = {"repository": "acme/addons", "name": "Addons", "slug": "addons", "series": "18.0"}


def repository(name: str, provider_id: str) -> Repository:
    url = f"https://github.com/{name}"
    return Repository(name, f"{url}.git", f"git@github.com:{name}.git", url, False, "main", provider_id)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace, settings: Settings) -> Client:
    settings.BERTH_ODOO_IMAGES = {"16.0": "odoo:16.0", "18.0": "odoo:18.0"}
    people.alice.github_token = "gho_secret"
    people.alice.save()
    client.force_login(people.alice)
    return client


@pytest.fixture
def connect() -> Iterator[Mock]:
    with (
        patch("projects.connect.look", lambda **asked: asked["repository"]),
        patch("projects.connect.create") as mock,
        patch("projects.connect.install_webhook"),
    ):
        yield mock


def made(people: SimpleNamespace, **_fields: object) -> Project:
    project = cast.project("addons", people)
    cast.branch(project, "main", Stage.PRODUCTION, head="4" * 40)
    return project


def test_it_connects_the_repository_and_begins_production(
    alice: Client, people: SimpleNamespace, connect: Mock
) -> None:
    connect.side_effect = partial(made, people)

    response = alice.post("/new/", FORM)

    assert response["Location"] == "/addons/branches/"
    wanted = {name: value for name, value in FORM.items() if name != "repository"}
    assert connect.call_args.kwargs == {"by": people.alice, "found": FORM["repository"], **wanted, "code": ""}
    assert Build.objects.get().commit == "4" * 40


def test_a_refusal_is_shown_with_what_to_do_and_the_form_keeps_what_was_written(alice: Client, connect: Mock) -> None:
    connect.side_effect = ProjectError("It is connected already", "By Tom.", "Ask Tom to let you in.")

    page = alice.post("/new/", FORM).content.decode()

    assert "It is connected already" in page
    assert "Ask Tom to let you in." in page
    assert 'value="acme/addons"' in page


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("slug", "Bad Slug", "2 to 31 small letters"),
        ("slug", "taken", "taken is taken"),
        ("repository", "no-owner", "owner/name"),
        ("repository", "a/b; reboot", "owner/name"),
        ("series", "17.0", "not one of the available choices"),
        ("name", "", "required"),
    ],
)
def test_bad_input_is_told_beside_its_field(
    field: str, value: str, told: str, alice: Client, people: SimpleNamespace, connect: Mock
) -> None:
    cast.project("taken", people)

    page = alice.post("/new/", FORM | {field: value}).content.decode()

    assert told in page
    connect.assert_not_called()
    assert Project.objects.count() == 1


def test_repositories_are_listed_and_connected_ones_are_marked(alice: Client, people: SimpleNamespace) -> None:
    cast.project("old", people, provider_id="7")
    found = [repository("acme/old", "7"), repository("acme/new", "8")]
    with patch("projects.connect.repositories", return_value=found):
        page = alice.get("/new/repositories/").content.decode()

    assert page.count("connected already") == 1
    assert 'data-repository="acme/new"' in page


def test_without_github_it_says_so_and_asks_nobody(client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.dev)
    with patch("projects.connect.repositories") as mock:
        page = client.get("/new/repositories/").content.decode()

    assert "signed in without GitHub" in page
    mock.assert_not_called()


def test_what_github_refuses_is_told(alice: Client) -> None:
    with patch("projects.connect.repositories", side_effect=Forbidden("the token is <invalid>")):
        page = alice.get("/new/repositories/").content.decode()

    assert "the token is &lt;invalid&gt;" in page


def test_no_project_stays_without_its_first_build(
    alice: Client, people: SimpleNamespace, connect: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect.side_effect = partial(made, people)
    monkeypatch.setattr("builds.newproject.begin", Mock(side_effect=KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        alice.post("/new/", FORM)

    assert not Project.objects.exists()
