"""How long each series of Odoo lives, as data.

Odoo gives its three newest major versions standard support, three years from the release of each. Then extended support
begins, which has no security updates, and on Odoo.sh is for a limited number of versions. When a series was released
and its standard support ends is from the table of "Standard and extended support", which names months
(https://www.odoo.com/documentation/19.0/administration/standard_extended_support.html; its source is
content/administration/standard_extended_support.rst of github.com/odoo/documentation, read in November 2026); a month
counts to its last day. It names no end of the extension: the two years are Berth's own rule.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Phase(StrEnum):
    SUPPORTED = "supported"
    EXTENDED = "extended"
    PHASED_OUT = "phased out"


@dataclass(frozen=True)
class Life:
    """The days that end a phase belong to it."""

    series: str
    released: date
    supported_until: date
    extended_until: date

    def phase(self, day: date) -> Phase:
        if day <= self.supported_until:
            return Phase.SUPPORTED
        return Phase.EXTENDED if day <= self.extended_until else Phase.PHASED_OUT


LIVES = {
    life.series: life
    for life in (
        Life("16.0", date(2022, 10, 1), date(2025, 9, 30), date(2027, 9, 30)),
        Life("17.0", date(2023, 11, 1), date(2026, 9, 30), date(2028, 9, 30)),
        Life("18.0", date(2024, 10, 1), date(2027, 9, 30), date(2029, 9, 30)),
        Life("19.0", date(2025, 9, 1), date(2028, 9, 30), date(2030, 9, 30)),
    )
}


def phase(series: str, day: date) -> Phase:
    """Nothing is known to have ended of a series that isn't in the table."""
    return LIVES[series].phase(day) if series in LIVES else Phase.SUPPORTED


def notice(series: str, day: date) -> str:
    """What members of a project are told, "" while it is supported."""
    now = phase(series, day)
    if now == Phase.EXTENDED:
        life = LIVES[series]
        return (
            f"Odoo's standard support of {series} ended on {_words(life.supported_until)}: there are no security "
            f"updates any more. Upgrade by {_words(life.extended_until)}; from then on nothing is built of it."
        )
    if now == Phase.PHASED_OUT:
        return f"{refusal(series, day)} What runs goes on, and its backups can be taken away."
    return ""


def refusal(series: str, day: date) -> str:
    """Why nothing new is made of it, "" where it is."""
    if phase(series, day) != Phase.PHASED_OUT:
        return ""
    return f"Odoo {series} was phased out on {_words(LIVES[series].extended_until)}: nothing is built of it any more."


def _words(day: date) -> str:
    return f"{day:%-d %B %Y}"
