"""Hours that Berth lived through, by which it keeps what it keeps for a time.

A clock that is set ahead makes everything look old, and one that was set back and is right again does so with what was
made meanwhile. So rows that are kept for a time count down the hours they still have, and what has nothing but a date
(lines of logs) is let go only while the clock is steady.
"""

from datetime import timedelta

from django.db import transaction

from portal import clock
from portal.models import HourHand

HOUR_S = 3600.0
EARLY_S = 300.0  # that a round may come early
STEADY_H = 24  # hours without a jump, before what is old by its date is believed to be
JUMP = timedelta(minutes=10)
AWAY = timedelta(days=1)  # that the machine may have been off; after more, nobody knows whether the clock is right


@transaction.atomic
def another() -> bool:
    """Whether another hour has passed since the last that was counted; it is counted then. Never two at once."""
    start, seconds = clock.since_start()
    now, hand = clock.now(), HourHand.objects.select_for_update().filter(pk=1).first()
    if hand is None:
        HourHand.objects.create(pk=1, start=start, seconds=seconds, seen_at=now)
        return True
    same, gap = hand.start == start, now - hand.seen_at
    jump = gap - timedelta(seconds=seconds - hand.seconds) if same else _unexplained(gap)
    jumped, passed = abs(jump) > JUMP, not same or seconds - hand.seconds >= HOUR_S - EARLY_S
    if jumped:
        hand.steady_hours, hand.jumped_by_s = 0, jump.total_seconds()
    elif passed:
        hand.steady_hours += 1
    if jumped or passed:
        hand.start, hand.seen_at, hand.seconds = start, now, seconds
        hand.save()
    return passed


def _unexplained(gap: timedelta) -> timedelta:
    """After a start of the machine: the clock went back, or says that it was off for very long."""
    return timedelta() if timedelta() <= gap <= AWAY else gap


def to_steady() -> int:
    """Hours until the clock is steady, 0 where it is."""
    hand = HourHand.objects.filter(pk=1).first()
    return max(0, STEADY_H - hand.steady_hours) if hand is not None else 0


def jump() -> timedelta | None:
    """By how much the clock was set, where that is why something waits."""
    hand = HourHand.objects.filter(pk=1, steady_hours__lt=STEADY_H).first()
    return timedelta(seconds=hand.jumped_by_s) if hand is not None else None
