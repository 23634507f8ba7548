"""Custom domains by the API: the same as on their page."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from hosting import pem
from hosting.models import Certificate
from portal import clock
from portal.models import AuditEntry
from projects.models import Branch, Domain, Stage
from tests import cast
from tests.apis import Caller


@pytest.fixture
def branch(people: SimpleNamespace) -> Branch:
    served = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(cast.project("demo", people), "main", Stage.PRODUCTION, instance=served)


@pytest.fixture
def alice(people: SimpleNamespace) -> Caller:
    return Caller(people.alice)


def below(branch: Branch, domain: Domain | None = None) -> str:
    path = f"projects/demo/branches/{branch.pk}/domains/"
    return f"{path}{domain.pk}/" if domain else path


def test_a_name_is_claimed_with_what_dns_has_to_say(alice: Caller, branch: Branch) -> None:
    answer = alice.send("post", below(branch), {"name": "WWW.Bücher.de."})

    domain, shown = Domain.objects.get(), answer.json()
    assert answer.status_code == 201
    assert (shown["id"], shown["name"], shown["cname"]) == (domain.pk, "www.xn--bcher-kva.de", "demo.localhost")
    assert (shown["text_name"], shown["text"]) == (
        "_berth.www.xn--bcher-kva.de",
        f"berth-verification={domain.token}",
    )
    assert (shown["proven_at"], shown["certificate"], shown["url"]) == (None, None, None)
    assert AuditEntry.objects.get(verb="add domain").by == str(alice.token.user)
    assert alice.send("get", below(branch)).json()["results"] == [shown]


@pytest.mark.parametrize("name", ["example.com", "www.example.com/shop", "*.example.com", "192.0.2.1", "x.localhost"])
def test_what_is_no_customers_name_is_refused_with_the_reason(name: str, alice: Caller, branch: Branch) -> None:
    answer = alice.send("post", below(branch), {"name": name})

    assert answer.status_code == 409
    assert answer.json()["detail"]
    assert not Domain.objects.exists()


def test_dns_is_asked_again_at_once(alice: Caller, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com")
    Domain.objects.update(check_at=clock.now() + timedelta(days=1))

    answer = alice.send("post", f"{below(branch, domain)}check/")

    assert answer.status_code == 202
    domain.refresh_from_db()
    assert domain.check_at is not None
    assert domain.check_at <= clock.now()


def test_a_removal_is_foretold_then_done(alice: Caller, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com", proven=True)
    assert domain.alias is not None
    Certificate.objects.create(alias=domain.alias)

    foretold = alice.send("delete", f"{below(branch, domain)}?dry_run=1").json()
    assert "Visitors of www.example.com find nothing any more" in foretold["would"][1]
    assert foretold["lost"]
    assert Domain.objects.exists()

    assert alice.send("delete", below(branch, domain)).status_code == 204
    assert not Domain.objects.exists()
    assert not Certificate.objects.exists()


def test_a_certificate_is_brought_and_given_back(alice: Caller, branch: Branch, settings: Settings) -> None:
    settings.BERTH_TLS_PORT = 8443
    domain, own = cast.domain(branch, "www.example.com", proven=True), pem.self_signed("www.example.com", clock.now())
    path = f"{below(branch, domain)}certificate/"

    answer = alice.send("put", path, {"chain": own.chain, "key": own.key})

    assert answer.status_code == 200, answer.content
    assert answer.json()["certificate"]["kind"] == "own"
    assert own.key not in answer.content.decode()
    assert "PRIVATE" not in str(AuditEntry.objects.get(verb="upload certificate").after)
    given = alice.send("post", f"{path}renew/")
    assert (given.status_code, "yours is used" in given.json()["then"]) == (202, True)
    assert Certificate.objects.get().kind == Certificate.Kind.ACME
    Certificate.objects.update(tried_at=clock.now())
    assert alice.send("post", f"{path}renew/").json()["remedy"] == "Try again in five minutes."


def test_a_certificate_of_another_name_or_before_the_proof_is_refused(alice: Caller, branch: Branch) -> None:
    proven, claimed = (cast.domain(branch, f"{name}.example.com", proven=name == "www") for name in ("www", "shop"))
    other = pem.self_signed("shop.example.com", clock.now())
    body = {"chain": other.chain, "key": other.key}

    answers = [alice.send("put", f"{below(branch, each)}certificate/", body) for each in (proven, claimed)]

    assert [each.status_code for each in answers] == [409, 409]
    assert "not for www.example.com" in answers[0].json()["title"]
    assert "isn't proven yet" in answers[1].json()["title"]
    assert not Certificate.objects.exists()


def test_what_is_parked_is_for_those_who_may_change_production(people: SimpleNamespace, branch: Branch) -> None:
    domain = cast.domain(branch, "www.example.com", proven=True)
    Domain.objects.update(parked=True)
    Branch.objects.filter(pk=branch.pk).update(stage=Stage.DEVELOPMENT, instance=None)

    assert Caller(people.dev).send("delete", below(branch, domain)).status_code == 403
    assert Domain.objects.exists()


def test_a_domain_of_another_branch_is_not_there(alice: Caller, branch: Branch) -> None:
    domain, other = cast.domain(branch, "www.example.com"), cast.branch(branch.project, "other")

    assert alice.send("get", below(other, domain)).status_code == 404
