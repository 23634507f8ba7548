"""How a view says what its method is: `@reads`, `@lists`, `@writes`, `@sends`. One declaration serves the check of the
request, the token's scope, the schema and the test that walks all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api import idempotency, reading
from portal.api.paging import Pages
from portal.api.problems import CONTENT_TYPE, Problem
from portal.api.reading import DryRun, Form, Paged
from portal.models import ApiToken, Scope

Handler = Callable[..., Any]
ALWAYS = (400, 401, 403, 404, 406, 429)
OF_WRITES = (409, 415, 422, 503)
KEY = OpenApiParameter(
    idempotency.HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="A name for this request: sent again within 24 h, it is not done again but answered as before.",
    pattern=r"^[\x21-\x7e]{1,200}$",
)


@dataclass(frozen=True)
class Operation:
    """What a method of a view is, for the tests."""

    name: str
    scope: Scope


def reads(name: str, answers: Any, *, query: Form | None = None) -> Callable[[Handler], Handler]:
    """A GET. The handler gets the parameters of `query` as `given`, where it has any.

    It returns what `answers` serializes, or a response.
    """
    forms = (query,) if query else ()

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(view: Any, request: Request, **at: Any) -> HttpResponseBase:
            given = {"given": reading.query(request, forms)}
            found = handler(view, request, **at, **(given if query else {}))
            return found if isinstance(found, HttpResponseBase) else Response(answers(found, context=view.context).data)

        return _described(wrapped, Operation(name, Scope.READ), forms, {200: answers}, ALWAYS)

    return wrap


def lists(name: str, row: Form, *, query: Form | None = None) -> Callable[[Handler], Handler]:
    """A GET of rows. The handler returns the query, of which a page is answered."""
    forms = (Paged, query) if query else (Paged,)

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(view: Any, request: Request, **at: Any) -> Response:
            given = {"given": reading.query(request, forms)}
            rows: QuerySet[Any] = handler(view, request, **at, **(given if query else {}))
            pages = Pages()
            page = pages.paginate_queryset(rows, request, view)
            return pages.get_paginated_response(row(page, many=True, context=view.context).data)

        return _described(wrapped, Operation(name, Scope.READ), forms, {200: row(many=True)}, ALWAYS)

    return wrap


def writes(
    name: str,
    scope: Scope,
    answers: dict[int, Any],
    *,
    takes: Form | None = None,
    foretells: Form | None = None,
    hidden: str = "",
    outside: bool = False,
) -> Callable[[Handler], Handler]:
    """A POST, PATCH or DELETE, which a token of `scope` may use. The handler gets the values of the body that it
    `takes` as `given`, and returns a response. One that takes nothing refuses a body that says something.

    One that `foretells` knows `?dry_run=1`, which is in `given` then; it returns the answer to that, and does nothing.
    `hidden` names a secret in the answer. `outside`: it asks a server outside, such as GitHub.
    """
    forms = (DryRun,) if foretells else ()
    responses = answers | ({200: foretells} if foretells else {})

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(view: Any, request: Request, **at: Any) -> Response:
            require(request, scope)
            asked = reading.query(request, forms)

            def work() -> Response:
                given = reading.body(request, takes or reading.Nothing) | asked
                found: Response = handler(view, request, **at, **({"given": given} if takes or foretells else {}))
                return found

            if asked.get("dry_run"):
                idempotency.key_of(request)  # refused as it will be when it is meant
                return work()
            return idempotency.once(request, token_of(request), work, hidden=hidden, outside=outside)

        parameters = (*forms, KEY)
        return _described(wrapped, Operation(name, scope), parameters, responses, ALWAYS + OF_WRITES, takes)

    return wrap


def sends(name: str, scope: Scope, answers: Any, *, query: Form) -> Callable[[Handler], Handler]:
    """A POST of bytes as they are, in a view whose parser is `reading.Raw`. The handler gets the parameters of `query`
    as `given`, and a `stream`; it returns what `answers` serializes.

    It knows no Idempotency-Key, which would have all of the bytes read and hashed: it has to be one that does nothing
    when it is sent twice.
    """

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(view: Any, request: Request, **at: Any) -> Response:
            require(request, scope)
            given = reading.query(request, (query,))
            return Response(answers(handler(view, request, **at, given=given, stream=reading.stream(request))).data)

        takes = {reading.Raw.media_type: reading.Raw.described}
        problems = (*ALWAYS, 409, 415, 503)
        return _described(wrapped, Operation(name, scope), (query,), {200: answers}, problems, takes)

    return wrap


def require(request: Request, scope: Scope) -> None:
    """Raises PermissionDenied where the token is not for this."""
    token = token_of(request)
    if not Scope(token.scope).covers(scope):
        raise PermissionDenied(
            f"This token's scope is {token.scope!r}, and this needs {scope.value!r}. Nothing was done. Make a token "
            "with that scope under Account, API tokens."
        )


def token_of(request: Request) -> ApiToken:
    token = request.auth
    assert isinstance(token, ApiToken)
    return token


def _described(
    handler: Handler,
    operation: Operation,
    parameters: tuple[Any, ...],
    answers: dict[int, Any],
    problems: tuple[int, ...],
    takes: Form | dict[str, Any] | None = None,
) -> Handler:
    responses = dict(answers)
    responses |= {(code, CONTENT_TYPE): Problem for code in problems}
    described: Handler = extend_schema(
        operation_id=operation.name, parameters=list(parameters), request=takes, responses=responses
    )(handler)
    described.operation = operation  # type: ignore[attr-defined]
    return described
