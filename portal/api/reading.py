"""What a request says behind the question mark and in its body, checked: what nobody understood must not be ignored."""

import json
from typing import IO, Any, ClassVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request

Form = type[serializers.Serializer[Any]]

MOST = 100  # rows of a page
TYPES: dict[type[serializers.Field[Any, Any, Any, Any]], Any] = {
    serializers.CharField: str,
    serializers.ChoiceField: str,
    serializers.BooleanField: bool,
    serializers.IntegerField: int,
    serializers.FloatField: (int, float),
}


class Paged(serializers.Serializer[Any]):
    """Parameters of every list."""

    cursor = serializers.CharField(required=False, help_text="From `next` or `previous` of another page.")
    limit = serializers.IntegerField(min_value=1, max_value=MOST, required=False, default=30)


class DryRun(serializers.Serializer[Any]):
    """Of the dangerous ones."""

    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Say what would be done and lost, and do nothing."
    )


class Nothing(serializers.Serializer[Any]):
    """The body of an operation that takes none: empty, or an object without fields."""


class Json(JSONParser):
    """Also for what is nested more deeply than Python reads."""

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error


class Raw(BaseParser):
    """Bytes as they are. They are read by whom they are for, who knows how many there may be."""

    media_type = "application/octet-stream"
    described: ClassVar = {"type": "string", "format": "binary", "minLength": 1}

    def parse(self, stream: IO[Any], *_arguments: Any, **_named: Any) -> Any:
        return stream


def stream(request: Request) -> IO[bytes]:
    """Of a body that `Raw` takes. Raises ParseError where there is none."""
    found: Any = request.data
    if not hasattr(found, "read"):
        raise ParseError("There are no bytes in the body, or no Content-Length says how many. Nothing was changed.")
    return found  # type: ignore[no-any-return]


def query(request: Request, forms: tuple[Form, ...]) -> dict[str, Any]:
    """The parameters of an address. Raises ValidationError, also for those that the operation doesn't know."""
    given = dict(request.query_params.lists())
    known = {name for form in forms for name in form().fields}
    wrong = {name: ["Given twice."] for name, values in given.items() if len(values) > 1}
    wrong |= {name: ["This operation knows no such parameter."] for name in given.keys() - known}
    if wrong:
        raise ValidationError(wrong)
    return _checked(forms, {name: values[0] for name, values in given.items()})


def body(request: Request, form: Form) -> dict[str, Any]:
    """The values of a request's body. Raises ParseError, UnsupportedMediaType, and ValidationError, also for fields
    that the operation doesn't know.
    """
    if request.stream is None and request.read(1):  # of no stated length: REST framework takes it for none
        raise ParseError("Send the body in one piece, with a Content-Length. Nothing was done.")
    given = {} if isinstance(request.data, QueryDict) else request.data  # a form, which is an empty one
    if not isinstance(given, dict):
        raise ValidationError(f"Send a JSON object, not {json.dumps(given)[:40]}.")
    unknown = given.keys() - form().fields.keys()
    if unknown:
        raise ValidationError({name: ["This operation knows no such field."] for name in sorted(unknown)})
    wrong = {name: ["Of another type."] for name, value in given.items() if not _is_of(form().fields[name], value)}
    if wrong:
        raise ValidationError(wrong)
    return _checked((form,), given)


def _is_of(field: serializers.Field[Any, Any, Any, Any], value: Any) -> bool:
    """Whether a value has the field's type in JSON: REST framework would make text of numbers, and the reverse."""
    if value is None:
        return True  # the field itself says whether it may
    if isinstance(field, serializers.ListField):
        return isinstance(value, list) and all(_is_of(field.child, each) for each in value)
    for kind, types in TYPES.items():
        if isinstance(field, kind):
            return isinstance(value, types) and isinstance(value, bool) == (types is bool)
    return True


def _checked(forms: tuple[Form, ...], given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for form in forms:
        bound = form(data=given)
        bound.is_valid(raise_exception=True)
        found |= bound.validated_data
    return found
