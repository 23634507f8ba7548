"""The audit log: every change hangs on the one before, and whoever tampers is found."""

import pytest

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
    AuditEntry.objects.filter(pk=second.pk).update(**change)
    assert audit.first_broken() == second


def test_a_removed_entry_is_found_at_its_successor() -> None:
    first, second, third = entries()
    second.delete()
    assert audit.first_broken() == third
    first.delete()
    assert audit.first_broken() == third


def test_an_entry_that_was_hashed_anew_is_found_at_its_successor() -> None:
    _first, second, third = entries()
    second.after = {"name": "forged"}
    second.hash = audit.digest(second)
    second.save()
    assert audit.first_broken() == third


def test_an_entry_outlives_the_account() -> None:
    entries(1)
    from_alice = AuditEntry.objects.get()
    assert from_alice.by == "alice"
    assert audit.first_broken() is None
