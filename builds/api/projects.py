"""Projects: made of a repository, changed, deleted, brought back."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from builds import deletion, newproject, removal
from builds.api import foretelling
from builds.api.confirming import Confirmed
from portal.accounts import person
from portal.api.foretold import Foretold
from portal.api.operations import lists, reads, writes
from portal.api.problems import misfit
from portal.api.views import ApiView
from portal.models import Scope
from projects import connect, providers
from projects.access import (
    Tool,
    deleted_or_404,
    deleted_projects,
    project_or_404,
    require_whole_account,
    visible_projects,
)
from projects.api.rows import ProjectRow
from projects.forms import ProjectForm
from projects.models import SLUG, Project


class NewProject(serializers.Serializer[Any]):
    repository = serializers.RegexField(r"^[\w.-]+/[\w.-]+$", max_length=200, help_text="owner/name, at GitHub.")
    name = serializers.CharField(max_length=100, required=False, help_text="Else the repository's.")
    slug = serializers.RegexField(SLUG.regex, help_text="Its address, for good.")
    series = serializers.CharField(max_length=8, help_text="Of Odoo, such as 18.0.")
    code = serializers.CharField(max_length=60, required=False, help_text="Of a subscription; else it is a trial.")


class Begun(serializers.Serializer[Any]):
    project = ProjectRow()
    operation = serializers.IntegerField(allow_null=True, help_text="Production's build; null: there is none.")


class Projects(ApiView):
    tag = "projects"

    @lists("list_projects", ProjectRow)
    def get(self, request: Request) -> QuerySet[Project]:
        """The projects that you are a member of."""
        return visible_projects(request)

    @writes("make_project", Scope.ADMIN, {202: Begun}, takes=NewProject, outside=True)
    def post(self, request: Request, *, given: dict[str, Any]) -> Response:
        """Make a project of a repository that you may administer: its default branch becomes production."""
        require_whole_account(request)
        project, build = newproject.make(by=person(request), **({"name": ""} | given))
        return _begun(project, build.story_id if build else None)


class RepositoryRow(serializers.Serializer[Any]):
    full_name = serializers.CharField()
    default_branch = serializers.CharField()
    private = serializers.BooleanField()
    connected = serializers.BooleanField(help_text="Whether it has a project already.")


class Repositories(serializers.Serializer[Any]):
    repositories = RepositoryRow(many=True)
    error = serializers.CharField(help_text="Why GitHub did not say; empty: it did.")


class OwnRepositories(ApiView):
    tag = "projects"

    @reads("list_repositories", Repositories)
    def get(self, request: Request) -> dict[str, Any]:
        """The repositories that you may make a project of."""
        require_whole_account(request)
        try:
            found = connect.repositories(person(request))
        except providers.ProviderError as error:
            return {"repositories": [], "error": str(error)}
        taken = set(Project.objects.values_list("provider_id", flat=True))
        names = ("full_name", "default_branch", "private")
        rows = [
            {name: getattr(each, name) for name in names} | {"connected": each.provider_id in taken} for each in found
        ]
        return {"repositories": rows, "error": ""}


class ProjectChange(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ("name", "public", "time_zone", "backup_hour")
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            **{name: {"required": False} for name in fields},
            "time_zone": {"required": False, "validators": []},  # the form's
        }


class OneProject(ApiView):
    tag = "projects"

    @reads("show_project", ProjectRow)
    def get(self, request: Request, *, slug: str) -> Project:
        """A project."""
        access = project_or_404(request, slug, Tool.BUILDS)
        self.context = {"access": access}
        return access.project

    @writes("change_project", Scope.ADMIN, {200: ProjectRow}, takes=ProjectChange)
    def patch(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Change a project's settings: what isn't named stays."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        values = {name: getattr(project, name) for name in ProjectForm.Meta.fields} | given
        form = ProjectForm({name: value for name, value in values.items() if value is not False}, instance=project)
        if not form.is_valid():
            raise misfit(form)
        form.save_by(person(request))
        return Response(ProjectRow(Project.objects.get(pk=project.pk)).data)


class DeletedRow(serializers.ModelSerializer[Project]):
    days_left = serializers.IntegerField(read_only=True, help_text="Until what it has is removed.")
    closing = serializers.SerializerMethodField(help_text="Whether something of it still serves.")
    unproven = serializers.SerializerMethodField(
        help_text="Why what it has stays although its time is up: production's last backup isn't proven."
    )

    class Meta:
        model = Project
        fields = ("slug", "name", "repository", "deleted_at", "days_left", "closing", "unproven")
        read_only_fields = fields

    def get_closing(self, project: Project) -> bool:
        closes: bool | None = getattr(project, "closes", None)  # of a list
        return deletion.is_closing(project) if closes is None else closes

    def get_unproven(self, project: Project) -> list[str]:
        return [] if project.hours_left else removal.unproven_of(project)


class DeleteProject(ApiView):
    tag = "projects"

    @writes("delete_project", Scope.ADMIN, {202: DeletedRow}, takes=Confirmed, foretells=Foretold)
    def post(self, request: Request, *, slug: str, given: dict[str, Any]) -> Response:
        """Delete a project. It closes, and what it has is kept for a while, in which that can be undone."""
        project = project_or_404(request, slug, Tool.SETTINGS).project
        if given["dry_run"]:
            return Response(foretelling.delete_project(project))
        deletion.delete(project=project, typed=given.get("confirm", ""), by=person(request))
        return Response(DeletedRow(Project.objects.get(pk=project.pk)).data, status=202)


class DeletedProjects(ApiView):
    tag = "projects"

    @lists("list_deleted_projects", DeletedRow)
    def get(self, request: Request) -> QuerySet[Project]:
        """Deleted projects that you may bring back."""
        return deletion.with_closing(deleted_projects(request))


class OneDeletedProject(ApiView):
    tag = "projects"

    @reads("show_deleted_project", DeletedRow)
    def get(self, request: Request, *, slug: str) -> Project:
        """A deleted project: for how long it can be brought back."""
        return deleted_or_404(request, slug).project


class UndoDeletion(ApiView):
    tag = "projects"

    @writes("undo_deletion", Scope.ADMIN, {202: Begun})
    def post(self, request: Request, *, slug: str) -> Response:
        """Bring a deleted project back, with all that was in it. Production is deployed anew."""
        project = deleted_or_404(request, slug).project
        build = deletion.undo(project=project, by=person(request))
        return _begun(project, build.story_id if build else None)


def _begun(project: Project, operation: int | None) -> Response:
    shown = ProjectRow(Project.objects.get(pk=project.pk)).data
    return Response({"project": shown, "operation": operation}, status=202)
