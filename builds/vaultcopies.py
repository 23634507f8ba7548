"""The story of a vault's copy at another place: begun when a backup has ended, and again, ever later, while it fails.
The installation itself (hosting/selfbackup.py) is copied in the same way, once a day.

All copies take turns, so that a slow or silent place takes one worker at most.
"""

from datetime import datetime, timedelta

from django.db import transaction

from hosting import backups, places, selfbackup
from hosting.engines.restic import ResticError
from hosting.models import Backup, Place, Vault, VaultCopy
from portal import alarms, audit, clock, stories
from portal.commands import CommandError
from portal.models import Result, Story, User
from portal.rounds import alone
from portal.stories import Kind, PlatformError, StepSpec, register, step
from portal.telling import Telling
from projects.models import Project

LONGEST_WAIT = timedelta(hours=2)
ALARM_AFTER = timedelta(hours=6)
SELF_EVERY, SELF_SOON = timedelta(days=1), timedelta(hours=1)
SUBJECT = "copies of vaults"


@alone
def begin_due() -> None:
    """Every minute: begin the copies that lack something, or that failed and have waited long enough."""
    for place in Place.objects.alive():
        copy, _made = VaultCopy.objects.get_or_create(vault=None, place=place)
        if is_due(copy):
            begin(copy)
    stored = Backup.objects.filter(forgotten_at=None).exclude(snapshot="")
    for vault in Vault.objects.filter(backups__in=stored).distinct():
        for place in Place.objects.alive():
            copy, _made = VaultCopy.objects.get_or_create(vault=vault, place=place)
            if is_due(copy):
                begin(copy)


def is_due(copy: VaultCopy) -> bool:
    """A copy that holds what it should has nothing to do until the vault changes. No moment is waited for that is
    further off than any that was ever written: the clock has been set back since.
    """
    if is_going_on(copy) or clock.now() < copy.next_at <= clock.now() + LONGEST_WAIT:
        return False
    if copy.vault is None:
        return copy.failing_since is not None or _is_self_due(copy)
    wanted = set(backups.kept(copy.vault).values_list("pk", flat=True))
    held = set(copy.backups.values_list("pk", flat=True))
    return copy.failing_since is not None or wanted != held


def is_going_on(copy: VaultCopy) -> bool:
    return copy.story is not None and copy.story.is_open


@transaction.atomic
def ask(copy: VaultCopy, *, by: User) -> bool:
    """Begin it now, whenever its time is. False where it goes on already."""
    copy = VaultCopy.objects.select_for_update().get(pk=copy.pk)
    if is_going_on(copy):
        return False
    begin(copy)
    audit.record(by=by, verb="copy backups now", object=str(copy), project_id=_project_id(copy.vault))
    return True


def _is_self_due(copy: VaultCopy) -> bool:
    """Once a day; and soon after a backup was proven, which is of no use to rows that don't know it."""
    proven = Backup.objects.filter(forgotten_at=None, proof=Backup.Proof.PROVEN)
    news = proven.exclude(pk__in=copy.backups.values("pk")).exists()
    return copy.done_at is None or not _is_lately(copy.done_at, SELF_SOON if news else SELF_EVERY)


def _is_lately(moment: datetime, within: timedelta) -> bool:
    """Not if it is to come by more than that either: the clock was set back then."""
    return abs(clock.now() - moment) < within


@transaction.atomic
def begin(copy: VaultCopy) -> None:
    copy.story = stories.begin("copy", object_id=copy.pk, subject=SUBJECT)
    copy.save(update_fields=["story"])


@step("Bring the copy up to date")
def bring_up_to_date(copy: VaultCopy, telling: Telling) -> None:
    if copy.place.removed_at is not None:
        return telling.say(f"{copy.place} was taken from the list meanwhile.")
    telling.mask(*copy.place.account.split("\n"))
    bring = selfbackup.store if copy.vault is None else places.bring_up_to_date
    try:
        bring(copy, telling.keep_going, telling.say)
    except (ResticError, CommandError) as error:
        raise PlatformError(
            f"The backups could not be copied to {copy.place}",
            f"{error}\nWhat lies here and what was copied before is untouched.",
            "It is tried again by itself; look at the place if it stays.",
        ) from error
    return None


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> VaultCopy:
    return VaultCopy.objects.select_related("vault", "place", "story").get(pk=pk)


def finished(copy: VaultCopy, story: Story) -> None:
    now = clock.now()
    if story.result in (Result.SUCCESS, Result.WARNING):
        copy.done_at, copy.failing_since, copy.tries, copy.error, copy.next_at = now, None, 0, "", now
        alarms.end(copy.alarm)
    else:
        copy.failing_since, copy.tries = copy.failing_since or now, copy.tries + 1
        copy.error, copy.next_at = f"{story.error_title}. {story.error_detail}".strip(), now + wait(copy.tries)
        if is_red(copy):
            alarms.begin(copy.alarm, copy.error.partition(".")[0], copy.error, project_id=_project_id(copy.vault))
    copy.save(update_fields=["done_at", "failing_since", "tries", "error", "next_at"])


def wait(tries: int) -> timedelta:
    """Five minutes at first, twice as long each time, two hours at most."""
    return min(timedelta(minutes=5 << min(tries - 1, 10)), LONGEST_WAIT)


def is_red(copy: VaultCopy) -> bool:
    """Whether it has failed for too long: before that it may be the weather."""
    return copy.failing_since is not None and not _is_lately(copy.failing_since, ALARM_AFTER)


def _project_id(vault: Vault | None) -> int | None:
    return None if vault is None else Project.objects.filter(vault=vault).values_list("pk", flat=True).first()


def steps(_copy: VaultCopy) -> tuple[StepSpec, ...]:
    return (bring_up_to_date,)


def register_stories() -> None:
    register(Kind(name="copy", queue="background", load=load, steps=steps, finished=finished))
