"""Subscription codes: made and ended by the operator, entered by admins of projects."""

import secrets
from datetime import UTC, date, datetime, time

from django.core.exceptions import ValidationError
from django.db import transaction
from django_q.tasks import async_task

from portal import audit, clock
from portal.models import User
from portal.stories import ProjectError
from projects.models import CODE, Project, Subscription

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without what looks like something else
ASK = "Check it for a typing error, or ask whoever gave it to you."
RENEW = "Ask the operator for another one, or to renew it."


def new_code() -> str:
    """Nobody guesses it: 80 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def tidy(code: str) -> str:
    """As it is stored, however it was written."""
    return "".join(code.split()).upper()


def end_of(day: date) -> datetime:
    """The last moment of a day, in UTC."""
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def is_code(text: str) -> bool:
    try:
        CODE(text)
    except ValidationError:
        return False
    return True


# --- the operator's ---------------------------------------------------------------------------------------------------
@transaction.atomic
def add(subscription: Subscription, *, by: User | None) -> Subscription:
    """Raises ValidationError where a field can't be so, or its code is there already."""
    subscription.full_clean()
    subscription.save()
    audit.record(by=by, verb="add subscription", object=subscription.code, after=terms(subscription))
    return subscription


@transaction.atomic
def end(subscription: Subscription, *, at: datetime | None, by: User | None) -> None:
    """Let it end at a moment, which may have passed; None renews it without an end."""
    before = subscription.ends_at
    subscription.ends_at = at
    subscription.save(update_fields=["ends_at"])
    project = Project.objects.filter(subscription=subscription).first()
    audit.record(
        by=by,
        verb="change end of subscription",
        object=subscription.code,
        project_id=project.pk if project else None,
        before=_moment(before),
        after=_moment(at),
    )


@transaction.atomic
def unlock(project: Project, *, by: User | None) -> None:
    """Three more months from now on, before the databases of an ended subscription are locked again."""
    before = Project.objects.select_for_update().get(pk=project.pk).ended_hours
    Project.objects.filter(pk=project.pk).update(ended_hours=0)
    audit.record(
        by=by,
        verb="unlock databases",
        object=project.slug,
        project_id=project.pk,
        before={"hours since the end": before},
        after={"hours since the end": 0},
    )


def terms(subscription: Subscription) -> dict[str, object]:
    names = ("kind", "holder", "region", "workers", "staging_branches", "storage_gb")
    return {name: getattr(subscription, name) for name in names} | {"ends_at": _moment(subscription.ends_at)}


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="minutes") if at else None


# --- the admins' ------------------------------------------------------------------------------------------------------
@transaction.atomic
def for_new_project(code: str) -> Subscription | None:
    """What a new project begins with; None: a trial of its own. Raises ProjectError."""
    return _find(code, untouched="No project was created.") if tidy(code) else None


def begin(project: Project, subscription: Subscription | None) -> None:
    """Give a project that is being created its subscription, or its trial."""
    if subscription is not None and subscription.kind == Subscription.Kind.ENTERPRISE:
        project.subscription = subscription
    else:
        project.partner, project.trial_hours = subscription, 0
    project.save(update_fields=["subscription", "partner", "trial_hours"])


@transaction.atomic
def enter(*, project: Project, code: str, by: User) -> Subscription:
    """Go on with a full subscription, from now on. Raises ProjectError, and changes nothing then."""
    untouched = f"{project} goes on as before."
    if not tidy(code):
        raise ProjectError("No code was entered", untouched, "Write the code of a subscription.")
    subscription = _find(code, untouched=untouched, project=project)
    if subscription.kind == Subscription.Kind.PARTNER:
        raise ProjectError(
            f"{subscription} is a partner's code",
            f"It begins trials of new projects, and is no subscription for one that exists. {untouched}",
            "Enter the code of an enterprise subscription that includes hosting.",
        )
    _check_region(subscription, project.host.region, untouched)
    locked = Project.objects.select_for_update(of=("self",)).select_related("subscription").get(pk=project.pk)
    before = locked.subscription.code if locked.subscription else None
    if before == subscription.code:
        raise ProjectError(f"{subscription} is this project's code already", untouched, "There is nothing to do.")
    trial = locked.trial_hours
    locked.subscription, locked.trial_hours, locked.ended_hours = subscription, None, 0
    locked.save(update_fields=["subscription", "trial_hours", "ended_hours"])
    audit.record(
        by=by,
        verb="enter subscription code",
        object=project.slug,
        project_id=project.pk,
        before={"code": before, "hours of trial": trial},
        after={"code": subscription.code},
    )
    look_after()
    return subscription


def look_after() -> None:
    """Have what is stopped opened, or stopped what is open, at once: a round does so every minute in any case."""
    transaction.on_commit(lambda: async_task("builds.plans.look_after", cluster="rounds"))


def _check_region(subscription: Subscription, region: str, untouched: str) -> None:
    if subscription.region not in ("", region):
        raise ProjectError(
            f"{subscription} is for another region",
            f"It is for {subscription.region}, and this is {region}. {untouched}",
            RENEW,
        )


def _find(code: str, *, untouched: str, project: Project | None = None) -> Subscription:
    """The subscription with this code, locked for the caller's transaction. Raises ProjectError with the reason."""
    code = tidy(code)
    subscription = None
    if is_code(code):  # what is none may hold a byte that PostgreSQL takes in no text
        subscription = Subscription.objects.select_for_update().filter(code=code).first()
    if subscription is None:
        raise ProjectError(f"The code {code[:40]!r} is unknown", f"Nobody was given it here. {untouched}", ASK)
    if subscription.kind == Subscription.Kind.APPS:
        what = "It is neither a partnership nor an enterprise subscription that includes hosting."
        raise ProjectError(f"{subscription} can't be used here", f"{what} {untouched}", RENEW)
    if subscription.ends_at is not None and subscription.ends_at <= clock.now():
        when = f"It ended on {subscription.ends_at:%d %B %Y}."
        raise ProjectError(f"{subscription} has ended", f"{when} {untouched}", RENEW)
    if Project.objects.filter(subscription=subscription).exclude(pk=project.pk if project else 0).exists():
        what = "An enterprise subscription is for one project."
        raise ProjectError(f"{subscription} is in use by another project", f"{what} {untouched}", RENEW)
    return subscription
