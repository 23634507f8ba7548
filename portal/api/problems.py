"""Errors of the API as RFC 9457 has them, `application/problem+json`: what was wrong, what was left, what to do."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.forms import BaseForm
from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import exception_handler

from portal.stories import PlatformError, StoryError

CONTENT_TYPE = "application/problem+json"
TITLES = {
    400: "The request can't be read as what it should be",
    401: "Nobody is known by this request",
    403: "This may not be done",
    404: "There is no such thing here",
    405: "Not with this method",
    406: "Not in this form",
    409: "It was refused",
    415: "Not in this form",
    422: "This key was used for something else",
    429: "Too many requests",
}
HIDDEN = "It is not there, or neither you nor this token may know of it."


class Mistake(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Of the field or parameter; `request`: of none alone.")
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """An error, as RFC 9457 has it."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="What was wrong.")
    status = serializers.IntegerField()
    detail = serializers.CharField(required=False, help_text="More of it, and what was left as it was.")
    remedy = serializers.CharField(required=False, help_text="What to do.")
    errors = Mistake(many=True, required=False)  # type: ignore[assignment]


class KeyReused(exceptions.APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = (
        "This Idempotency-Key was sent before with another method, address or body. Nothing was done now; what was "
        "done then stays. Take a new key for a new request."
    )


class CutOff(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = (
        "A request with this Idempotency-Key is under way, or was cut off: nobody knows how much of it was done. "
        "Nothing was done now. Wait a moment and look; then take a new key if it is still to be done."
    )


class Misfit(exceptions.ValidationError):
    """Values of the right form that don't fit what is there."""

    status_code = status.HTTP_409_CONFLICT


def misfit(form: BaseForm) -> Misfit:
    """What a form of the pages says to values."""
    return Misfit({name: [str(each) for each in found] for name, found in form.errors.items()})


def answer(error: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """What REST framework calls for an error in a view. None for what nobody foresaw: that is a 500."""
    if isinstance(error, StoryError):
        return refused(error)
    if isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError("The request is too large, or malformed.")
    if isinstance(error, DjangoValidationError):
        error = exceptions.ValidationError(as_serializer_error(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    code = response.status_code
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(code, "Refused"), "status": code}
    if isinstance(error, Http404):
        body["detail"] = HIDDEN
    elif isinstance(error, PermissionDenied):
        body["detail"] = str(error) or "You may not do this."
    elif isinstance(error, exceptions.ValidationError):
        body |= {"detail": "Nothing was changed. See `errors`.", "errors": _by_field(response.data)}
    else:
        body["detail"] = str(getattr(error, "detail", error))
    return _problem(body, dict(response.items()))


def refused(error: StoryError) -> Response:
    """What the pages say in a message: 409 where the person can mend it, 503 where the operator has to."""
    code = 503 if isinstance(error, PlatformError) else 409
    body = {"type": "about:blank", "title": error.title, "status": code}
    body |= {name: text for name, text in (("detail", error.detail), ("remedy", error.remedy)) if text}
    return _problem(body, {})


def _problem(body: dict[str, Any], headers: dict[str, str]) -> Response:
    headers.pop("Content-Type", None)
    return Response(_sayable(body), status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def _sayable(found: Any) -> Any:
    """With what was sent and can't be written, halves of characters, as question marks."""
    if isinstance(found, dict):
        return {name: _sayable(each) for name, each in found.items()}
    if isinstance(found, list):
        return [_sayable(each) for each in found]
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else found


def _by_field(found: Any) -> list[dict[str, str]]:
    """A list of `Mistake`."""
    by_name = found if isinstance(found, dict) else {"request": found}
    return [
        {"name": "request" if name in ("non_field_errors", "__all__") else name, "detail": text}
        for name, messages in by_name.items()
        for text in _flat(messages)
    ]


def _flat(messages: Any) -> list[str]:
    if isinstance(messages, dict):
        return [f"{name}: {each}" for name, inner in messages.items() for each in _flat(inner)]
    if isinstance(messages, list):
        return [text for each in messages for text in _flat(each)]
    return [str(messages)]
