"""The order of stored states of the installation: what the audit log had come to, not what a clock said.

A state that was stored while the clock was ahead bears a later date than those that follow it. The log only grows, and
each state has a tag with its last entry (hosting/auditheads.py makes it). Known to who restores too: no Django here.
"""

import re
from collections.abc import Iterable

from hosting.engines.restic import Snapshot

HEAD = re.compile(r"audit-(\d{1,18})-([0-9a-f]{64})")  # a tag: the log's last entry of then, and its hash


def in_order(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Oldest first. Those with the same entry stay in the order of their dates, in which restic gives them; so do those
    from before there were such tags, which come first.
    """
    return sorted(snapshots, key=_entry)


def _entry(snapshot: Snapshot) -> int:
    return max((int(match[1]) for match in map(HEAD.fullmatch, snapshot.tags) if match), default=-1)
