"""The GitHub stand-in: signing in, as a browser and the application behind it do it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tests.fakehub.testing import FakeHub

pytestmark = pytest.mark.engine

CALLBACK = "http://127.0.0.1:8000/complete/github-enterprise/"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub.start(tmp_path) as hub:
        yield hub


def authorize(hub: FakeHub, **query: str) -> requests.Response:
    asked = {
        "client_id": hub.client_id,
        "redirect_uri": CALLBACK,
        "state": "st&te",
        "scope": "user:email repo",
        **query,
    }
    return requests.get(f"{hub.url}/login/oauth/authorize", params=asked, allow_redirects=False, timeout=10)


def answer(response: requests.Response) -> dict[str, str]:
    """What the browser is sent back with."""
    assert response.status_code == 302
    assert response.headers["location"].startswith(CALLBACK)
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


def exchange(hub: FakeHub, code: str, **given: str) -> dict[str, str]:
    body = {"client_id": hub.client_id, "client_secret": hub.client_secret, "code": code, **given}
    headers = {"Accept": "application/json"}
    got = requests.post(f"{hub.url}/login/oauth/access_token", data=body, headers=headers, timeout=10)
    assert got.status_code == 200
    return dict(got.json())


def test_a_person_is_chosen_on_a_page_that_says_what_it_is(hub: FakeHub) -> None:
    page = authorize(hub)
    assert page.status_code == 200
    assert "stand-in for GitHub" in page.text
    for login in ("alice", "tom", "dev", "oscar"):
        assert f'value="{login}"' in page.text


def test_a_script_signs_in_and_gets_a_token_with_the_scopes_it_asked_for(hub: FakeHub) -> None:
    back = answer(authorize(hub, login="tom", confirm="1"))
    assert back["state"] == "st&te"
    got = exchange(hub, back["code"], redirect_uri=CALLBACK)
    assert (got["token_type"], got["scope"]) == ("bearer", "user:email,repo")
    user = requests.get(f"{hub.api_url}/user", headers={"Authorization": f"token {got['access_token']}"}, timeout=10)
    assert user.json()["login"] == "tom"
    assert user.headers["X-OAuth-Scopes"] == "user:email, repo"


def test_a_person_may_refuse(hub: FakeHub) -> None:
    assert answer(authorize(hub, deny="1"))["error"] == "access_denied"


def test_a_code_works_once(hub: FakeHub) -> None:
    code = answer(authorize(hub, login="alice", confirm="1"))["code"]
    assert "access_token" in exchange(hub, code)
    assert exchange(hub, code)["error"] == "bad_verification_code"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"client_secret": "guess"}, "incorrect_client_credentials"),
        ({"client_id": "another"}, "incorrect_client_credentials"),
        ({"redirect_uri": "http://elsewhere.example/"}, "redirect_uri_mismatch"),
    ],
)
def test_it_refuses_to_exchange_for_another_application(hub: FakeHub, given: dict[str, str], error: str) -> None:
    code = answer(authorize(hub, login="alice", confirm="1"))["code"]
    assert exchange(hub, code, **given)["error"] == error


@pytest.mark.parametrize(
    "query", [{"client_id": "unknown"}, {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": ""}]
)
def test_it_refuses_to_send_the_browser_anywhere(hub: FakeHub, query: dict[str, str]) -> None:
    assert authorize(hub, login="alice", confirm="1", **query).status_code in {400, 404}


def test_what_is_asked_is_escaped_on_the_page(hub: FakeHub) -> None:
    assert "<script>" not in authorize(hub, state='"><script>alert(1)</script>').text
