"""The stand-in's addresses: GitHub's own for OAuth, Git and pages, GitHub Enterprise's `/api/v3` for REST."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from tests.fakehub import api_accounts, api_changes, api_commits, api_hooks, api_repositories, oauth, pages, smart_http
from tests.fakehub.hub import Hub
from tests.fakehub.rest import not_found

API = "/api/v3"
UNDER_A_REPOSITORY = [
    *api_repositories.REPOSITORY_ADDRESSES,
    *api_hooks.REPOSITORY_ADDRESSES,
    *api_commits.REPOSITORY_ADDRESSES,
    *api_changes.REPOSITORY_ADDRESSES,
]


def _api_missing(_request: Request) -> Response:
    return not_found().response()


def api_routes() -> list[BaseRoute]:
    """Every REST address, without `/api/v3`. A repository also answers by its id, where a former name leads."""
    plain = [address.route() for address in [*api_accounts.ADDRESSES, *api_repositories.ADDRESSES]]
    named = [address.route("/repos/{owner}/{repo}") for address in UNDER_A_REPOSITORY]
    numbered = [address.route("/repositories/{repository_id:int}") for address in UNDER_A_REPOSITORY]
    return [*plain, *named, *numbered]


def make_app(hub: Hub) -> Starlette:
    anything_else = Route("/{path:path}", _api_missing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    routes: list[BaseRoute] = [
        Mount(API, routes=[*api_routes(), anything_else]),
        *oauth.ROUTES,
        *smart_http.ROUTES,
        *pages.ROUTES,
    ]
    app = Starlette(routes=routes, exception_handlers={404: lambda request, _error: pages.missing(request)})
    app.state.hub = hub
    return app
