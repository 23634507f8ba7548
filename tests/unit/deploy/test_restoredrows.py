"""What is made of the portal's rows on another machine."""

import pytest

from deploy import restoredrows
from portal import audit
from portal.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_states_of_the_new_machine_are_newer_than_any_that_the_lost_one_stored() -> None:
    audit.record(by=None, verb="test", object="the lost machine")
    last = AuditEntry.objects.latest("pk").pk
    restoredrows.mend("attic", "/mnt/attic/c0ffee")
    audit.record(by=None, verb="test", object="the new machine")
    assert AuditEntry.objects.latest("pk").pk > last + restoredrows.SKIPPED
    assert audit.first_broken() is None
