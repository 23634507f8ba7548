"""What all REST endpoints share: who calls, with what rights, refusals in GitHub's words, pages of lists."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakehub import shapes
from tests.fakehub.hub import Hub
from tests.fakehub.store import Account, Repository, Token

DOCS = "https://docs.github.com/rest"
Item = TypeVar("Item")


class Refusal(Exception):
    """An answer other than success, with GitHub's body for it."""

    def __init__(self, status: int, message: str, errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, list(errors)

    def response(self) -> Response:
        body: dict[str, Any] = {"message": self.message, "documentation_url": DOCS, "status": str(self.status)}
        if self.errors:
            body["errors"] = self.errors
        return JSONResponse(body, self.status)


class Moved(Exception):
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location

    def response(self) -> Response:
        body = {"message": "Moved Permanently", "url": self.location, "documentation_url": DOCS}
        return JSONResponse(body, 301, headers={"Location": self.location})


def not_found() -> Refusal:
    return Refusal(404, "Not Found")


def invalid(resource: str, field: str, code: str, message: str = "", summary: str = "Validation Failed") -> Refusal:
    """https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed"""
    error = {"resource": resource, "field": field, "code": code}
    return Refusal(422, summary, [{**error, "message": message} if message else error])


@dataclass(frozen=True)
class Call:
    """One API call. Its properties raise Refusal where the caller lacks what they stand for."""

    hub: Hub
    request: Request
    raw: bytes

    @cached_property
    def token(self) -> Token | None:
        value = presented_token(self.request.headers.get("authorization", ""))
        if not value:
            return None
        token = self.hub.store.first(Token, "value = ?", value)
        if not token:
            raise Refusal(401, "Bad credentials")
        return token

    @cached_property
    def reader(self) -> Account | None:
        return self.hub.account_by_id(self.token.account_id) if self.token else None

    @property
    def account(self) -> Account:
        if not self.reader:
            raise Refusal(401, "Requires authentication")
        return self.reader

    @cached_property
    def body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.raw or b"{}")
        except ValueError as error:
            raise Refusal(400, "Problems parsing JSON") from error
        if not isinstance(body, dict):
            raise Refusal(400, "Body should be a JSON object")
        return body

    def text(self, name: str, resource: str) -> str:
        """A member of the body that must be a non-empty string."""
        value = self.body.get(name)
        if value is None or value == "":
            raise invalid(resource, name, "missing_field")
        if not isinstance(value, str):
            raise invalid(resource, name, "invalid")
        return value

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def need_scope(self, *enough: str) -> None:
        """A token without the scope is told that there is nothing, as GitHub does it."""
        if self.token is None:
            raise Refusal(401, "Requires authentication")
        if not {"repo", *enough} & set(self.token.scopes.split(",")):
            raise not_found()

    def repository(self, right: str = "read", *scopes: str) -> Repository:
        """The repository of the address, for a caller with `right` and, where it is more than reading, a scope.

        What a caller may not see does not exist; what he sees and may not change is forbidden.
        """
        found = self._find_repository()
        has = shapes.RIGHTS[self.hub.permission(found, self.reader)]
        if not has or (found.private and self.token and "repo" not in self.token.scopes.split(",")):
            raise not_found()
        if right != "read":
            self.need_scope(*(scopes or ("public_repo",)))
            if has < shapes.RIGHTS[right]:
                raise Refusal(403, "Must have admin rights to Repository." if right == "admin" else "Forbidden")
        return found

    def _find_repository(self) -> Repository:
        parameters = self.request.path_params
        if "repository_id" in parameters:
            found = self.hub.store.first(Repository, "id = ?", parameters["repository_id"])
        else:
            found = self.hub.repository(parameters["owner"], parameters["repo"])
            moved = None if found else self.hub.moved_to(parameters["owner"], parameters["repo"])
            if moved:
                tail = "".join(f"/{part}" for part in self.request.url.path.split("/")[6:])
                raise Moved(f"{self.hub.api}/repositories/{moved.id}{tail}")
        if not found:
            raise not_found()
        return found


def presented_token(authorization: str) -> str:
    """The token of `token X`, `Bearer X` or basic authentication (as password, or alone as user)."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() in {"token", "bearer"}:
        return value.strip()
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "unreadable"
        return user if password in {"", "x-oauth-basic"} else password
    return ""


Endpoint = Callable[[Call], Response]


@dataclass(frozen=True)
class Address:
    """An API call's method, its path (below a repository's, or below the API's root), and what answers it."""

    method: str
    path: str
    endpoint: Endpoint

    def route(self, prefix: str = "") -> Route:
        return Route(prefix + self.path, self._answer, methods=[self.method], name=self.endpoint.__name__)

    async def _answer(self, request: Request) -> Response:
        """Refusals become answers here, and the faults that a test asked for happen."""
        call = Call(request.app.state.hub, request, await request.body())
        faults = call.hub.faults
        if faults.answers:
            return Refusal(faults.answers.pop(0), "Server Error").response()
        response = await run_in_threadpool(_guarded, self.endpoint, call)
        response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        return response


def _guarded(endpoint: Endpoint, call: Call) -> Response:
    try:
        token = call.token
        response = endpoint(call)
    except (Refusal, Moved) as answer:
        return answer.response()
    response.headers["X-OAuth-Scopes"] = shapes.scopes(token)
    return response


def json_answer(body: object, status: int = 200) -> Response:
    return JSONResponse(body, status)


def nothing(status: int = 204) -> Response:
    return Response(status_code=status)


def page(call: Call, items: Sequence[Item], shape: Callable[[Item], object]) -> Response:
    """One page of a list, with the Link header that leads to the others."""
    size = min(max(_number(call, "per_page", 30), 1), 100)
    number = max(_number(call, "page", 1), 1)
    last = max((len(items) + size - 1) // size, 1)
    response = json_answer([shape(item) for item in items[(number - 1) * size : number * size]])
    targets = {"next": number + 1, "last": last} if number < last else {}
    targets |= {"prev": number - 1, "first": 1} if number > 1 else {}
    links = [f'<{_address(call, page=target)}>; rel="{name}"' for name, target in targets.items()]
    if links:
        response.headers["Link"] = ", ".join(links)
    return response


def cursor_page(
    call: Call, items: Sequence[Item], key: Callable[[Item], int], shape: Callable[[Item], object]
) -> Response:
    """One page of a list whose pages are told by a cursor (the last id seen), newest first."""
    size = min(max(_number(call, "per_page", 30), 1), 100)
    cursor = _number(call, "cursor", 0)
    rest = [item for item in items if not cursor or key(item) < cursor]
    response = json_answer([shape(item) for item in rest[:size]])
    if len(rest) > size:
        response.headers["Link"] = f'<{_address(call, cursor=key(rest[size - 1]))}>; rel="next"'
    return response


def _number(call: Call, name: str, default: int) -> int:
    value = call.request.query_params.get(name, "")
    return int(value) if value.isdigit() else default


def _address(call: Call, **changed: int) -> str:
    query = {**call.request.query_params, **{name: str(value) for name, value in changed.items()}}
    return f"{call.hub.url}{call.request.url.path}?{urlencode(query)}"
