"""Certificates of further addresses: got, renewed, brought, and given to the router.

What is asked of the authority is bounded by what is written first: the time of the next attempt, before an attempt
begins. So whoever is killed in one costs an order, and nobody asks again at once.
"""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django_q.tasks import async_task

from hosting import machines, pem, routing
from hosting.engines.acme import Account, AcmeError, Authority, RateLimited, Unreachable
from hosting.engines.haproxy import RouterDown, RouterError
from hosting.models import AcmeAccount, Alias, Certificate, Challenge
from portal import clock
from portal.rounds import once

log = logging.getLogger(__name__)

LOCK = 0x6365727473  # any fixed number
FIRST_PAUSE = timedelta(minutes=5)  # after a failure, doubled with each: 4 in the first hour, of 5 that are allowed
LONGEST_PAUSE = timedelta(hours=12)
AWAY_PAUSE = timedelta(minutes=20)  # where the authority is down, which counts for nothing there
LIMITED_PAUSE = timedelta(hours=6)
OLD_CHALLENGE = timedelta(days=1)


# --- wishes, of pages too ---------------------------------------------------------------------------------------------
def want(alias: Alias) -> None:
    """Get a certificate for an address whose visitors come here, unless it has one. Safe to repeat."""
    if settings.BERTH_TLS_PORT:
        certificate, new = Certificate.objects.get_or_create(alias=alias, defaults={"next_at": clock.now()})
        if new:
            _ring(certificate)


def again(certificate: Certificate) -> bool:
    """Try now: somebody has mended what stood against it. False, and nothing is done, where the last try is too young:
    each that fails counts at the authority, for all of the name's owners.
    """
    rested = Q(tried_at=None) | Q(tried_at__lt=clock.now() - FIRST_PAUSE)
    mine = Certificate.objects.filter(rested, pk=certificate.pk, kind=Certificate.Kind.ACME)
    may = mine.update(next_at=clock.now()) == 1
    if may:
        _ring(certificate)
    return may


@transaction.atomic
def bring(alias: Alias, *, chain: str, key: str) -> Certificate:
    """Take its owner's own one from now on. Raises pem.BadCertificate, and changes nothing then."""
    given = pem.read(chain, key)
    pem.check(given, alias.hostname, clock.now())
    certificate, _new = Certificate.objects.select_for_update().get_or_create(alias=alias)
    certificate.kind, certificate.next_at, certificate.error, certificate.attempts = Certificate.Kind.OWN, None, "", 0
    _keep(certificate, given)
    _ring(certificate)
    return certificate


@transaction.atomic
def give_back(certificate: Certificate) -> None:
    """Its owner's own one is not to be used any more: it serves on until Berth has got another."""
    values = {"kind": Certificate.Kind.ACME, "next_at": clock.now(), "attempts": 0, "error": ""}
    Certificate.objects.filter(pk=certificate.pk).update(**values)
    _ring(certificate)


def _ring(certificate: Certificate) -> None:
    transaction.on_commit(lambda: async_task("hosting.certificates.attend", certificate.pk, cluster="outside"))


# --- what workers do --------------------------------------------------------------------------------------------------
@once(LOCK)
def look_after() -> None:
    """Every minute: certificates that are due, and what the router has not heard yet."""
    if not settings.BERTH_TLS_PORT:
        return
    Challenge.objects.filter(created_at__lt=clock.now() - OLD_CHALLENGE).delete()
    try:
        mend()
        refresh_default()
    except (RouterError, OSError, pem.BadCertificate) as error:
        log.warning("certificates at the router: %s", error)
    for pk in Certificate.objects.filter(next_at__lte=clock.now()).order_by("next_at").values_list("pk", flat=True):
        attend(pk)


def attend(pk: int) -> None:
    """Get or renew one that is due, and let the router have what is new. Never raises for what others do."""
    if _claim(pk):
        _issue(Certificate.objects.select_related("alias").get(pk=pk))
    for certificate in Certificate.objects.select_related("alias__instance").filter(pk=pk, loaded_at=None):
        _load(certificate)


def _claim(pk: int) -> bool:
    """Whether it is due and nobody else's; the next attempt is set off at once."""
    now = clock.now()
    due = Certificate.objects.filter(pk=pk, kind=Certificate.Kind.ACME, next_at__lte=now)
    attempts = due.values_list("attempts", flat=True).first()
    if attempts is None:
        return False
    values = {"next_at": now + _pause(attempts), "attempts": F("attempts") + 1, "tried_at": now}
    return due.filter(attempts=attempts).update(**values) == 1


def _pause(attempts: int) -> timedelta:
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)


def _issue(certificate: Certificate) -> None:
    host = certificate.alias.hostname
    try:
        authority = Authority(settings.BERTH_ACME_DIRECTORY, settings.BERTH_ACME_CA_FILE)
        issued = authority.issue(_account(authority), host, _present)
        given = pem.read(issued.chain, issued.key)
        pem.check(given, host, clock.now())
    except (AcmeError, pem.BadCertificate) as error:
        _failed(certificate, error)
        return
    with transaction.atomic():
        row = Certificate.objects.select_for_update().filter(pk=certificate.pk, kind=Certificate.Kind.ACME).first()
        if row is None:  # removed meanwhile, or its owner brought one
            return
        row.attempts, row.error = 0, ""
        row.next_at = renewal(given.not_before, given.not_after)
        _keep(row, given)
    log.info("%s has a certificate of %s until %s", host, given.issuer, given.not_after)


def renewal(not_before: datetime, not_after: datetime) -> datetime:
    """At two thirds of its life, which leaves a third to mend what stands against it."""
    return not_before + (not_after - not_before) * 2 / 3


def _failed(certificate: Certificate, error: Exception) -> None:
    log.warning("no certificate for %s: %s", certificate.alias, error)
    values: dict[str, object] = {"error": str(error)}
    if isinstance(error, Unreachable):
        values |= {"next_at": clock.now() + AWAY_PAUSE, "attempts": F("attempts") - 1}
    if isinstance(error, RateLimited):
        values |= {"next_at": clock.now() + LIMITED_PAUSE}
    Certificate.objects.filter(pk=certificate.pk, kind=Certificate.Kind.ACME).update(**values)


def _account(authority: Authority) -> Account:
    """Ours at the authority, made at the first call. Raises AcmeError."""
    row = AcmeAccount.objects.filter(directory=authority.directory).first()
    if row is None:
        made = authority.register(settings.BERTH_ACME_MAIL)
        values = {"address": made.address, "key": made.key}
        row, _new = AcmeAccount.objects.get_or_create(directory=authority.directory, defaults=values)
    return Account(row.key, row.address)


def _present(token: str, answer: str) -> None:
    Challenge.objects.update_or_create(token=token, defaults={"answer": answer, "created_at": clock.now()})


def _keep(certificate: Certificate, given: pem.Read) -> None:
    """Write it down. The router has another one until `loaded_at` says so."""
    certificate.chain, certificate.key, certificate.issuer = given.chain, given.key, given.issuer
    certificate.not_before, certificate.not_after, certificate.loaded_at = given.not_before, given.not_after, None
    certificate.save()


def _load(certificate: Certificate) -> None:
    """Give it to the router; then visitors are sent to https. Where the router is down, it starts with it."""
    if not certificate.chain or not settings.BERTH_TLS_PORT:
        return
    try:
        machines.router().set_certificate(certificate.alias.hostname, certificate.chain + certificate.key)
    except RouterDown as error:
        log.warning("%s", error)
    except RouterError as error:
        log.warning("%s is not at the router yet: %s", certificate, error)
        return
    same = Certificate.objects.filter(pk=certificate.pk, chain=certificate.chain)
    if same.update(loaded_at=clock.now()) and certificate.alias.instance is not None:
        routing.apply(certificate.alias.instance)


def mend() -> None:
    """Make the running router agree with the rows. Raises RouterError."""
    loaded = machines.router().loaded_certificates()
    with_one = Certificate.objects.exclude(chain="").select_related("alias__instance")
    for certificate in with_one:
        if certificate.loaded_at is None or certificate.alias.hostname not in loaded:
            _load(certificate)
    for host in loaded - {certificate.alias.hostname for certificate in with_one}:
        machines.router().remove_certificate(host)
        log.info("took the certificate of %s off the router", host)


def forget(hostname: str) -> None:
    """Take it off the router, unless an address of that name is there."""
    if settings.BERTH_TLS_PORT and not Alias.objects.filter(hostname=hostname).exists():
        try:
            machines.router().remove_certificate(hostname)
        except RouterDown as error:
            log.warning("%s", error)


def write() -> None:
    """Write all of them for the router's next start or reload."""
    if settings.BERTH_TLS_PORT:
        rows = Certificate.objects.exclude(chain="").select_related("alias")
        machines.router().write_certificates({row.alias.hostname: row.chain + row.key for row in rows}, _default())
        rows.filter(loaded_at=None).update(loaded_at=clock.now())


def refresh_default() -> None:
    """The platform's own was renewed by whoever puts that file there. Raises OSError, BadCertificate, RouterError."""
    router, wanted = machines.router(), _default()
    if router.config.default_certificate.read_text() != wanted:
        router.set_default_certificate(wanted)
        log.info("the platform's own certificate was taken from %s", settings.BERTH_TLS_CERTIFICATE)


def _default() -> str:
    """The platform's own, as the operator gave it; else one that is self-signed, always the same."""
    if settings.BERTH_TLS_CERTIFICATE:
        chain, key = pem.split(Path(settings.BERTH_TLS_CERTIFICATE).read_text())
        return pem.read(chain, key).pem
    path = machines.router().config.default_certificate
    return path.read_text() if path.exists() else pem.self_signed(settings.BERTH_DOMAIN, clock.now()).pem
