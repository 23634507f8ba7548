"""The one clock. Tests move it; nothing else in Berth asks the machine for the time of day, or how long it has run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

_BOOT = Path("/proc/sys/kernel/random/boot_id")

_offset = timedelta()
_run_on = timedelta()


def now() -> datetime:
    """The time in UTC, as rows store it. Somebody may set the machine's clock at any time: see portal/hours.py."""
    return timezone.now() + _offset


def since_start() -> tuple[str, float]:
    """Which start of the machine this is, and the seconds since then: a count that nobody can set."""
    return _BOOT.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME) + _run_on.total_seconds()


@contextmanager
def moved(by: timedelta) -> Iterator[None]:
    """Let the clock run ahead (or behind) by `by`, as if somebody had set it."""
    global _offset
    before, _offset = _offset, _offset + by
    try:
        yield
    finally:
        _offset = before


@contextmanager
def passed(by: timedelta) -> Iterator[None]:
    """Let so much time have passed: by the clock, and by the machine's own count."""
    global _run_on
    before, _run_on = _run_on, _run_on + by
    try:
        with moved(by):
            yield
    finally:
        _run_on = before
