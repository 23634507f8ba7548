"""Which of Odoo's warnings make a build yellow, and what is said of them."""

from collections import Counter
from collections.abc import Sequence

from builds.findings import ADDONS_ROOT
from hosting.odoo.loglines import MAX_ENTRIES, Entry

SHOWN = 5  # warnings; a run can log the same one for every record
LENGTH = 300  # characters of each


def complaints(warnings: Sequence[Entry]) -> list[str]:
    """A line each for the first few different ones, and one that counts the rest; what isn't the customer's apart."""
    found = Counter(f"{entry.logger}: {entry.message.strip()[:LENGTH]}" for entry in warnings if _concerns(entry))
    lines = [
        f"Odoo warned: {text}" + (f" ({count} times)" if count > 1 else "") for text, count in [*found.items()][:SHOWN]
    ]
    more = len(found) - len(lines)
    if more:
        at_least = "at least " if len(warnings) >= MAX_ENTRIES else ""
        lines.append(f"Odoo warned of {at_least}{more} more things: look for WARNING in the output above.")
    return lines


def _concerns(entry: Entry) -> bool:
    """Whether somebody who changes the repository can do something about it, and was not told of it already."""
    if entry.logger == "py.warnings":  # of Python and its packages, which new releases make speak up at any time
        return f"{ADDONS_ROOT}/" in entry.message
    if entry.logger == "odoo.tools.config":  # the platform writes the configuration
        return False
    return (
        not entry.message.startswith("invalid module names, ignored") and "unable to set NOT NULL" not in entry.message
    )
