"""The portal's rows on a machine that has nothing of what they tell; imported once there are settings."""

from django.db import connection

from builds import recovery
from hosting.models import Place
from portal.models import AuditEntry

SKIPPED = 1_000_000  # numbers of entries of the audit log


def mend(place: str, address: str) -> list[str]:
    """Write off what was lost and begin to bring production back; the names of the projects.

    The place from which the rows came may be called otherwise from here (a disk that is mounted elsewhere).
    """
    _skip_numbers()
    Place.objects.filter(name=place).update(address=address.rstrip("/").rpartition("/")[0])
    return recovery.begin_all()


def _skip_numbers() -> None:
    """Another place may have later states of the lost machine. The audit log's numbers tell which state is the newest
    (hosting/states.py), and what is stored from now on is newer than all of those.
    """
    with connection.cursor() as cursor:
        statement = "SELECT setval(s, nextval(s) + %s) FROM pg_get_serial_sequence(%s, 'id') s"
        cursor.execute(statement, [SKIPPED, AuditEntry._meta.db_table])
