"""Subscription codes at the command line: added, listed, ended or renewed by the operator."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import clock
from projects import subscriptions
from projects.models import Subscription

LIMITS = ("workers", "staging_branches", "storage_gb")


class Command(BaseCommand):
    help = "Give out subscription codes."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which there are, what they allow and who uses them")
        add = verbs.add_parser("add", help="a new code; without one, Berth makes it")
        add.add_argument("code", nargs="?", default="")
        add.add_argument("--kind", choices=Subscription.Kind.values, default=Subscription.Kind.ENTERPRISE.value)
        add.add_argument("--holder", default="", help="whom it is given to")
        add.add_argument("--region", default="", help="where its project must lie; without it, anywhere")
        for name in LIMITS:
            add.add_argument(f"--{name.replace('_', '-')}", type=int, help="without it, no limit")
        add.add_argument("--ends", type=last_moment, metavar="YYYY-MM-DD", help="its last day; without it, none")
        end = verbs.add_parser("end", help="end a code now, or at the end of another day, which may renew it")
        end.add_argument("code")
        end.add_argument("--on", type=last_moment, metavar="YYYY-MM-DD", help="its last day")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        does: dict[str, Callable[..., None]] = {"list": self._list, "add": self._add, "end": self._end}
        does[verb](**options)

    def _list(self, **_options: Any) -> None:
        for each in Subscription.objects.select_related("project").prefetch_related("trials").order_by("code"):
            self.stdout.write(f"{each}  {each.kind}  {_terms(each)}  {_users(each)}")

    def _add(self, *, code: str, kind: str, holder: str, region: str, ends: datetime | None, **limits: Any) -> None:
        code = subscriptions.tidy(code) or subscriptions.new_code()
        chosen = {name: limits[name] for name in LIMITS}
        made = Subscription(code=code, kind=kind, holder=holder, region=region, ends_at=ends, **chosen)
        try:
            subscriptions.add(made, by=None)
        except ValidationError as error:
            raise CommandError(f"{' '.join(error.messages)} Nothing was added.") from error
        self.stdout.write(f"{made}  {made.kind}  {_terms(made)}")

    def _end(self, *, code: str, on: datetime | None, **_options: Any) -> None:
        found = Subscription.objects.filter(code=subscriptions.tidy(code)).first()
        if found is None:
            raise CommandError(f"There is no code {code}: see bin/berth subscription list. Nothing was changed.")
        subscriptions.end(found, at=on or clock.now(), by=None)
        self.stdout.write(f"{found}  {_terms(found)}")


def last_moment(day: str) -> datetime:
    """Raises ValueError, which argparse says."""
    return subscriptions.end_of(date.fromisoformat(day))


def _terms(subscription: Subscription) -> str:
    limits = [
        f"{value} {name.replace('_', ' ')}" for name in LIMITS if (value := getattr(subscription, name)) is not None
    ]
    ends = subscription.ends_at
    verb = "ended" if subscription.has_ended else "ends"
    return ", ".join([*(limits or ["no limits"]), f"{verb} {ends:%Y-%m-%d}" if ends else "no end"])


def _users(subscription: Subscription) -> str:
    if subscription.kind == Subscription.Kind.PARTNER:
        return f"trials: {', '.join(each.slug for each in subscription.trials.all()) or 'none'}"
    project = getattr(subscription, "project", None)
    return f"used by {project.slug}" if project else "free"
