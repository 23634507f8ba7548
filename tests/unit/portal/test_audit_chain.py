"""The audit log: every change hangs on the one before, and whoever tampers is found."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import ProgrammingError, connection, transaction

from portal import audit
from portal.models import AuditEntry
from tests import cast

pytestmark = pytest.mark.django_db


def entries(count: int = 3) -> list[AuditEntry]:
    alice = cast.person("Alice")
    return [
        audit.record(
            by=alice, verb="rename", object=f"project {number}", project_id=7, before={"name": "ä"}, after=None
        )
        for number in range(count)
    ]


@contextmanager
def superuser() -> Iterator[None]:
    """Who may switch triggers off: nobody but the database's superuser."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE portal_auditentry SET by = 'x'", "DELETE FROM portal_auditentry", "TRUNCATE portal_auditentry"],
)
def test_the_database_lets_nobody_change_or_remove_entries(statement: str) -> None:
    entries()

    with (
        pytest.raises(ProgrammingError, match="only ever added to"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert AuditEntry.objects.filter(by="alice").count() == 3


def test_each_entry_carries_the_hash_of_the_one_before() -> None:
    first, second, third = entries()
    assert [first.previous_hash, second.previous_hash, third.previous_hash] == [audit.GENESIS, first.hash, second.hash]
    assert len({first.hash, second.hash, third.hash}) == 3


def test_an_untouched_chain_holds_after_it_was_stored() -> None:
    entries()
    audit.record(by=None, verb="resize", object="i1", before={"memory": [1, 2.5, None], "b": True}, after="text")
    assert audit.first_broken() is None


def test_what_the_platform_does_is_told_as_its_own() -> None:
    assert audit.record(by=None, verb="remove instance", object="i1").by == audit.PLATFORM


@pytest.mark.parametrize(
    "change",
    [
        {"by": "mallory"},
        {"verb": "delete"},
        {"object": "other"},
        {"project_id": 8},
        {"before": {}},
        {"after": {"a": 1}},
    ],
)
def test_a_changed_entry_is_found(change: dict[str, object]) -> None:
    _first, second, _third = entries()
    with superuser():
        AuditEntry.objects.filter(pk=second.pk).update(**change)
    assert audit.first_broken() == second


def test_a_removed_entry_is_found_at_its_successor() -> None:
    first, second, third = entries()
    with superuser():
        second.delete()
    assert audit.first_broken() == third
    with superuser():
        first.delete()
    assert audit.first_broken() == third


def test_an_entry_that_was_hashed_anew_is_found_at_its_successor() -> None:
    _first, second, third = entries()
    second.after = {"name": "forged"}
    second.hash = audit.digest(second)
    with superuser():
        second.save()
    assert audit.first_broken() == third


def test_an_entry_outlives_the_account() -> None:
    entries(1)
    from_alice = AuditEntry.objects.get()
    assert from_alice.by == "alice"
    assert audit.first_broken() is None
