"""How far the audit log had come, and what its last hash was, kept at the places where the installation is stored.

The chain alone shows no end that was cut off, and none that was made anew as a whole. With each state of the
installation goes a tag that names the log's head of then; a place that keeps all keeps all of these, whatever is done
to this machine.
"""

from collections.abc import Iterable
from typing import NamedTuple

from hosting.engines.restic import Snapshot
from hosting.states import HEAD
from portal.audit import GENESIS
from portal.models import AuditEntry


class Head(NamedTuple):
    """The last entry of then, and its hash. Entry 0: there was none yet."""

    entry: int
    hash: str


def tag() -> str:
    """Of the log as it is now."""
    last = AuditEntry.objects.order_by("-pk").first()
    return f"audit-{last.pk}-{last.hash}" if last else f"audit-0-{GENESIS}"


def among(snapshots: Iterable[Snapshot]) -> list[Head]:
    """The heads that these states of the installation name; those of before there were any name none."""
    found = [HEAD.fullmatch(tag) for snapshot in snapshots for tag in sorted(snapshot.tags)]
    return [Head(int(match[1]), match[2]) for match in found if match]


def missing(heads: Iterable[Head]) -> list[Head]:
    """Those that the log has no more, in its order."""
    wanted = {head for head in heads if head.entry}
    hashes = AuditEntry.objects.filter(pk__in=[head.entry for head in wanted]).values_list("pk", "hash")
    return sorted(wanted - {Head(*row) for row in hashes})
