"""The audit log: every change, append-only, each entry chained to the one before by its hash."""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.forms import ModelForm

from portal import clock
from portal.models import AuditEntry, User

CHAIN_LOCK = 0x6265727468  # any fixed number: one writer at a time, so that the chain has no forks
GENESIS = "0" * 64
PLATFORM = "Berth"


def record(
    *, by: User | None, verb: str, object: str, project_id: int | None = None, before: Any = None, after: Any = None
) -> AuditEntry:
    """Add an entry, in the caller's transaction. `by` is None for what the platform does by itself.

    It comes last there: until the end nobody else writes one, and who waits for a row meanwhile may have one already.
    `before` and `after` are JSON values; secrets don't belong in them.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
        last = AuditEntry.objects.order_by("-pk").first()
        entry = AuditEntry(
            at=clock.now(),
            by=by.username if by else PLATFORM,
            verb=verb,
            object=object,
            project_id=project_id,
            before=before,
            after=after,
            previous_hash=last.hash if last else GENESIS,
        )
        entry.hash = digest(entry)
        entry.save()
    return entry


@transaction.atomic
def save_form(form: ModelForm, *, by: User, verb: str, object: str, project_id: int) -> None:  # type: ignore[type-arg]
    """Save the fields that were changed in a form, with an entry of their old values and new."""
    changed = form.changed_data
    if not changed:
        return
    row = form.save(commit=False)
    before = type(row)._base_manager.select_for_update().get(pk=row.pk)  # what somebody else saved meanwhile, too
    row.save(update_fields=changed)
    record(
        by=by,
        verb=verb,
        object=object,
        project_id=project_id,
        before={name: _plain(getattr(before, name)) for name in changed},
        after={name: _plain(getattr(row, name)) for name in changed},
    )


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Model) else value


def digest(entry: AuditEntry) -> str:
    """SHA-256 over the entry's content and the hash of the one before."""
    content = [
        entry.previous_hash,
        entry.at.isoformat(),
        entry.by,
        entry.verb,
        entry.object,
        entry.project_id,
        entry.before,
        entry.after,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def first_broken() -> AuditEntry | None:
    """The first entry whose hash or link doesn't fit, or None where the whole chain holds."""
    previous = GENESIS
    for entry in AuditEntry.objects.order_by("pk").iterator():
        if entry.previous_hash != previous or entry.hash != digest(entry):
            return entry
        previous = entry.hash
    return None
