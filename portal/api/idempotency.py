"""`Idempotency-Key`: a write that is sent twice, as its answer was lost, is done once.

The row with the key is written in the transaction that does the work. So a process that dies leaves neither, and a
second request with the same key waits for the end of the first. What was refused changed nothing, and leaves the key
free.

Work that asks a server outside, such as GitHub, is in no transaction: its locks would be held for as long as that
server takes, and what was done there can't be undone. The row is written first; who finds it without an answer is
refused, as nobody knows how far the first request came.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import nullcontext

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.http import Http404
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.problems import CutOff, KeyReused
from portal.models import Answered, ApiToken
from portal.stories import ProjectError

HEADER = "Idempotency-Key"
REFUSALS = (ProjectError, APIException, Http404, PermissionDenied, DjangoValidationError)  # nothing was done
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def once(
    request: Request, token: ApiToken, work: Callable[[], Response], *, hidden: str = "", outside: bool = False
) -> Response:
    """Do the work, unless its key says that it was done: then answer as it was answered. Raises KeyReused, CutOff,
    ValidationError.

    `hidden` names what of the answer is a secret, and stored nowhere. `outside`: a server outside is asked.
    """
    key = key_of(request)
    if key is None:
        return work()
    wanted = _hash(request)
    with nullcontext() if outside else transaction.atomic():
        Answered.objects.outdated().filter(token=token, key=key).delete()
        row, new = Answered.objects.get_or_create(token=token, key=key, defaults={"request_hash": wanted})
        if not new:
            return _again(row, wanted)
        response = _claimed(row, work) if outside else work()
        row.status, row.answer = response.status_code, response.data
        if hidden:
            row.answer = {**response.data, hidden: None}
        row.save(update_fields=["status", "answer"])
    return response


def key_of(request: Request) -> str | None:
    """Raises ValidationError for one that can't be."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise ValidationError({HEADER: ["1 to 200 visible ASCII characters, such as a UUID."]})
    return key


def _claimed(row: Answered, work: Callable[[], Response]) -> Response:
    try:
        return work()
    except REFUSALS:
        row.delete()
        raise


def _again(row: Answered, wanted: str) -> Response:
    if row.request_hash != wanted:
        raise KeyReused
    if row.status is None:
        raise CutOff
    return Response(row.answer, status=row.status, headers={"Idempotency-Replayed": "true"})


def _hash(request: Request) -> str:
    parts = (str(request.method).encode(), request.get_full_path().encode(), request.body)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
