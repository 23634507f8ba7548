"""Mails that staging and development sent: kept where nobody gets them but who looks at the branch's Mails tab.

Whose a mail is says the address that it came from: Berth allots those, and a container can't take another's.
"""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q

from hosting import databases
from hosting.models import Instance, Mail, Pool, Stage
from hosting.odoo.floors import MIB

MESSAGE_BYTES = 15 * MIB  # Odoo itself makes links of attachments beyond 10 MB
KEPT = 500  # mails of an instance; the oldest goes
KEPT_BYTES = 60 * MIB  # of an instance's mails together
FREE_BYTES = 500 * MIB  # of disk, below which no mail is taken


class NotTaken(Exception):
    """The mail was not kept. The message is the answer for whoever sends it, beginning with SMTP's code."""


@dataclass(frozen=True)
class Sender:
    """Who has an address at this moment."""

    pool_id: int
    instance_id: int


def sender(address: str) -> Sender | None:
    """The pool whose container has this address; None for production's, and for who is none of ours."""
    has_it = Q(web_address=address) | Q(cron_address=address) | Q(further__address=address)
    found = Pool.objects.filter(has_it).exclude(state=Pool.State.GONE).exclude(instance__stage=Stage.PRODUCTION)
    row = found.values_list("pk", "instance_id").first()
    return Sender(*row) if row else None


def keep(*, address: str, expected: Sender, by: str, recipients: str, subject: str, raw: bytes) -> Mail:
    """Keep a mail that came from `address`, which belonged to `expected` when its connection was made.

    An address that changed hands since belongs to a neighbour now, who did not send this. Raises NotTaken.
    """
    if databases.free_disk() < FREE_BYTES:
        raise NotTaken("452 4.3.1 The disk of this machine is full; the mail was not kept")
    with transaction.atomic():
        if sender(address) != expected:
            raise NotTaken("550 5.7.1 This address has changed hands; the mail was not kept")
        mail = Mail.objects.create(
            instance_id=expected.instance_id,
            sender=by[:300],
            recipients=recipients,
            subject=subject[:300],
            raw=raw,
            size=len(raw),
        )
        _make_room(expected.instance_id)
    return mail


def _make_room(instance_id: int) -> None:
    """Let the oldest mails of an instance go, until the rest is few enough, and small enough."""
    summed = (
        "SELECT id, row_number() OVER newest AS number, sum(size) OVER newest AS bytes"
        " FROM hosting_mail WHERE instance_id = %s WINDOW newest AS (ORDER BY id DESC)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM hosting_mail WHERE id IN (SELECT id FROM ({summed}) s WHERE number > %s OR bytes > %s)",
            [instance_id, KEPT, KEPT_BYTES],
        )


def forget(instance: Instance) -> int:
    """Delete all mails of an instance; how many there were."""
    return instance.mails.all().delete()[0]


def forget_removed() -> int:
    """Delete mails of instances that are removed; how many there were. One may have come while it was."""
    return Mail.objects.filter(instance__state=Instance.State.REMOVED).delete()[0]
