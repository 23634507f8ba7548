"""Custom domains of a branch, and their certificates."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hosting.models import Certificate
from portal.accounts import person
from portal.api.foretold import Foretelling, Foretold, foretold
from portal.api.operations import lists, reads, writes
from portal.api.views import ApiView
from portal.models import Scope
from projects import domaincertificates, domains
from projects.access import Tool, branch_or_404, domain_or_404
from projects.domainforms import LARGEST_FILE, LONGEST_INPUT
from projects.models import Domain


class CertificateRow(serializers.ModelSerializer[Certificate]):
    class Meta:
        model = Certificate
        fields = ("kind", "issuer", "not_before", "not_after", "loaded_at", "attempts", "next_at", "error")
        read_only_fields = fields


class SeenInDns(serializers.Serializer[Any]):
    """What the last check saw; empty before the first."""

    cnames = serializers.ListField(child=serializers.CharField(), required=False)
    texts = serializers.ListField(child=serializers.CharField(), required=False)
    addresses = serializers.ListField(child=serializers.CharField(), required=False)
    here = serializers.BooleanField(required=False, help_text="Whether visitors of the name come to Berth.")
    error = serializers.CharField(required=False)


class DomainRow(serializers.ModelSerializer[Domain]):
    cname = serializers.SerializerMethodField(help_text="What its CNAME has to say.")
    text_name = serializers.SerializerMethodField(help_text="Where a TXT record proves it too, and ...")
    text = serializers.SerializerMethodField(help_text="... what that has to say.")
    found = SeenInDns(read_only=True)
    url = serializers.CharField(source="alias.url", allow_null=True, default=None, read_only=True)
    certificate = CertificateRow(source="alias.certificate", allow_null=True, default=None, read_only=True)

    class Meta:
        model = Domain
        fields = (
            "id",
            "name",
            "cname",
            "text_name",
            "text",
            "proof",
            "proven_at",
            "parked",
            "found",
            "checked_at",
            "check_at",
            "url",
            "certificate",
            "created_at",
        )
        read_only_fields = fields

    def get_cname(self, domain: Domain) -> str:
        return domains.target(domain.project)

    def get_text_name(self, domain: Domain) -> str:
        return domains.text_name(domain)

    def get_text(self, domain: Domain) -> str:
        return domains.text(domain)


class NewDomain(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_INPUT, help_text="A host name, such as www.example.com.")


class Domains(ApiView):
    tag = "domains"

    @lists("list_domains", DomainRow)
    def get(self, request: Request, *, slug: str, pk: int) -> QuerySet[Domain]:
        """The custom domains of a branch."""
        _access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
        return branch.domains.select_related("project", "alias__certificate")

    @writes("add_domain", Scope.ADMIN, {201: DomainRow}, takes=NewDomain)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Claim a name for a branch. It leads there once DNS has proven it: see its `cname`."""
        access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
        added = domains.add(branch=branch, name=given["name"], by=person(request), manages=access.manages)
        return Response(_shown(added), status=201)


class OneDomain(ApiView):
    tag = "domains"

    @reads("show_domain", DomainRow)
    def get(self, request: Request, *, slug: str, pk: int, domain: int) -> Domain:
        """A custom domain, what DNS said of it last, and its certificate."""
        return domain_or_404(request, slug, pk, domain)[1]

    @writes("remove_domain", Scope.ADMIN, {204: None}, foretells=Foretold)
    def delete(self, request: Request, *, slug: str, pk: int, domain: int, given: dict[str, Any]) -> Response:
        """Remove a domain. Its route and certificate go with it."""
        _access, row = domain_or_404(request, slug, pk, domain)
        if given["dry_run"]:
            return Response(removal(row))
        domains.remove(domain=row, by=person(request))
        return Response(status=204)


def removal(domain: Domain) -> Foretelling:
    would, lost = [f"{domain} belongs to {domain.branch} no more; anybody who proves it may claim it."], []
    if domain.alias is not None and domain.alias.instance_id is not None:
        would += [f"Visitors of {domain} find nothing any more; {domains.target(domain.project)} serves on."]
    if domaincertificates.of(domain) is not None:
        lost = ["Its certificate: to have the domain back, it is proven and asked for anew."]
    return foretold(would, lost=lost, stays=["Its records in DNS, which you take out yourself."])


class CheckDomain(ApiView):
    tag = "domains"

    @writes("check_domain", Scope.DEPLOY, {202: DomainRow})
    def post(self, request: Request, *, slug: str, pk: int, domain: int) -> Response:
        """Ask DNS now. What it said is in `found` once `checked_at` has changed, mostly within seconds."""
        _access, row = domain_or_404(request, slug, pk, domain)
        domains.check_soon(row)
        return Response(_shown(row), status=202)


class NewCertificate(serializers.Serializer[Any]):
    chain = serializers.CharField(max_length=LARGEST_FILE, help_text="PEM: its own first, then those that issued it.")
    key = serializers.CharField(max_length=LARGEST_FILE, help_text="PEM, without a password.")


class DomainCertificate(ApiView):
    tag = "domains"

    @writes("bring_certificate", Scope.ADMIN, {200: DomainRow}, takes=NewCertificate)
    def put(self, request: Request, *, slug: str, pk: int, domain: int, given: dict[str, Any]) -> Response:
        """Use a certificate of your own from now on, which you renew yourself."""
        _access, row = domain_or_404(request, slug, pk, domain)
        domaincertificates.bring(domain=row, chain=given["chain"], key=given["key"], by=person(request))
        return Response(_shown(row))


class Renewed(serializers.Serializer[Any]):
    then = serializers.CharField(help_text="What follows, in words.")


class RenewCertificate(ApiView):
    tag = "domains"

    @writes("renew_certificate", Scope.ADMIN, {202: Renewed})
    def post(self, request: Request, *, slug: str, pk: int, domain: int) -> Response:
        """Ask the authority for a certificate now, also in place of your own one."""
        _access, row = domain_or_404(request, slug, pk, domain)
        certificate = domaincertificates.of(row)
        if certificate is None:
            raise Http404
        told = domaincertificates.renew(domain=row, certificate=certificate, by=person(request))
        return Response({"then": told}, status=202)


def _shown(domain: Domain) -> Any:
    return DomainRow(Domain.objects.select_related("project", "alias__certificate").get(pk=domain.pk)).data
