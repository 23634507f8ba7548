"""Notices: who is told what, in the portal and by mail, as each person chose. Alarms reach all admins beside."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet

from portal import audit, clock
from portal.models import User
from portal.rounds import once
from projects.access import allows
from projects.models import Notice, NoticeChoice, Project, Role
from projects.news import Event, News

log = logging.getLogger(__name__)

LOCK = 0x6E6F7469636573  # any fixed number
KEPT = timedelta(days=90)
STALE = timedelta(days=1)  # news that could not be mailed for so long isn't any more
DEFAULTS = {  # in the portal, by mail
    Event.BUILD_DONE: (False, False),
    Event.BUILD_FAILED: (True, False),
    Event.DEPLOY_DONE: (True, False),
    Event.DEPLOY_FAILED: (True, True),
    Event.BACKUP_DONE: (False, False),
    Event.BACKUP_FAILED: (True, False),  # an alarm is mailed already
    Event.PIN_ENDS: (True, True),
}


@dataclass(frozen=True)
class Wish:
    """What a person wants of one kind of news."""

    event: Event
    in_portal: bool
    by_mail: bool


def wishes(user: User) -> list[Wish]:
    chosen = {row.event: (row.in_portal, row.by_mail) for row in user.notice_choices.all()}
    return [Wish(event, *chosen.get(event, DEFAULTS[event])) for event in Event]


def choose(*, user: User, wanted: list[Wish]) -> None:
    """Keep what a person wants from now on."""
    before = _as_json(wishes(user))
    with transaction.atomic():
        for wish in wanted:
            values = {"in_portal": wish.in_portal, "by_mail": wish.by_mail}
            NoticeChoice.objects.update_or_create(user=user, event=wish.event, defaults=values)
        after = _as_json(wanted)
        if before != after:
            audit.record(by=user, verb="choose notifications", object=user.username, before=before, after=after)


def _as_json(wanted: list[Wish]) -> dict[str, list[str]]:
    told = (("portal", [w.event for w in wanted if w.in_portal]), ("mail", [w.event for w in wanted if w.by_mail]))
    return {name: [str(event) for event in events] for name, events in told}


def tell(project: Project, news: News) -> None:
    """For the members who may see it and want to know, in the caller's transaction."""
    members = project.members.filter(user__is_active=True).select_related("user")
    people = [member.user for member in members if allows(Role(member.role), news.stage, news.tool)]
    rows = NoticeChoice.objects.filter(user__in=people, event=news.event)
    chosen = {row.user_id: (row.in_portal, row.by_mail) for row in rows}
    found = []
    for user in people:
        in_portal, by_mail = chosen.get(user.pk, DEFAULTS[news.event])
        by_mail = by_mail and bool(user.email)
        if in_portal or by_mail:
            told = {"event": news.event, "title": news.title[:300], "path": news.path}
            found.append(Notice(user=user, project=project, in_portal=in_portal, by_mail=by_mail, **told))
    Notice.objects.bulk_create(found)


def of(user: User) -> QuerySet[Notice]:
    """What the bell shows, of projects that the person is still a member of."""
    shown = user.notices.filter(in_portal=True, project__members__user=user)
    return shown.select_related("project").order_by("-pk")


def unread(user: User) -> int:
    return of(user).filter(read_at=None).count()


def mark_read(user: User, **which: object) -> None:
    user.notices.filter(read_at=None, **which).update(read_at=clock.now())


@once(LOCK)
def mail_due() -> None:
    """Every minute: mails that have not gone out. One that a server refuses is tried again, for a day."""
    if not settings.EMAIL_HOST:
        return
    due = Notice.objects.filter(by_mail=True, mailed_at=None, created_at__gt=clock.now() - STALE)
    for notice in due.select_related("user", "project").order_by("pk")[:100]:
        try:
            _mail(notice)
        except OSError as error:  # smtplib's errors are some
            log.warning("mail of a notice to %s, which is tried again: %s", notice.user, error)


def _mail(notice: Notice) -> None:
    if notice.project.members.filter(user=notice.user, user__is_active=True).exists():
        choices = f"{settings.BERTH_PORTAL_URL}/account/notifications/"
        body = f"{notice.title}\n\n{settings.BERTH_PORTAL_URL}{notice.path}\n\nWhat you are told of: {choices}\n"
        subject = f"{notice.project}: {notice.title}".replace("\n", " ").replace("\r", " ")[:150]
        send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, [notice.user.email])
    Notice.objects.filter(pk=notice.pk).update(mailed_at=clock.now())


def forget() -> None:
    """Old ones go by their date."""
    Notice.objects.filter(created_at__lt=clock.now() - KEPT).delete()
