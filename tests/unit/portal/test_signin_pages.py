from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.test import Client
from social_core.exceptions import AuthCanceled

from portal.accounts import PBKDF2SHA512Hasher, remember_github
from portal.models import User
from tests import cast


@pytest.fixture
def operator(db: None, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr(PBKDF2SHA512Hasher, "iterations", 1_000)  # safe ones take half a second
    made = cast.person("Operator", is_superuser=True)
    made.set_password("correct horse battery")
    made.save()
    return made


def sign_in(client: Client, **form: str) -> tuple[int, str]:
    response = client.post("/sign-in/", form)
    return response.status_code, response.headers.get("Location", "")


def test_the_operator_signs_in_with_a_password(client: Client, operator: User) -> None:
    assert sign_in(client, username="operator", password="correct horse battery", next="/new/") == (302, "/new/")
    assert client.get("/new/").status_code == 200


def test_the_password_is_kept_as_pbkdf2_with_sha512(operator: User) -> None:
    assert operator.password.startswith("pbkdf2_sha512$")


def test_it_rejects_a_wrong_password_without_saying_which_part_was_wrong(client: Client, operator: User) -> None:
    known = client.post("/sign-in/", {"username": "operator", "password": "wrong"}).content.decode()
    unknown = client.post("/sign-in/", {"username": "nobody", "password": "wrong"}).content.decode()

    assert "That name and password don&#x27;t fit" in known or "That name and password don't fit" in known
    assert ("don't fit" in known) == ("don't fit" in unknown)
    assert client.get("/").status_code == 302


def test_it_does_not_lead_elsewhere_after_signing_in(client: Client, operator: User) -> None:
    form = {"username": "operator", "password": "correct horse battery", "next": "https://evil.example/"}

    assert sign_in(client, **form) == (302, "/")


def test_somebody_without_a_password_can_not_use_the_form(client: Client, people: SimpleNamespace) -> None:
    assert sign_in(client, username="alice", password="")[0] == 200
    assert client.get("/").status_code == 302


def test_signing_in_with_github_begins_with_a_post_that_leads_there(client: Client, db: None) -> None:
    assert client.get("/login/github-enterprise/").status_code == 405

    response = client.post("/login/github-enterprise/?next=/new/")

    assert response.status_code == 302
    assert "/login/oauth/authorize?" in response["Location"]
    assert "state=" in response["Location"]


def test_what_github_refuses_is_told_on_the_sign_in_page(client: Client, db: None) -> None:
    with patch("social_django.views.do_complete", side_effect=AuthCanceled(None, "declined")):
        response = client.get("/complete/github-enterprise/?error=access_denied", follow=True)

    assert response.redirect_chain == [("sign-in", 302)] or response.redirect_chain[0][0] == "/sign-in/"
    assert "GitHub did not sign you in" in response.content.decode()


def test_signing_out_needs_a_post(client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.alice)

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302


def test_the_router_is_told_that_the_process_answers(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


def test_mail_addresses_count_where_github_says_that_they_are_verified(people: SimpleNamespace) -> None:
    emails = [
        {"email": "Alice@Example.com", "verified": True},
        {"email": "somebody@else.com", "verified": False},
        {"email": "unknown@else.com"},
    ]

    remember_github(user=people.alice, response={"login": "alice", "access_token": "t", "emails": emails})

    assert User.objects.get(pk=people.alice.pk).verified_emails == ["alice@example.com"]
