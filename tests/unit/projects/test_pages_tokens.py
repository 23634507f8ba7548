"""The page of one's API tokens."""

import re
from types import SimpleNamespace

import pytest
from django.test import Client

from portal.models import ApiToken
from tests import cast

WANTED = {"name": "Our CI", "scope": "deploy", "project": "", "days": "30"}


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    cast.project("demo", people)
    client.force_login(people.alice)
    return client


def test_a_new_token_is_shown_once_and_works(alice: Client) -> None:
    page = alice.post("/account/tokens/", WANTED)

    found = re.search(r"berth_[\w-]{43}", page.content.decode())
    assert found is not None
    assert page.headers["Cache-Control"].find("no-store") >= 0
    assert found[0] not in alice.get("/account/tokens/").content.decode()
    answer = Client(headers={"Authorization": f"Bearer {found[0]}"}).get("/api/v1/me/")
    assert (answer.status_code, answer.json()["token"]["scope"]) == (200, "deploy")


def test_a_token_may_be_for_one_project_and_for_ever(alice: Client, people: SimpleNamespace) -> None:
    project = people.alice.memberships.get().project

    alice.post("/account/tokens/", WANTED | {"project": project.pk, "days": ""})

    token = ApiToken.objects.get()
    assert (token.project_id, token.expires_at) == (project.pk, None)
    assert "demo alone" in alice.get("/account/tokens/").content.decode()


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scope": "root"}, {"days": "1000"}, {"project": "0"}])
def test_what_makes_no_sense_makes_no_token(wrong: dict[str, str], alice: Client) -> None:
    page = alice.post("/account/tokens/", WANTED | wrong)

    assert not ApiToken.objects.exists()
    assert "field-errors" in page.content.decode()


def test_a_foreign_project_is_no_choice(alice: Client, people: SimpleNamespace) -> None:
    other = cast.project("other")

    alice.post("/account/tokens/", WANTED | {"project": other.pk})

    assert not ApiToken.objects.exists()


def test_a_revoked_token_is_gone_from_the_page(alice: Client) -> None:
    alice.post("/account/tokens/", WANTED)
    token = ApiToken.objects.get()

    alice.post(f"/account/tokens/{token.pk}/revoke/")

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert "Our CI (" not in alice.get("/account/tokens/").content.decode()


def test_the_token_of_somebody_else_is_not_found(alice: Client, people: SimpleNamespace, client: Client) -> None:
    alice.post("/account/tokens/", WANTED)
    client.force_login(people.tom)

    assert client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None
