"""The certificate of a custom domain: brought by its owner, or asked for again."""

from django.db import transaction

from hosting import certificates, pem
from hosting.models import Certificate
from portal import audit
from portal.models import User
from portal.stories import ProjectError
from projects.models import Domain


@transaction.atomic
def bring(*, domain: Domain, chain: str, key: str, by: User) -> Certificate:
    """Use their own one from now on, instead of one that Berth gets. Raises ProjectError, and changes nothing then."""
    if domain.alias is None:
        raise ProjectError(
            f"{domain} isn't proven yet", "Nothing was changed.", "Let DNS say so first; its certificate comes then."
        )
    try:
        brought = certificates.bring(domain.alias, chain=chain, key=key)
    except pem.BadCertificate as error:
        raise ProjectError(str(error), "Nothing was changed.") from error
    _record(domain, "upload certificate", by, {"issuer": brought.issuer, "until": str(brought.not_after)})
    return brought


@transaction.atomic
def renew(*, domain: Domain, certificate: Certificate, by: User) -> str:
    """Try to get one now; instead of the one that was brought, where that is so. Says what will be.

    Raises ProjectError where the last try is too young.
    """
    if certificate.kind == Certificate.Kind.OWN:
        certificates.give_back(certificate)
        _record(domain, "let Berth get the certificate", by, {})
        return f"Berth gets a certificate for {domain}; yours is used until it is there."
    if not certificates.again(certificate):
        raise ProjectError("It was tried a moment ago, and authorities count", "", "Try again in five minutes.")
    return f"A certificate for {domain} is being asked for."


def of(domain: Domain) -> Certificate | None:
    return Certificate.objects.filter(alias=domain.alias_id).first() if domain.alias_id else None


def _record(domain: Domain, verb: str, by: User, after: dict[str, str]) -> None:
    audit.record(by=by, verb=verb, object=domain.name, project_id=domain.project_id, after=after)
