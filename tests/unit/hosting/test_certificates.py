"""Certificates: when they are asked for, what is done where that fails, and when the router gets them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from hosting import certificates, machines, pem, routing
from hosting.engines.acme import Account, AcmeError, Issued, RateLimited, Unreachable
from hosting.engines.haproxy import Marks, RouterDown, RouterError
from hosting.models import AcmeAccount, Alias, Certificate, Challenge, Instance
from portal import clock
from tests.unit.fakes import World
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.world import Killed
from tests.unit.hosting import rows

NAME = "www.example.com"


class FakeAuthority:
    """Issues what is asked for, unless it is told what to do instead."""

    def __init__(self) -> None:
        self.directory = "https://ca.example/dir"
        self.orders = self.accounts = 0
        self.instead: Callable[[], object] = lambda: None

    def __call__(self, _directory: str, _ca_file: str) -> "FakeAuthority":
        return self

    def register(self, mail: str = "") -> Account:
        self.accounts += 1
        return Account("a key", f"https://ca.example/{self.accounts}")

    def issue(self, account: Account, host: str, present: Callable[[str, str], None]) -> Issued:
        self.orders += 1
        present(f"token-{self.orders}", f"answer-{self.orders}")
        self.instead()
        made = pem.self_signed(host, clock.now())
        return Issued(made.chain, made.key)

    def refuse(self, error: BaseException) -> None:
        def raise_it() -> None:
            raise error

        self.instead = raise_it


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> FakeAuthority:
    settings.BERTH_TLS_PORT = 443
    settings.BERTH_TLS_CERTIFICATE = ""
    fake = FakeAuthority()
    monkeypatch.setattr(certificates, "Authority", fake)
    return fake


@pytest.fixture
def alias(world: World, authority: FakeAuthority) -> Alias:
    instance = rows.instance()
    rows.live(instance, world)
    certificates.write()
    made = Alias.objects.create(hostname=NAME, instance=instance)
    routing.apply(instance)
    return made


def served(alias: Alias) -> Instance:
    assert alias.instance is not None
    return alias.instance


def wanted(alias: Alias) -> Certificate:
    certificates.want(alias)
    return attended()


def attended() -> Certificate:
    certificate = Certificate.objects.get()
    certificates.attend(certificate.pk)
    certificate.refresh_from_db()
    return certificate


def until(at: datetime | None) -> timedelta:
    """From now, and a moment more."""
    assert at is not None
    return at - clock.now() + timedelta(seconds=1)


def test_it_is_got_kept_and_given_to_the_router_which_sends_visitors_to_https(alias: Alias, world: World) -> None:
    certificate = wanted(alias)

    assert world.certificates[NAME] == certificate.chain + certificate.key
    assert certificate.loaded_at
    assert certificate.not_before
    assert certificate.not_after
    assert certificate.next_at == certificates.renewal(certificate.not_before, certificate.not_after)
    assert world.marks[NAME] == Marks(https=True)
    assert world.marks[served(alias).hostname] == Marks(hidden=True)
    assert Alias.objects.get().url == f"https://{NAME}"


def test_the_key_is_encrypted_in_its_row(alias: Alias) -> None:
    wanted(alias)

    stored = Certificate.objects.extra(select={"raw": "key"}).values_list("raw", flat=True).get()
    assert "PRIVATE" not in str(stored)


def test_nothing_is_asked_before_it_is_due(alias: Alias, authority: FakeAuthority) -> None:
    certificate = wanted(alias)
    certificates.want(alias)
    attended()
    certificates.look_after()
    assert authority.orders == 1

    with clock.moved(until(certificate.next_at)):
        certificates.look_after()
    assert authority.orders == 2
    assert authority.accounts == AcmeAccount.objects.count() == 1


def test_a_killed_attempt_is_not_repeated_at_once_and_then_succeeds(alias: Alias, authority: FakeAuthority) -> None:
    authority.refuse(Killed())
    with pytest.raises(Killed):
        wanted(alias)
    authority.instead = lambda: None

    assert attended().chain == ""
    assert authority.orders == 1
    with clock.moved(timedelta(minutes=5, seconds=1)):
        assert attended().loaded_at
    assert authority.orders == 2


def test_after_a_refusal_it_waits_ever_longer_but_never_longer_than_half_a_day(
    alias: Alias, authority: FakeAuthority
) -> None:
    authority.refuse(AcmeError("no such host"))
    certificate = wanted(alias)
    pauses, passed = [], timedelta()
    for _ in range(9):
        assert certificate.next_at
        assert certificate.tried_at
        pauses.append(certificate.next_at - certificate.tried_at)
        passed += pauses[-1] + timedelta(seconds=1)
        with clock.moved(passed):
            certificate = attended()

    assert [pause / timedelta(minutes=5) for pause in pauses] == [1, 2, 4, 8, 16, 32, 64, 128, 144]
    assert certificate.error == "no such host"
    assert sum(pauses[:4], timedelta()) > timedelta(hours=1)  # 5 failures an hour are what Let's Encrypt bears


@pytest.mark.parametrize(
    ("error", "pause", "attempts"),
    [(RateLimited("too many"), timedelta(hours=6), 1), (Unreachable("away"), timedelta(minutes=20), 0)],
)
def test_limits_are_respected_and_an_authority_that_is_away_is_asked_again_soon(
    alias: Alias, authority: FakeAuthority, error: AcmeError, pause: timedelta, attempts: int
) -> None:
    authority.refuse(error)

    certificate = wanted(alias)

    assert certificate.error == str(error)
    assert certificate.attempts == attempts
    assert abs(until(certificate.next_at) - pause) < timedelta(minutes=1)


def test_a_renewal_that_fails_leaves_what_serves(alias: Alias, authority: FakeAuthority, world: World) -> None:
    first = wanted(alias)
    authority.refuse(AcmeError("no"))
    with clock.moved(until(first.next_at)):
        failed = attended()

    assert (failed.chain, failed.error) == (first.chain, "no")
    assert world.certificates[NAME] == first.chain + first.key
    assert failed.loaded_at


def test_one_that_expired_sends_nobody_to_https(alias: Alias, world: World) -> None:
    certificate = wanted(alias)
    with clock.moved(until(certificate.not_after)):
        routing.apply(served(alias))

    assert not world.marks[NAME].https


def test_two_who_come_at_once_ask_once(alias: Alias, authority: FakeAuthority) -> None:
    certificates.want(alias)
    pk = Certificate.objects.get().pk

    assert [certificates._claim(pk), certificates._claim(pk)] == [True, False]


def test_where_its_domain_was_removed_meanwhile_nothing_is_kept(
    alias: Alias, authority: FakeAuthority, world: World
) -> None:
    authority.instead = lambda: Alias.objects.all().delete()
    certificates.want(alias)
    certificates.attend(Certificate.objects.get().pk)

    assert not Certificate.objects.exists()
    assert not world.certificates


def test_an_owners_own_one_is_used_and_never_replaced(alias: Alias, authority: FakeAuthority, world: World) -> None:
    wanted(alias)
    own = pem.self_signed(NAME, clock.now())
    certificates.bring(alias, chain=own.chain, key=own.key)
    certificate = attended()

    assert (certificate.kind, certificate.next_at) == (Certificate.Kind.OWN, None)
    assert world.certificates[NAME] == own.pem
    with clock.moved(timedelta(days=4000)):
        certificates.look_after()
    assert authority.orders == 1


def test_one_that_is_brought_while_another_is_got_stays(alias: Alias, authority: FakeAuthority, world: World) -> None:
    own = pem.self_signed(NAME, clock.now())
    authority.instead = lambda: certificates.bring(alias, chain=own.chain, key=own.key)

    certificate = wanted(alias)

    assert certificate.chain == own.chain
    assert world.certificates[NAME] == own.pem


def test_given_back_it_serves_until_there_is_another(alias: Alias, authority: FakeAuthority, world: World) -> None:
    own = pem.self_signed(NAME, clock.now())
    certificates.give_back(certificates.bring(alias, chain=own.chain, key=own.key))
    authority.refuse(AcmeError("no"))
    assert attended().chain == own.chain

    authority.instead = lambda: None
    with clock.moved(timedelta(minutes=6)):
        assert certificates.again(Certificate.objects.get())
        assert attended().chain != own.chain


def test_what_the_router_did_not_take_it_gets_later(
    alias: Alias, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def refuse(*_values: object) -> None:
            raise RouterError("no answer within 5 s")

        patch.setattr(FakeRouter, "set_certificate", refuse)
        assert wanted(alias).loaded_at is None

    certificates.look_after()

    assert Certificate.objects.get().loaded_at
    assert NAME in world.certificates


def test_a_router_that_is_down_starts_with_it(alias: Alias, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_router: FakeRouter) -> None:
        raise RouterDown("No router listens.")

    monkeypatch.setattr(FakeRouter, "_ask", down)

    assert wanted(alias).loaded_at


def test_the_router_gets_back_what_it_lost_and_loses_what_belongs_to_nothing(alias: Alias, world: World) -> None:
    certificate = wanted(alias)
    world.certificates = {"gone.example.com": "x"}

    certificates.look_after()

    assert world.certificates == {NAME: certificate.chain + certificate.key}


def test_a_removed_domains_certificate_goes(alias: Alias, world: World) -> None:
    wanted(alias)
    alias.delete()

    certificates.forget(NAME)

    assert not world.certificates
    assert not Certificate.objects.exists()


def test_without_tls_nothing_is_asked_for(alias: Alias, settings: Settings, authority: FakeAuthority) -> None:
    settings.BERTH_TLS_PORT = 0

    certificates.want(alias)
    certificates.look_after()

    assert not Certificate.objects.exists()
    assert Alias.objects.get().url.startswith("http://")


def test_the_platforms_own_certificate_sends_hosted_addresses_to_https(
    world: World, settings: Settings, authority: FakeAuthority
) -> None:
    settings.BERTH_TLS_CERTIFICATE = "/etc/berth/wildcard.pem"
    instance = rows.instance()

    routing.apply(instance)

    assert world.marks[instance.hostname] == Marks(https=True)
    assert Instance.objects.get().url == f"https://{instance.hostname}"


def test_a_challenge_is_answered_to_everybody_and_an_old_one_goes(alias: Alias, client: Client) -> None:
    wanted(alias)
    assert client.get("/.well-known/acme-challenge/token-1").content == b"answer-1"
    assert client.get("/.well-known/acme-challenge/token-2").status_code == 404

    with clock.moved(timedelta(days=1, minutes=1)):
        certificates.look_after()

    assert not Challenge.objects.exists()


def test_without_one_of_its_own_the_platform_keeps_the_self_signed_one_that_it_made(alias: Alias) -> None:
    path = machines.router().config.default_certificate
    before = path.read_text()

    certificates.write()
    certificates.look_after()

    assert path.read_text() == before
    pem.check(pem.read(*pem.split(before)), "demo.localhost", clock.now())


def test_the_platforms_own_is_taken_again_when_its_file_is_renewed(
    alias: Alias, settings: Settings, tmp_path: Path
) -> None:
    settings.BERTH_TLS_CERTIFICATE = str(tmp_path / "wildcard.pem")
    renewed = pem.self_signed("localhost", clock.now())
    (tmp_path / "wildcard.pem").write_text(renewed.pem)

    certificates.look_after()

    assert machines.router().config.default_certificate.read_text() == renewed.pem


def test_a_file_that_can_not_be_used_is_said_and_the_one_before_stays(
    alias: Alias, settings: Settings, tmp_path: Path
) -> None:
    before = machines.router().config.default_certificate.read_text()
    settings.BERTH_TLS_CERTIFICATE = str(tmp_path / "nothing.pem")

    certificates.look_after()
    with pytest.raises(CommandError, match=r"nothing\.pem can't be used"):
        call_command("router", write=True)

    assert machines.router().config.default_certificate.read_text() == before
