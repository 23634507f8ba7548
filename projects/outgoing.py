"""Outgoing webhooks: what happens is written down as deliveries, in the transaction in which it happens, and sent in
rounds, again and later where nobody takes it. A delivery may come twice where a sender died; its id is the same then.
"""

import hashlib
import hmac
import json
import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

from portal import audit, clock, posting
from portal.models import User
from portal.stories import ProjectError
from projects import fresh
from projects.models import Hook, HookDelivery, Project
from projects.news import Event, News

PING = "ping"
WEBHOOK = "This webhook"
PAUSES = tuple(timedelta(minutes=each) for each in (0.5, 2, 10, 60, 300, 1200))  # before each further try; a day in all
LEASE = timedelta(seconds=6 * posting.TIMEOUT)  # after which a sender that said nothing is believed to be dead
AT_ONCE = 50  # deliveries that one round sends
KEPT = timedelta(days=30)


def tell(project: Project, news: News) -> None:
    """Write down a delivery for each webhook that wants such news, in the caller's transaction."""
    for hook in project.hooks.filter(active=True):
        if news.event in hook.events:
            url = f"{settings.BERTH_PORTAL_URL}{news.path}"
            deliver(hook, news.event, {"title": news.title, "url": url} | news.facts)


def deliver(hook: Hook, event: str, facts: dict[str, object], *, by: User | None = None) -> HookDelivery:
    project = hook.project
    about = {"slug": project.slug, "name": project.name, "repository": project.repository}
    body = json.dumps({"event": event, "at": clock.now().isoformat(), "project": about, **facts})
    delivery = HookDelivery.objects.create(hook=hook, event=event, body=body, asked_by=by)
    transaction.on_commit(ring)
    return delivery


def redeliver(*, delivery: HookDelivery, by: User) -> HookDelivery:
    """The same news once more, as a delivery of its own. It is signed anew."""
    again = HookDelivery.objects.create(hook=delivery.hook, event=delivery.event, body=delivery.body, asked_by=by)
    transaction.on_commit(ring)
    return again


def ring() -> None:
    async_task("projects.outgoing.send_due", cluster="outside")


# --- sending ----------------------------------------------------------------------------------------------------------
def send_due() -> None:
    """What is due is sent, by as many rounds at once as there are: each takes what no other has."""
    _give_up_unsettled()
    for _each in range(AT_ONCE):
        delivery = _take()
        if delivery is None:
            return
        _send(delivery)
    ring()


def _give_up_unsettled() -> None:
    """Those of which no try came to an end: they are not tried for ever."""
    left = HookDelivery.objects.filter(state=HookDelivery.State.WAITING, next_at__lte=clock.now())
    left.filter(tries__gt=len(PAUSES)).update(
        state=HookDelivery.State.FAILED, error="Berth was ended, or failed, at every try."
    )


@transaction.atomic
def _take() -> HookDelivery | None:
    """The next one, ours until its lease ends. The try is counted ahead of it: what kills us isn't tried for ever."""
    waiting = HookDelivery.objects.filter(state=HookDelivery.State.WAITING, hook__active=True)
    due = waiting.select_related("hook").filter(next_at__lte=clock.now())
    delivery = due.order_by("next_at").select_for_update(skip_locked=True, of=("self",)).first()
    if delivery is not None:
        delivery.tries, delivery.next_at, delivery.sent_at = delivery.tries + 1, clock.now() + LEASE, clock.now()
        delivery.save(update_fields=["tries", "next_at", "sent_at"])
    return delivery


def _send(delivery: HookDelivery) -> None:
    hook, started = delivery.hook, time.monotonic()
    body = delivery.body.encode()
    delivery.request_headers = headers(delivery, body, hook.secret)
    delivery.code, delivery.answer, delivery.answer_headers, delivery.error = None, "", {}, ""
    try:
        target = posting.locate(hook.url, allow_private=settings.BERTH_WEBHOOKS_ALLOW_PRIVATE)
        answer = posting.post(target, body, delivery.request_headers, ca_file=settings.BERTH_EXTRA_CA_FILE)
        delivery.code, delivery.answer, delivery.answer_headers = answer.code, answer.body, answer.headers
        if not 200 <= answer.code < 300:
            delivery.error = f"The receiver answered {answer.code}" + _about(answer.code)
    except (posting.BadAddress, posting.NotSent) as error:
        delivery.error = str(error)[:500]
    delivery.took_s = time.monotonic() - started
    _settle(delivery)


def _about(code: int) -> str:
    return ", a redirect, which is not followed. Enter the address that it leads to." if 300 <= code < 400 else "."


def _settle(delivery: HookDelivery) -> None:
    """Delivered, tried again later, or given up."""
    if not delivery.error:
        delivery.state = HookDelivery.State.DELIVERED
    elif delivery.tries > len(PAUSES):
        delivery.state = HookDelivery.State.FAILED
    else:
        delivery.next_at = clock.now() + PAUSES[delivery.tries - 1]
    fields = ("state", "next_at", "request_headers", "code", "answer", "answer_headers", "error", "took_s")
    # an update, as its webhook may have been removed meanwhile
    HookDelivery.objects.filter(pk=delivery.pk).update(**{name: getattr(delivery, name) for name in fields})


def headers(delivery: HookDelivery, body: bytes, secret: str) -> dict[str, str]:
    at = int(clock.now().timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "Berth",
        "X-Berth-Event": delivery.event,
        "X-Berth-Delivery": str(delivery.guid),
        "X-Berth-Signature": f"t={at},v1={signature(secret, at, body)}",
    }


def signature(secret: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 over the time and the body, so that neither can be another's."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def forget() -> None:
    """The log of deliveries goes by its date."""
    HookDelivery.objects.filter(created_at__lt=clock.now() - KEPT).delete()


# --- what people do ---------------------------------------------------------------------------------------------------
def save(*, hook: Hook, url: str, events: list[str], active: bool, by: User) -> Hook:
    """Add or change a webhook. Raises ProjectError for an address to which nothing is sent; one that is switched off
    may keep its own.
    """
    if active or url != hook.url:
        _checked(url)
    with transaction.atomic():
        if hook.pk is not None:
            fresh.lock(hook, WEBHOOK)
        before = None if hook.pk is None else _facts(hook)
        hook.url, hook.events, hook.active = url, [each for each in Event.values if each in events], active
        hook.save()
        _record(hook, "add webhook" if before is None else "change webhook", by, before=before, after=_facts(hook))
    return hook


def _checked(url: str) -> None:
    try:
        posting.locate(url, allow_private=settings.BERTH_WEBHOOKS_ALLOW_PRIVATE)
    except posting.BadAddress as error:
        raise ProjectError(
            "Nothing can be sent there", str(error), "Enter one like https://example.com/hook."
        ) from error


def ping(*, hook: Hook, by: User) -> HookDelivery:
    return deliver(hook, PING, {"title": "Berth tries this webhook"}, by=by)


def new_secret(*, hook: Hook, by: User) -> None:
    with transaction.atomic():
        fresh.lock(hook, WEBHOOK)
        hook.secret = Hook._meta.get_field("secret").get_default()
        hook.save(update_fields=["secret"])
        _record(hook, "new webhook secret", by)


def remove(*, hook: Hook, by: User) -> None:
    with transaction.atomic():
        hook.delete()
        _record(hook, "remove webhook", by, before=_facts(hook))


def _facts(hook: Hook) -> dict[str, object]:
    return {"url": hook.url, "events": hook.events, "active": hook.active}


def _record(hook: Hook, verb: str, by: User, *, before: object = None, after: object = None) -> None:
    audit.record(by=by, verb=verb, object=hook.url[:200], project_id=hook.project_id, before=before, after=after)
