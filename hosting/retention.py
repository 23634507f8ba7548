"""Which backups are kept: one rule, asked by the clean-up after each backup, and by the page
that shows which there will be. It looks at nothing but what it is given.

Of nightly backups always 14 distinct ones, once there are so many: of the 7 newest days the last one each; of what is
older, the first day of each of the 4 newest weeks; of what is older and not among these, the first day of each of the 3
newest months. It counts backups, never their age: a clock that jumps ahead deletes none of them. Only proven ones
count, so that one that can't be restored never takes the place of one that can. Nor does one whose date is ahead of
that of one taken after it, as a wrong clock gives it: the rule is applied to those apart.
Besides these stay for a week: manual backups, and nightly ones that could not be proven, to look into.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

DAILY, WEEKLY, MONTHLY = 7, 4, 3
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Taken:
    """A backup, as far as the rule is concerned."""

    key: int
    at: datetime
    nightly: bool
    proven: bool


def to_keep(backups: Iterable[Taken], *, zone: tzinfo, now: datetime) -> set[int]:
    """The keys of those that stay, of `backups` in the order in which they were taken. Days, weeks (from Monday) and
    months are those of `zone`.
    """
    backups = list(backups)
    nightly = [backup for backup in backups if backup.nightly and backup.proven]
    others = [backup for backup in backups if not (backup.nightly and backup.proven)]
    ahead = _ahead(nightly)
    in_order = [backup for backup in nightly if backup not in ahead]
    return {
        *_by_rule(in_order, zone),
        *_by_rule(sorted(ahead, key=lambda backup: backup.at), zone),
        *(backup.key for backup in others if backup.at > now - WEEK),
    }


def future(backups: Iterable[Taken], nights: Iterable[datetime], *, zone: tzinfo) -> list[Taken]:
    """Which there will be after `nights` (sorted), if each of them brings a backup that is proven; their keys are
    negative. The rule is applied after each, as the clean-up does.
    """
    kept = list(backups)
    for number, night in enumerate(nights, start=1):
        kept.append(Taken(-number, night, nightly=True, proven=True))
        stays = to_keep(kept, zone=zone, now=night)
        kept = [backup for backup in kept if backup.key in stays]
    return kept


def _ahead(backups: list[Taken]) -> set[Taken]:
    """Those with a later date than one that was taken after them."""
    ahead: set[Taken] = set()
    earliest = None
    for backup in reversed(backups):
        if earliest is not None and backup.at > earliest:
            ahead.add(backup)
        else:
            earliest = backup.at
    return ahead


def _by_rule(backups: list[Taken], zone: tzinfo) -> set[int]:
    """Of `backups`, by date."""
    by_day = {backup.at.astimezone(zone).date(): backup.key for backup in backups}  # the last one of each day
    return {by_day[day] for day in _days(sorted(by_day))}


def _days(days: list[date]) -> set[date]:
    daily, older = days[-DAILY:], days[:-DAILY]
    first_of_week: dict[tuple[int, int], date] = {}
    first_of_month: dict[tuple[int, int], date] = {}
    for day in days:
        first_of_week.setdefault(day.isocalendar()[:2], day)
        first_of_month.setdefault((day.year, day.month), day)
    weekly = [day for day in first_of_week.values() if day in older][-WEEKLY:]
    monthly = [day for day in first_of_month.values() if day in older and day not in weekly][-MONTHLY:]
    return {*daily, *weekly, *monthly}
