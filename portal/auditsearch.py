"""The audit log for people: found by who, what and when, shown in words, and taken away as CSV."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django import forms
from django.db import close_old_connections
from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from portal.models import AuditEntry

BATCH = 1000  # entries read at once for an export
COLUMNS = ("id", "at", "by", "verb", "object", "project_id", "before", "after", "previous_hash", "hash")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # so begins what a spreadsheet would run (OWASP, "CSV Injection")


class AuditFilter(forms.Form):
    """Days are those of UTC, and both count."""

    who = forms.CharField(required=False, max_length=150)
    what = forms.CharField(required=False, max_length=200)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def apply(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Nothing where something was filled in that can't be read: the page says what."""
        if not self.is_valid():
            return entries.none()
        wanted = self.cleaned_data
        if wanted["who"]:
            entries = entries.filter(by__icontains=wanted["who"])
        for word in wanted["what"].split():
            entries = entries.filter(Q(verb__icontains=word) | Q(object__icontains=word))
        if wanted["since"]:
            entries = entries.filter(at__gte=datetime.combine(wanted["since"], time(), UTC))
        if wanted["until"]:
            entries = entries.filter(at__lt=datetime.combine(wanted["until"], time(), UTC) + timedelta(days=1))
        return entries


def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """What was changed: a name, how it was, how it is. One without a name where it is a single value."""
    before, after = entry.before, entry.after
    if not (isinstance(before, dict | None) and isinstance(after, dict | None)):
        return [("", in_words(before), in_words(after))]
    before, after = before or {}, after or {}
    return [(name, in_words(before.get(name)), in_words(after.get(name))) for name in {**before, **after}]


def in_words(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def export(entries: QuerySet[AuditEntry], name: str) -> StreamingHttpResponse:
    """All of them as CSV, the oldest first, with their hashes: the chain can be verified where it is taken to."""
    response = StreamingHttpResponse(_lines(entries.order_by("pk")), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


async def _lines(entries: QuerySet[AuditEntry]) -> AsyncIterator[str]:
    """By batches after the last one read: nobody's export keeps a transaction open."""
    yield _csv([COLUMNS])
    last: int | None = 0
    while last is not None:
        text, last = await sync_to_async(_batch)(entries, last)
        yield text


def _batch(entries: QuerySet[AuditEntry], after: int) -> tuple[str, int | None]:
    """The lines of the next entries, and the last of them, None at the end."""
    try:
        found = list(entries.filter(pk__gt=after)[:BATCH])
        return _csv(_row(entry) for entry in found), found[-1].pk if len(found) == BATCH else None
    finally:
        close_old_connections()  # it is another thread's than the request's


def _row(entry: AuditEntry) -> Iterator[str]:
    for name in COLUMNS:
        value = getattr(entry, name)
        if name in {"before", "after"}:
            yield "" if value is None else json.dumps(value, ensure_ascii=False)
        else:
            yield _harmless(value.isoformat() if isinstance(value, datetime) else in_words(value))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


def _csv(rows: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
