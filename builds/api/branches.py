"""Branches moved between stages and merged; their settings and size."""

from typing import Any

from django.db.models import Model
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from builds import merging, resize, stages
from builds.api import foretelling
from builds.api.confirming import confirm
from builds.api.operations import FOLLOWED, accepted
from builds.api.rows import BIGGEST, BranchSettings, ShownSettings
from builds.models import Retired
from portal.accounts import person
from portal.api.foretold import Foretold
from portal.api.operations import reads, writes
from portal.api.problems import Misfit, misfit
from portal.api.views import ApiView
from portal.models import Scope
from projects.access import Tool, branch_or_404
from projects.api.rows import BranchRow
from projects.branchforms import SizeForm, branch_form
from projects.models import Branch, Stage


class NewStage(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=Stage.choices)
    attach = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, required=False, help_text="A retired database that production goes on with."
    )
    confirm = serializers.CharField(
        required=False, help_text="The branch's name, where production's database is retired by it."
    )


class Moved(serializers.Serializer[Any]):
    branch = BranchRow()
    operation = serializers.IntegerField(allow_null=True, help_text="What goes on from there; null: nothing.")


class Move(ApiView):
    tag = "branches"

    @writes("move_branch", Scope.ADMIN, {202: Moved}, takes=NewStage, foretells=Foretold)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Put a branch on another stage. Retiring production takes the operation that is answered."""
        access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
        stage = Stage(given["stage"])
        access.require(Tool.BRANCH_SETTINGS, stage)
        attach = _retired(given, branch)
        if given["dry_run"]:
            return Response(foretelling.move(branch, stage, attach))
        if stage != branch.stage == Stage.PRODUCTION and branch.instance is not None:
            confirm(given, branch.name)
        story = stages.move(branch=branch, stage=stage, by=person(request), attach=attach)
        moved = Branch.objects.select_related("instance").get(pk=branch.pk)
        return Response({"branch": BranchRow(moved).data, "operation": story.pk if story else None}, status=202)


def _retired(given: dict[str, Any], branch: Branch) -> Retired | None:
    """Raises Misfit where one is named that isn't there."""
    if given.get("attach") is None or given["stage"] != Stage.PRODUCTION:
        return None
    found = Retired.objects.there().filter(project=branch.project_id, pk=given["attach"]).first()
    if found is None:
        raise Misfit({"attach": ["The project has no such retired database."]})
    return found


class IntoBranch(serializers.Serializer[Any]):
    into = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, help_text="The id of the branch that gets the commits of this one."
    )


class Merged(serializers.Serializer[Any]):
    commit = serializers.CharField(allow_null=True, help_text="The merge; null: there was nothing to merge.")
    then = serializers.CharField(help_text="What follows: as of any push, once the Git server tells of it.")


class Merge(ApiView):
    tag = "branches"

    @writes("merge_branch", Scope.ADMIN, {202: Merged}, takes=IntoBranch, foretells=Foretold, outside=True)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Merge a branch into another at the Git server, in your name there. The role is asked on the other's stage."""
        access, branch = branch_or_404(request, slug, pk, Tool.HISTORY)
        into = access.project.branches.alive().filter(pk=given["into"]).first()
        if into is None:
            raise Misfit({"into": ["The project has no such branch."]})
        access.require(Tool.BRANCH_SETTINGS, into.stage)
        if given["dry_run"]:
            return Response(foretelling.merge(branch, into))
        commit = merging.merge(branch=branch, into=into, by=person(request))
        then = merging.after_push(into) if commit else "The other branch has all of these commits already."
        return Response(Merged({"commit": commit, "then": then}).data, status=202)


class Settings(ApiView):
    tag = "branches"

    @reads("show_branch_settings", ShownSettings)
    def get(self, request: Request, *, slug: str, pk: int) -> Branch:
        """The settings of a branch."""
        return branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)[1]

    @writes("change_branch_settings", Scope.ADMIN, {200: ShownSettings}, takes=BranchSettings)
    def patch(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Change settings of a branch: what isn't named stays. Most take effect with the next deploy."""
        _access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
        shown = branch_form(branch)
        if idle := given.keys() - shown.fields.keys():
            raise Misfit({name: [f"It does nothing on {branch.stage}."] for name in sorted(idle)})
        form = branch_form(branch, _as_filled_in({name: getattr(branch, name) for name in shown.fields} | given))
        if not form.is_valid():
            raise misfit(form)
        form.save_by(person(request))
        return Response(ShownSettings(Branch.objects.get(pk=branch.pk)).data)


def _as_filled_in(values: dict[str, Any]) -> dict[str, Any]:
    """As a browser sends them: no box that isn't ticked, and a list with spaces between."""
    plain = {name: value.pk if isinstance(value, Model) else value for name, value in values.items()}
    ticked = {name: value for name, value in plain.items() if value is not False}
    return {name: " ".join(value) if isinstance(value, list) else value for name, value in ticked.items()}


class Size(serializers.ModelSerializer[Branch]):
    cpus = serializers.FloatField(required=False, allow_null=True, min_value=0.1, max_value=999, help_text="Cores.")
    insist = serializers.BooleanField(
        required=False, default=False, help_text="Also where it is less memory than this series of Odoo needs."
    )

    class Meta:
        model = Branch
        fields = ("memory_mb", "cpus", "insist")
        extra_kwargs = {"memory_mb": {"required": True}}


class Resize(ApiView):
    tag = "branches"

    @writes("resize_branch", Scope.ADMIN, FOLLOWED, takes=Size)
    def post(self, request: Request, *, slug: str, pk: int, given: dict[str, Any]) -> Response:
        """Change memory and cores of the running containers, at once."""
        _access, branch = branch_or_404(request, slug, pk, Tool.BRANCH_SETTINGS)
        values = {"cpus": branch.cpus} | given
        form = SizeForm(_as_filled_in(values), instance=Branch.objects.select_related("project").get(pk=branch.pk))
        if not form.is_valid():
            raise misfit(form)
        wish = resize.ask(branch=branch, size=form.instance, by=person(request))
        return accepted(request, slug, wish.story)
