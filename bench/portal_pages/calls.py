"""Times and queries of the API's list and detail calls."""

import secrets
from typing import Any

from django.db import transaction
from django.test import override_settings
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response

from bench.portal_pages.measuring import figures, measure
from bench.portal_pages.rows import fill
from deploy.bench import Figure
from portal.api.views import ApiView
from projects.models import Project
from tests.apis import Caller


def main() -> dict[str, Figure]:
    with transaction.atomic(), override_settings(ROOT_URLCONF=urls(), ALLOWED_HOSTS=["*"], BERTH_API_PER_MINUTE=10**9):
        alice, largest = fill(f"bench-{secrets.token_hex(3)}")
        caller, calls = Caller(alice), addresses(largest)
        found = figures(caller, calls, measure(caller, calls))
        transaction.set_rollback(True)
    return found


class Empty(ApiView):
    """What a view of the API costs that does nothing."""

    def get(self, _request: Request) -> Response:
        return Response({})


def urls() -> tuple[Any, ...]:
    return (path("bench-empty/", Empty.as_view()), path("", include("portal.urls")))


def addresses(project: Project) -> dict[str, str]:
    branch = project.branches.get(name="main")
    newest = branch.builds.latest("pk")
    home = f"/api/v1/projects/{project.slug}"
    build = f"{home}/builds/{newest.number}"
    return {
        "projects": "/api/v1/projects/",
        "project": f"{home}/",
        "branches": f"{home}/branches/",
        "branch": f"{home}/branches/{branch.pk}/",
        "branch_settings": f"{home}/branches/{branch.pk}/settings/",
        "builds": f"{home}/builds/",
        "build": f"{build}/",
        "steps": f"{build}/steps/",
        "step_log": f"{build}/steps/step_3/log/",
        "operation": f"{home}/operations/{newest.story_id}/",
        "members": f"{home}/members/",
        "audit": f"{home}/audit/",
        "tokens": "/api/v1/tokens/",
    }
