"""Looking at DNS: whether a claimed name is its claimant's, and whether it leads here. Done by workers alone."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings

from hosting import certificates
from hosting.models import Alias
from portal import alarms, clock
from portal.rounds import once
from portal.stories import ProjectError
from projects import domains, nameservers
from projects.models import Branch, Domain
from projects.nameservers import Found, NameServerError

log = logging.getLogger(__name__)

LOCK = 0x646F6D61696E  # any fixed number
LONGEST_TEXT, MOST_TEXTS = 200, 10  # of what is kept of other TXT records; ours has some 50 characters
AT_A_TIME = 50  # checks of a round
SOON, LATER, DAILY = timedelta(seconds=30), timedelta(minutes=10), timedelta(days=1)
WARNED, ALARM = timedelta(days=7), "certificate-"  # before it ends
EAGER, PATIENT = timedelta(hours=1), timedelta(days=14)  # since it was claimed


@once(LOCK)
def look_after() -> None:
    """Twice a minute: names whose check is due, and addresses that lead elsewhere than the rows say."""
    for domain in Domain.objects.exclude(project__removed_at=None).select_related("alias", "branch"):
        domains.remove(domain=domain, by=None)
    Alias.objects.filter(domain=None).delete()  # the router hears of it from its reconciler
    for branch in Branch.objects.filter(domains__alias__isnull=False).distinct():
        domains.lead(branch)
    warn_of_expiry()
    for domain in Domain.objects.filter(check_at__lte=clock.now()).order_by("check_at")[:AT_A_TIME]:
        check(domain)


def warn_of_expiry() -> None:
    """An alarm for each certificate that nobody renewed: whoever brought it, or the authority that refuses to."""
    soon = Domain.objects.filter(alias__certificate__not_after__lt=clock.now() + WARNED)
    expiring = {f"{ALARM}{domain.pk}": domain for domain in soon.select_related("alias__certificate")}
    for key, domain in expiring.items():
        assert domain.alias is not None
        certificate = domain.alias.certificate
        detail = f"It is valid until {certificate.not_after:%-d %B %Y, %H:%M} UTC. {certificate.error}".strip()
        alarms.begin(key, f"The certificate of {domain} ends soon", detail, project_id=domain.project_id)
    for alarm in alarms.going_on().filter(key__startswith=ALARM).exclude(key__in=expiring):
        alarms.end(alarm.key)


def check_now(pk: int) -> None:
    """Somebody waits for it on the page."""
    for domain in Domain.objects.filter(pk=pk):
        check(domain)


def check(domain: Domain) -> None:
    """Ask DNS, write down what it says, and prove the domain where it says so. Never raises for what DNS says."""
    found = ask(domain)
    if domain.proven_at is None:
        found |= _judge(domain, found)
    proven = Domain.objects.select_related("alias").filter(pk=domain.pk).exclude(proven_at=None).first()
    if proven is not None and proven.alias is not None and found.get("here"):
        certificates.want(proven.alias)  # an authority sees what we see: before that it would be asked in vain
    now = clock.now()
    check_at = _next(domain) if proven is None else now + (DAILY if found.get("here") else LATER)
    Domain.objects.filter(pk=domain.pk).update(found=found, checked_at=now, check_at=check_at)


def ask(domain: Domain) -> dict[str, Any]:
    """What DNS says, as the page shows it: `here` is whether visitors of the name come to this installation."""
    target, server = domains.target(domain.project), settings.BERTH_RESOLVER
    try:
        found = nameservers.look_up(domain.name, text_name=domains.text_name(domain), server=server)
        ours = nameservers.addresses(target, server=server)
    except NameServerError as error:
        return {"error": str(error)}
    here = target in found.cnames or bool(set(found.addresses) & set(ours))
    texts = [text[:LONGEST_TEXT] for text in found.texts[:MOST_TEXTS]]
    return {"cnames": found.cnames, "texts": texts, "addresses": found.addresses, "here": here}


def _judge(domain: Domain, found: dict[str, Any]) -> dict[str, str]:
    """Prove it where DNS does; what stands against it else."""
    seen = Found(cnames=found.get("cnames", ()), texts=found.get("texts", ()))
    proof = proof_in(domain, seen)
    if proof is None:
        return {}
    try:
        domains.prove(domain, proof)
    except ProjectError as error:
        return {"error": f"{error.title}. {error.remedy}"}
    log.info("%s is proven to be a domain of %s, by %s", domain, domain.project.slug, proof.label)
    return {}


def proof_in(domain: Domain, found: Found) -> Domain.Proof | None:
    if domains.target(domain.project) in found.cnames:
        return Domain.Proof.CNAME
    if domains.text(domain) in found.texts:
        return Domain.Proof.TXT
    return None


def _next(domain: Domain) -> Any:
    """A claim that nobody proves is looked at ever more rarely, and then only when somebody asks."""
    now, age = clock.now(), clock.now() - domain.created_at
    if age > PATIENT:
        return None
    return now + (SOON if age < EAGER else LATER)
