"""Alarms: what people must know of, shown on their pages until it is over, and mailed once.

Where no mail server is set (BERTH_SMTP_URL) they are in the log instead of a mail.
"""

import logging

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet

from portal import clock
from portal.models import Alarm

log = logging.getLogger(__name__)


@transaction.atomic
def begin(key: str, title: str, detail: str = "", *, project_id: int | None = None, on_pages: bool = True) -> None:
    """Say that something is wrong; again, while it still is, only renews the words."""
    words = {"title": title[:300], "detail": detail}
    if not going_on().select_for_update().filter(key=key).update(**words):
        Alarm.objects.create(key=key, project_id=project_id, on_pages=on_pages, **words)


def end(key: str) -> None:
    going_on().filter(key=key).update(ended_at=clock.now())


def keep(key: str, title: str, detail: str = "", *, wrong: bool, project_id: int | None = None) -> None:
    """For who looks again and again: begin it while something is wrong, else end it."""
    if wrong:
        begin(key, title, detail, project_id=project_id)
    else:
        end(key)


def going_on() -> QuerySet[Alarm]:
    return Alarm.objects.filter(ended_at=None).order_by("pk")


def tell(alarm: Alarm, addresses: list[str]) -> None:
    """Mail it. Raises OSError (smtplib's errors are some) where that did not work: then it is to be told again."""
    log.error("alarm: %s. %s", alarm.title, alarm.detail)
    if addresses and settings.EMAIL_HOST:
        body = f"{alarm.detail}\n\n{settings.BERTH_PORTAL_URL}\n"
        send_mail(f"Berth: {alarm.title}", body, settings.DEFAULT_FROM_EMAIL, addresses)
    Alarm.objects.filter(pk=alarm.pk).update(told_at=clock.now())
