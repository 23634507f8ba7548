"""The Mails tab: what was sent, shown in a way that harms nobody."""

from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from django.test import Client

from hosting.models import Mail
from projects.models import Branch, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    instance = cast.instance(Stage.STAGING, "demo-next.localhost")
    return cast.branch(cast.project("demo", people), "next", Stage.STAGING, instance=instance)


@pytest.fixture
def tom(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.tom)
    return client


@pytest.fixture
def offer(branch: Branch) -> Mail:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <shop@example.com>", "bob@example.com", "Your offer"
    message.set_content("plain words")
    message.add_alternative("<script>alert(1)</script><b>bold words</b>", subtype="html")
    message.add_attachment(b"<script>", maintype="text", subtype="html", filename='Angebot "für" Bob.html')
    return cast.mail(branch.instance, message.as_bytes(), subject="Your offer", recipients="bob@example.com, x@y.z")


def address(branch: Branch, mail: Mail | None = None, rest: str = "") -> str:
    return f"/demo/branches/{branch.pk}/mails/" + (f"{mail.pk}/{rest}" if mail else rest)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_where_there_is_none_it_says_how_to_send_one(tom: Client, branch: Branch) -> None:
    text = page(tom, address(branch))
    assert "No mail yet" in text
    assert "Send one from Odoo" in text


def test_a_branch_without_a_database_has_none(tom: Client, branch: Branch) -> None:
    Branch.objects.update(instance=None)
    assert "There is no database that could send one" in page(tom, address(branch))


def test_the_newest_come_first(tom: Client, branch: Branch, offer: Mail) -> None:
    cast.mail(branch.instance, subject="Your <invoice>")
    text = page(tom, address(branch))
    assert text.index("Your &lt;invoice&gt;") < text.index("Your offer")


def test_they_are_found_by_subject_and_address(tom: Client, branch: Branch, offer: Mail) -> None:
    cast.mail(branch.instance, subject="Reminder", recipients="carol@example.com")
    assert "Reminder" not in page(tom, address(branch, rest="?q=OFFER"))
    assert "Your offer" not in page(tom, address(branch, rest="?q=carol"))
    assert "No mail has “nothing”" in page(tom, address(branch, rest="?q=nothing"))


def test_a_poll_gets_nothing_where_nothing_came(tom: Client, branch: Branch, offer: Mail) -> None:
    seen = tom.get(address(branch)).context["live_digest"]
    poll = {"HX-Request": "true", "HX-Target": "live"}
    assert tom.get(address(branch, rest=f"?seen={seen}"), headers=poll).status_code == 204
    cast.mail(branch.instance, subject="A new one")
    assert b"A new one" in tom.get(address(branch, rest=f"?seen={seen}"), headers=poll).content


def test_a_mail_shows_who_got_it_and_what_is_attached(tom: Client, branch: Branch, offer: Mail) -> None:
    text = page(tom, address(branch, offer))
    assert "Shop &lt;shop@example.com&gt;" in text
    assert "bob@example.com, x@y.z" in text
    assert "Angebot &quot;für&quot; Bob.html" in text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in text
    assert f'src="{address(branch, offer)}html/"></iframe>' in text
    assert "bold words" not in text


def test_its_text_and_its_source_are_text(tom: Client, branch: Branch, offer: Mail) -> None:
    assert "plain words" in page(tom, address(branch, offer, "?view=text"))
    source = page(tom, address(branch, offer, "?view=source"))
    assert "&lt;script&gt;alert(1)" in source
    assert "<script>alert" not in source


def test_the_frame_has_no_rights_and_loads_nothing(tom: Client, branch: Branch, offer: Mail) -> None:
    response = tom.get(address(branch, offer, "html/"))
    assert "<b>bold words</b>" in response.content.decode()
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
    }
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["Referrer-Policy"] == "same-origin"


def test_the_page_around_it_keeps_its_own_policy(tom: Client, branch: Branch, offer: Mail) -> None:
    """By which the frame can't be led to another site."""
    policy = tom.get(address(branch, offer))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-src" not in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize("rest", ["parts/3/", "source/"])
def test_what_is_downloaded_is_never_opened(tom: Client, branch: Branch, offer: Mail, rest: str) -> None:
    response = tom.get(address(branch, offer, rest))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment; ")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.content == (b"<script>" if "parts" in rest else bytes(offer.raw))


def test_there_is_no_part_beyond_the_last(tom: Client, branch: Branch, offer: Mail) -> None:
    assert tom.get(address(branch, offer, "parts/4/")).status_code == 404


def test_a_mail_of_another_database_is_not_found(tom: Client, branch: Branch, offer: Mail) -> None:
    other = cast.mail(cast.instance(Stage.STAGING, "other.localhost"))
    for rest in ("", "html/", "source/", "parts/1/"):
        assert tom.get(address(branch, other, rest)).status_code == 404
    Branch.objects.update(instance=None)
    assert tom.get(address(branch, offer)).status_code == 404


def test_one_that_can_not_be_taken_apart_shows_its_source(tom: Client, branch: Branch) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1900))
    text = page(tom, address(branch, cast.mail(branch.instance, nested)))
    assert "could not be taken apart" in text
    assert "boundary=b1899" in text


def test_one_of_nothing_but_nul_bytes_is_shown(tom: Client, branch: Branch) -> None:
    assert "Source" in page(tom, address(branch, cast.mail(branch.instance, b"\0" * 100, subject="")))


def test_production_has_no_such_tab(tom: Client, branch: Branch, people: SimpleNamespace) -> None:
    tom.force_login(people.alice)
    assert address(branch) in page(tom, f"/demo/branches/{branch.pk}/")
    Branch.objects.update(stage=Stage.PRODUCTION)
    assert address(branch) not in page(tom, f"/demo/branches/{branch.pk}/")
    assert tom.get(address(branch)).status_code == 404
