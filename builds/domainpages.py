"""A branch's custom domains: what DNS has to say, what it says, and what is done then."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from builds.branchframe import branch_context, sidebar
from hosting.models import Certificate
from portal import clock
from portal.accounts import person
from portal.live import respond
from portal.stories import ProjectError
from projects import domainnames, domains
from projects.access import Access, Tool, branch_or_404, domain_or_404
from projects.domainforms import CertificateForm, DomainForm
from projects.models import Branch, Domain

SOON, LATER = 3, 20  # seconds between polls while DNS or a certificate is awaited, and while neither is
FRESH = timedelta(hours=1)  # a claim whose owner may be waiting at the page


@require_http_methods(["GET", "POST"])
def branch_domains(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
    form = DomainForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = domains.add(
                branch=branch, name=form.cleaned_data["name"], by=person(request), manages=access.manages
            )
        except ProjectError as error:
            form.add_error("name", error.in_words)
        else:
            messages.success(request, f"{added} was added. Now let DNS say so; this page looks at it for you.")
            return redirect("branch-domains", slug=slug, pk=pk)
    return domains_page(request, access, branch, form=form)


def domains_page(
    request: HttpRequest,
    access: Access,
    branch: Branch,
    *,
    form: DomainForm | None = None,
    refused: tuple[Domain, CertificateForm] | None = None,
) -> HttpResponse:
    """`refused` is a certificate that was sent for a domain, and what was wrong with it."""
    rows = list(branch.domains.select_related("alias__certificate").order_by("name"))
    shown = [_shown(row) for row in rows]
    context: dict[str, Any] = branch_context(access, branch, "settings") | sidebar(access, "", branch)
    context |= {"form": form or DomainForm(), "target": domains.target(access.project), "domains": shown}
    context |= {"title": f"Domains · {branch} · {access.project}", "tls": settings.BERTH_TLS_PORT}
    context |= {"proven": [row for row in rows if row.alias_id], "refused": refused and refused[0]}
    context["certificate_form"] = refused[1] if refused else CertificateForm()
    return respond(request, "builds/branch_domains.html", context, every=SOON if _awaited(shown) else LATER)


def _shown(domain: Domain) -> dict[str, Any]:
    """A domain with what its page needs besides the row."""
    certificate: Certificate | None = getattr(domain.alias, "certificate", None)
    return {
        "row": domain,
        "unicode": domainnames.shown(domain.name),
        "text_name": domains.text_name(domain),
        "text": domains.text(domain),
        "serves": bool(domain.alias and domain.alias.instance_id),
        "url": domain.alias.url if domain.alias else "",
        "certificate": certificate,
        "expired": bool(certificate and certificate.not_after and certificate.not_after < clock.now()),
    }


def _awaited(shown: list[dict[str, Any]]) -> bool:
    """Whether something is about to change that somebody may be waiting for."""
    fresh = clock.now() - FRESH
    return any(
        each["row"].proven_at is None
        and each["row"].created_at > fresh
        or each["certificate"]
        and each["certificate"].loaded_at is None
        and not each["certificate"].error
        for each in shown
    )


@require_POST
def check_domain(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    domains.check_soon(domain_or_404(request, slug, pk, domain)[1])
    return redirect("branch-domains", slug=slug, pk=pk)


@require_POST
def remove_domain(request: HttpRequest, slug: str, pk: int, domain: int) -> HttpResponse:
    _access, row = domain_or_404(request, slug, pk, domain)
    domains.remove(domain=row, by=person(request))
    messages.success(request, f"{row.name} was removed. It leads nowhere from now on; take its records out of DNS.")
    return redirect("branch-domains", slug=slug, pk=pk)
