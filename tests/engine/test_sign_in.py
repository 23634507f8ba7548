"""Signing in with GitHub, by the stand-in for it: the whole way, and what must not be a way in."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client
from pytest_django import Settings

from portal.accounts import OPERATOR, PROVIDER
from portal.models import User
from tests.fakehub.testing import FakeHub

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

BEGIN, COMPLETE = f"/login/{PROVIDER}/", f"/complete/{PROVIDER}/"


@pytest.fixture
def hub(tmp_path: Path, settings: Settings) -> Iterator[FakeHub]:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collectstatic stands before it
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    settings.STATIC_ROOT = settings.BASE_DIR / "static"
    with FakeHub.start(tmp_path) as hub:
        settings.SOCIAL_AUTH_GITHUB_ENTERPRISE_URL = hub.url
        settings.SOCIAL_AUTH_GITHUB_ENTERPRISE_API_URL = hub.api_url
        settings.SOCIAL_AUTH_GITHUB_ENTERPRISE_KEY = hub.client_id
        settings.SOCIAL_AUTH_GITHUB_ENTERPRISE_SECRET = hub.client_secret
        yield hub


def begin(client: Client, after: str = "") -> str:
    """Where GitHub is to be asked: by the form of the page to which who isn't signed in is sent."""
    page = client.get("/sign-in/", {"next": after}).content.decode()
    hidden = re.search(
        r'<form method="post" action="([^"]+)">\s+(?:<[^>]+>\s+)*<input[^>]+name="next" value="([^"]*)"', page
    )
    if hidden is None:  # somebody is signed in, and is sent away by that page
        return client.post(BEGIN)["Location"]
    assert hidden[1] == BEGIN
    return client.post(BEGIN, {"next": html.unescape(hidden[2])})["Location"]


def answer(where: str, login: str) -> str:
    """GitHub's answer: the address, on this portal, to which it sends the browser back."""
    sent = requests.get(f"{where}&login={login}&confirm=1", allow_redirects=False, timeout=10)
    parts = urlsplit(sent.headers["Location"])
    assert parts.path == COMPLETE
    return f"{parts.path}?{parts.query}"


def sign_in(client: Client, login: str, after: str = "") -> str:
    """Where the browser ends up."""
    return client.get(answer(begin(client, after), login))["Location"]


def who(client: Client) -> str | None:
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else None


def refused(client: Client, address: str) -> str:
    """What the page says to which a refused browser is sent."""
    response = client.get(address, follow=True)
    said = [str(message) for message in response.context["messages"]]
    assert len(said) == 1
    assert said[0].startswith("GitHub did not sign you in")
    return said[0]


def test_who_github_names_is_signed_in_and_led_on(hub: FakeHub) -> None:
    client = Client()

    assert sign_in(client, "alice", "/new/") == "/new/"
    assert who(client) == "alice"
    alice = User.objects.get(username="alice")
    assert alice.github_login == "alice"
    account = hub.core.account("alice")
    assert account is not None
    assert alice.verified_emails == [account.email]
    assert not alice.is_superuser
    assert sign_in(Client(), "alice") == "/"
    assert User.objects.filter(github_login="alice").count() == 1


def test_an_answer_without_a_state_signs_nobody_in(hub: FakeHub) -> None:
    client = Client()
    address = answer(begin(client), "alice")
    without = "&".join(part for part in address.split("&") if not part.startswith("state="))
    assert without != address

    refused(client, without)
    assert who(client) is None


def test_an_answer_with_the_state_of_another_browser_signs_nobody_in(hub: FakeHub) -> None:
    mallory, victim = Client(), Client()
    begin(victim)
    trap = answer(begin(mallory), "oscar")

    refused(victim, trap)
    assert who(victim) is None
    refused(Client(), trap)


def test_a_code_is_good_once(hub: FakeHub) -> None:
    first, second = Client(), Client()
    used = answer(begin(first), "alice")
    assert first.get(used)["Location"] == "/"
    code = next(part for part in urlsplit(used).query.split("&") if part.startswith("code="))
    state = next(part for part in urlsplit(begin(second)).query.split("&") if part.startswith("state="))

    refused(second, f"{COMPLETE}?{code}&{state}")
    assert who(second) is None
    refused(first, used)
    assert who(first) == "alice"


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example/", "https://evil.example/", "/\\evil.example/", "http:///evil.example/", "javascript:alert(1)"],
)
def test_it_leads_to_no_other_site(hub: FakeHub, elsewhere: str) -> None:
    client = Client()
    where = client.post(BEGIN, {"next": elsewhere})["Location"]

    assert client.get(answer(where, "alice"))["Location"] == "/"
    assert sign_in(Client(), "alice", elsewhere) == "/"


def test_an_account_that_is_linked_already_is_not_given_to_who_is_signed_in(hub: FakeHub) -> None:
    sign_in(Client(), "alice")
    tom = Client()
    sign_in(tom, "tom")

    refused(tom, answer(begin(tom), "alice"))

    assert who(tom) == "tom"
    assert User.objects.get(username="tom").github_login == "tom"
    assert sign_in(Client(), "alice") == "/"


def test_nobody_is_given_the_account_of_who_is_signed_in(hub: FakeHub) -> None:
    operator = User.objects.create(username=OPERATOR, is_superuser=True)
    client = Client()
    client.force_login(operator)

    assert "Sign out first" in refused(client, answer(begin(client), "oscar"))

    assert not operator.social_auth.exists()
    other = Client()
    sign_in(other, "oscar")
    assert who(other) == "oscar"


def test_the_mail_address_of_another_account_opens_it_not(hub: FakeHub) -> None:
    alice = User.objects.create(username="alice-here", email="shared@example.com", is_superuser=True)
    hub.create_user("mallory", email="shared@example.com")
    client = Client()

    sign_in(client, "mallory")

    assert who(client) == "mallory"
    assert not alice.social_auth.exists()


def test_a_name_that_is_taken_here_opens_it_not(hub: FakeHub) -> None:
    User.objects.create(username=OPERATOR, is_superuser=True)
    hub.create_user(OPERATOR)
    client = Client()

    sign_in(client, OPERATOR)

    made = User.objects.get(github_login=OPERATOR)
    assert who(client) == made.username != OPERATOR
    assert not made.is_superuser


def test_a_login_that_was_given_up_is_the_new_owners_alone(hub: FakeHub) -> None:
    before = User.objects.create(username="tom-of-before", github_login="Tom")

    sign_in(Client(), "tom")

    before.refresh_from_db()
    assert before.github_login == ""
