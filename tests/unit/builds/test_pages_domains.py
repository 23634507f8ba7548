"""The page of a branch's custom domains."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from hosting import pem
from hosting.models import Certificate
from portal import clock
from portal.models import AuditEntry
from projects.models import Branch, Domain, Stage
from tests import cast


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    served = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(cast.project("demo", people), "main", Stage.PRODUCTION, instance=served)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace) -> Client:
    client.force_login(people.alice)
    return client


def address(branch: Branch) -> str:
    return f"/demo/branches/{branch.pk}/domains/"


def page(client: Client, branch: Branch) -> str:
    return client.get(address(branch)).content.decode()


def test_an_empty_page_says_what_the_cname_has_to_say(alice: Client, branch: Branch) -> None:
    shown = page(alice, branch)

    assert "No custom domain yet" in shown
    assert 'data-copy="demo.localhost"' in shown


def test_a_domain_that_is_added_is_shown_with_both_records(alice: Client, branch: Branch) -> None:
    shown = alice.post(address(branch), {"name": "WWW.Bücher.de."}, follow=True).content.decode()

    domain = Domain.objects.get()
    assert domain.name == "www.xn--bcher-kva.de"
    assert "www.bücher.de" in shown
    assert f'data-copy="berth-verification={domain.token}"' in shown
    assert 'data-copy="_berth.www.xn--bcher-kva.de"' in shown
    assert "Waits for DNS" in shown


def test_a_bare_domain_is_refused_with_the_redirect_to_set_up(alice: Client, branch: Branch) -> None:
    shown = alice.post(address(branch), {"name": "example.com"}).content.decode()

    assert "redirect example.com to https://www.example.com" in shown
    assert "Nothing was changed." in shown
    assert 'value="example.com"' in shown
    assert not Domain.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "portal.example.org",
        "other.localhost",
        "a" * 50 + ".example.com" + "." + "b" * 191,
        "a." * 1000,
        "www.example.com:8443",
        "www.example.com/shop",
        "www.example.com\nwww.example.org",
        "www.example.com\r\nX-Header: 1",
        'www.example.com"',
        "www.example.com'; --",
        "*.example.com",
        "www.example.com\0",
    ],
)
def test_what_is_no_customers_host_name_is_refused_and_shown_again(
    alice: Client, branch: Branch, settings: Settings, name: str
) -> None:
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "portal.example.org"]

    response = alice.post(address(branch), {"name": name})

    assert response.status_code == 200
    assert response.context["form"].errors["name"]
    assert not Domain.objects.exists()


def test_a_domain_of_another_project_is_refused(alice: Client, branch: Branch, people: SimpleNamespace) -> None:
    theirs = cast.branch(cast.project("other"), "main", Stage.PRODUCTION)
    cast.domain(theirs, "www.example.com", proven=True)

    shown = alice.post(address(branch), {"name": "WWW.example.com."}).content.decode()

    assert "www.example.com belongs to another project" in shown
    assert not branch.domains.exists()


def test_it_shows_what_dns_says_and_what_is_expected(alice: Client, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com")
    Domain.objects.filter(pk=domain.pk).update(
        found={"cnames": ["old.example.net"], "texts": ["<b>x</b>"], "addresses": ["192.0.2.9"], "here": False},
        checked_at=domain.created_at,
    )

    shown = page(alice, branch)

    assert "old.example.net" in shown
    assert "192.0.2.9" in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown


@pytest.mark.parametrize(
    ("values", "found", "said"),
    [
        ({}, {"here": True}, "Serves"),
        ({"parked": True}, {"here": True}, "Parked"),
        ({}, {"here": False}, "Leads elsewhere"),
    ],
)
def test_it_says_how_a_domain_stands(
    alice: Client, branch: Branch, values: dict[str, bool], found: dict[str, bool], said: str
) -> None:
    domain = cast.domain(branch, "www.example.com", proven=True)
    Domain.objects.filter(pk=domain.pk).update(found=found, **values)

    assert f"<span>{said}</span>" in page(alice, branch)


def test_check_now_makes_the_check_due(alice: Client, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com")
    Domain.objects.filter(pk=domain.pk).update(check_at=None)

    alice.post(f"{address(branch)}{domain.pk}/check/")

    domain.refresh_from_db()
    assert domain.check_at is not None


def test_a_domain_is_removed(alice: Client, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com", proven=True)

    shown = alice.post(f"{address(branch)}{domain.pk}/remove/", follow=True).content.decode()

    assert "www.example.com was removed" in shown
    assert not Domain.objects.exists()


def test_the_settings_page_leads_there(alice: Client, branch: Branch) -> None:
    cast.domain(branch, "www.example.com")

    shown = alice.get(f"/demo/branches/{branch.pk}/settings/").content.decode()

    assert address(branch) in shown
    assert "www.example.com" in shown


def certificate(branch: Branch, settings: Settings, **fields: object) -> Certificate:
    settings.BERTH_TLS_PORT = 443
    alias = cast.domain(branch, "www.example.com", proven=True).alias
    assert alias is not None
    return Certificate.objects.create(alias=alias, **fields)


def test_it_says_what_stands_against_a_certificate_and_when_it_is_tried_again(
    alice: Client, branch: Branch, settings: Settings
) -> None:
    now = clock.now()
    certificate(branch, settings, error="No <valid> address", attempts=2, tried_at=now, next_at=now)

    shown = page(alice, branch)

    assert "No &lt;valid&gt; address" in shown
    assert "Tried 2 times" in shown
    assert "Try again now" in shown


def test_trying_again_makes_it_due(alice: Client, branch: Branch, settings: Settings) -> None:
    now, later = clock.now(), clock.now() + timedelta(hours=12)
    made = certificate(branch, settings, error="No", attempts=9, tried_at=now, next_at=later)
    url = f"{address(branch)}{Domain.objects.get().pk}/certificate/renew/"

    assert "Try again in five minutes" in alice.post(url, follow=True).content.decode()
    made.refresh_from_db()
    assert made.next_at == later

    Certificate.objects.update(tried_at=now - timedelta(minutes=6))
    alice.post(url)
    made.refresh_from_db()
    assert made.next_at is not None
    assert made.next_at < later


def send(client: Client, branch: Branch, chain: bytes, key: bytes) -> str:
    files = {"chain": SimpleUploadedFile("c.pem", chain), "key": SimpleUploadedFile("k.pem", key)}
    url = f"{address(branch)}{Domain.objects.get().pk}/certificate/"
    return client.post(url, files, follow=True).content.decode()


def test_a_certificate_is_brought_and_given_back(alice: Client, branch: Branch, settings: Settings) -> None:
    made = certificate(branch, settings)
    own = pem.self_signed("www.example.com", clock.now())

    assert "is used for www.example.com from now on" in send(alice, branch, own.chain.encode(), own.key.encode())
    made.refresh_from_db()
    assert (made.kind, made.chain) == (Certificate.Kind.OWN, own.chain)
    assert "PRIVATE" not in str(AuditEntry.objects.get(verb="upload certificate").after)

    shown = alice.post(f"{address(branch)}{Domain.objects.get().pk}/certificate/renew/", follow=True).content.decode()
    assert "yours is used until it is there" in shown
    made.refresh_from_db()
    assert made.kind == Certificate.Kind.ACME


def test_one_that_does_not_fit_is_refused_with_the_reason(alice: Client, branch: Branch, settings: Settings) -> None:
    made = certificate(branch, settings)
    own, other = (pem.self_signed(name, clock.now()) for name in ("www.example.com", "shop.example.org"))

    assert "not that of the certificate" in send(alice, branch, own.chain.encode(), other.key.encode())
    assert "not for www.example.com" in send(alice, branch, other.chain.encode(), other.key.encode())
    assert "this file is something else" in send(alice, branch, b"\xff\x00", own.key.encode())
    assert "too large" in send(alice, branch, b"A" * 100_001, own.key.encode())

    made.refresh_from_db()
    assert made.chain == ""


def test_what_is_parked_is_for_those_who_may_change_production(
    client: Client, people: SimpleNamespace, branch: Branch
) -> None:
    domain = cast.domain(branch, "www.example.com", proven=True)
    Domain.objects.filter(pk=domain.pk).update(parked=True)
    Branch.objects.filter(pk=branch.pk).update(stage=Stage.DEVELOPMENT)
    client.force_login(people.dev)

    assert client.post(f"{address(branch)}{domain.pk}/remove/").status_code == 403
    assert Domain.objects.exists()
