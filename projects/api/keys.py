"""Deploy keys, by which builds fetch private submodules."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.accounts import person
from portal.api.operations import lists, reads, writes
from portal.api.views import ApiView
from portal.models import Scope
from projects import deploykeys
from projects.access import Tool, project_or_404
from projects.keypairs import fingerprint, host_fingerprints
from projects.models import DeployKey


class DeployKeyRow(serializers.ModelSerializer[DeployKey]):
    """A key pair for one submodule, but for its private half, which never leaves Berth."""

    fingerprint = serializers.SerializerMethodField()
    hosts = serializers.SerializerMethodField(help_text="The server's keys, pinned at the first use.")
    at_provider = serializers.SerializerMethodField(help_text="Whether Berth may install it, with your rights there.")
    installed = serializers.SerializerMethodField(help_text="By Berth. What was installed by hand it doesn't know.")
    stale = serializers.SerializerMethodField(help_text="Whether one from before a rotation is still installed.")

    class Meta:
        model = DeployKey
        fields = (
            "id",
            "url",
            "kind",
            "public",
            "fingerprint",
            "hosts",
            "at_provider",
            "installed",
            "stale",
            "used_at",
            "failed_at",
            "error",
            "created_at",
        )
        read_only_fields = fields

    def get_fingerprint(self, key: DeployKey) -> str:
        return fingerprint(key.public)

    def get_hosts(self, key: DeployKey) -> list[str]:
        return host_fingerprints(key.known_hosts)

    def get_at_provider(self, key: DeployKey) -> bool:
        return deploykeys.is_at_provider(key)

    def get_installed(self, key: DeployKey) -> bool:
        return bool(key.provider_key)

    def get_stale(self, key: DeployKey) -> bool:
        return bool(key.stale_key)


class NewKey(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500, help_text="As .gitmodules has it: git@github.com:owner/name.git")
    kind = serializers.ChoiceField(choices=DeployKey.Kind.choices, required=False, default=DeployKey.Kind.ED25519)


class LeftToDo(serializers.Serializer[Any]):
    left = serializers.CharField(help_text="What is left for you to do at the provider; empty: nothing.")


class ChangedKey(LeftToDo):
    key = DeployKeyRow()


class DeployKeys(ApiView):
    tag = "submodules"

    @lists("list_deploy_keys", DeployKeyRow)
    def get(self, request: Request, *, slug: str) -> QuerySet[DeployKey]:
        """The keys of a project's private submodules, each with its last use."""
        return project_or_404(request, slug, Tool.SETTINGS).project.deploy_keys.all()

    @writes("add_deploy_key", Scope.ADMIN, {201: DeployKeyRow}, takes=NewKey)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Make a key pair for the SSH address of a submodule. Its public half is to be installed there."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        kind = DeployKey.Kind(given["kind"])
        key = deploykeys.add(project=project, url=given["url"], kind=kind, by=person(request))
        return Response(DeployKeyRow(key).data, status=201)


class OneDeployKey(ApiView):
    tag = "submodules"

    @reads("show_deploy_key", DeployKeyRow)
    def get(self, request: Request, *, slug: str, pk: int) -> DeployKey:
        """A deploy key."""
        return _key_or_404(request, slug, pk)

    @writes("remove_deploy_key", Scope.ADMIN, {200: LeftToDo}, outside=True)
    def delete(self, request: Request, *, slug: str, pk: int) -> Response:
        """Forget a key, and remove it at the provider where Berth installed it. Builds can't fetch that submodule."""
        return Response({"left": deploykeys.remove(key=_key_or_404(request, slug, pk), by=person(request))})


class RotateKey(ApiView):
    tag = "submodules"

    @writes("rotate_deploy_key", Scope.ADMIN, {200: ChangedKey}, outside=True)
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Make a new pair in place of the old one, which is used no more; install it where the old one was."""
        key = _key_or_404(request, slug, pk)
        return _changed(key, deploykeys.renew(key=key, by=person(request)))


class InstallKey(ApiView):
    tag = "submodules"

    @writes("install_deploy_key", Scope.ADMIN, {200: ChangedKey}, outside=True)
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Install the public half at the provider, for reading alone, with your own rights there."""
        key = _key_or_404(request, slug, pk)
        return _changed(key, deploykeys.install(key=key, by=person(request)))


class ForgetHost(ApiView):
    tag = "submodules"

    @writes("forget_host_key", Scope.ADMIN, {200: DeployKeyRow})
    def post(self, request: Request, *, slug: str, pk: int) -> Response:
        """Let the next use pin the server's key anew: only where you know that it was changed there."""
        key = _key_or_404(request, slug, pk)
        deploykeys.forget_host(key=key, by=person(request))
        return Response(DeployKeyRow(key).data)


def _changed(key: DeployKey, left: str) -> Response:
    return Response({"key": DeployKeyRow(key).data, "left": left})


def _key_or_404(request: Request, slug: str, pk: int) -> DeployKey:
    project = project_or_404(request, slug, Tool.SETTINGS).project
    return get_object_or_404(project.deploy_keys.select_related("project"), pk=pk)
