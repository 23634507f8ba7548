"""The certificate of a custom domain: tried again, brought, given back."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from builds.domainpages import domains_page
from portal.accounts import person
from portal.stories import ProjectError
from projects import domaincertificates
from projects.access import domain_or_404
from projects.domainforms import CertificateForm


@require_POST
def bring_certificate(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    """Their own, instead of one that Berth gets."""
    access, row = domain_or_404(request, slug, pk, domain)
    form, by = CertificateForm(request.POST, request.FILES), person(request)
    if row.alias is None:
        messages.error(request, f"{row} isn't proven yet. Nothing was changed; its certificate comes after that.")
        return redirect("branch-domains", slug=slug, pk=pk)
    if form.is_valid():
        try:
            brought = domaincertificates.bring(domain=row, by=by, **form.cleaned_data)
        except ProjectError as error:
            form.add_error("chain", error.in_words)
        else:
            messages.success(request, f"The certificate of {brought.issuer} is used for {row} from now on.")
            return redirect("branch-domains", slug=slug, pk=pk)
    return domains_page(request, access, row.branch, refused=(row, form))


@require_POST
def renew_certificate(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    """Try to get one now; instead of the one that was brought, where that is so."""
    _access, row = domain_or_404(request, slug, pk, domain)
    certificate = domaincertificates.of(row)
    if certificate is None:
        raise Http404
    try:
        told = domaincertificates.renew(domain=row, certificate=certificate, by=person(request))
    except ProjectError as error:
        messages.error(request, error.in_words)
    else:
        messages.success(request, told)
    return redirect("branch-domains", slug=slug, pk=pk)
