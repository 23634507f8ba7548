"""The certificate of a custom domain: tried again, brought, given back."""

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from builds.domainpages import domain_or_404, domains_page
from hosting import certificates, pem
from hosting.models import Certificate
from portal import audit
from portal.models import User
from projects.domainforms import CertificateForm
from projects.models import Domain


@require_POST
def bring_certificate(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    """Their own, instead of one that Berth gets."""
    access, row = domain_or_404(request, slug, pk, domain)
    form = CertificateForm(request.POST, request.FILES)
    if row.alias is None:
        messages.error(request, f"{row} isn't proven yet. Nothing was changed; its certificate comes after that.")
        return redirect("branch-domains", slug=slug, pk=pk)
    if form.is_valid():
        try:
            brought = certificates.bring(row.alias, chain=form.cleaned_data["chain"], key=form.cleaned_data["key"])
        except pem.BadCertificate as error:
            form.add_error("chain", f"{error} Nothing was changed.")
        else:
            _record(request, row, "upload certificate", {"issuer": brought.issuer, "until": str(brought.not_after)})
            messages.success(request, f"The certificate of {brought.issuer} is used for {row} from now on.")
            return redirect("branch-domains", slug=slug, pk=pk)
    return domains_page(request, access, row.branch, refused=(row, form))


@require_POST
def renew_certificate(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    """Try to get one now; instead of the one that was brought, where that is so."""
    _access, row = domain_or_404(request, slug, pk, domain)
    certificate = _of(row)
    if certificate.kind == Certificate.Kind.OWN:
        certificates.give_back(certificate)
        _record(request, row, "let Berth get the certificate", {})
        messages.success(request, f"Berth gets a certificate for {row}; yours is used until it is there.")
    elif certificates.again(certificate):
        messages.info(request, f"A certificate for {row} is being asked for.")
    else:
        messages.error(request, "It was tried a moment ago, and authorities count. Try again in five minutes.")
    return redirect("branch-domains", slug=slug, pk=pk)


def _of(row: Domain) -> Certificate:
    found = Certificate.objects.filter(alias=row.alias_id).first() if row.alias_id else None
    if found is None:
        raise Http404
    return found


def _record(request: HttpRequest, row: Domain, verb: str, after: dict[str, str]) -> None:
    by = cast(User, request.user)
    audit.record(by=by, verb=verb, object=row.name, project_id=row.project_id, after=after)
