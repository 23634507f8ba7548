"""What Odoo's log says of scheduled actions: which began, ended, failed, or were killed at their time limit.

From 18 on a line names the action and its id; 16 and 17 name it alone (docs/odoo-image.md, "Scheduled actions").
"""

import ast
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from hosting.odoo.loglines import Entry

_NAMED = re.compile(r"Job (?P<name>'.*'|\".*\") \((?P<id>\d{1,9})\) (?P<what>starting|done in |server action #)")
_STARTING = re.compile(r"Starting job `(?P<name>.*)`\.")
_DONE = re.compile(r"Job `(?P<name>.*)` done\.")
_FAILED = re.compile(r"Call from cron (?P<name>.*) for server action #\d+ failed in Job #\d+")
_KILLED = re.compile(r"WorkerCron \((?P<pid>\d{1,9})\) timeout after")

ACTIONS, SERVER = "odoo.addons.base.models.ir_cron", "odoo.service.server"
LONGEST_NAME = 200


class What(StrEnum):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    KILLED = "killed"  # with its worker, at the time limit


_SAID = {"starting": What.STARTED, "done in ": What.DONE, "server action #": What.FAILED}


@dataclass(frozen=True)
class Event:
    """`pid` is the worker's. `action_id` is 0 and `name` "" where the line doesn't say."""

    what: What
    pid: int
    at: datetime
    action_id: int = 0
    name: str = ""


def event(entry: Entry) -> Event | None:
    """None for a line that says nothing of a scheduled action."""
    try:
        at = datetime.strptime(entry.time, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    if entry.logger == SERVER:
        killed = _KILLED.match(entry.message)
        return Event(What.KILLED, int(killed["pid"]), at) if killed else None
    if entry.logger != ACTIONS:
        return None
    named = _NAMED.match(entry.message)
    if named:
        return Event(_SAID[named["what"]], entry.pid, at, int(named["id"]), _unquoted(named["name"]))
    for pattern, what in ((_STARTING, What.STARTED), (_DONE, What.DONE), (_FAILED, What.FAILED)):
        if found := pattern.match(entry.message):
            return Event(what, entry.pid, at, 0, found["name"][:LONGEST_NAME])
    return None


def _unquoted(name: str) -> str:
    """Odoo writes the name as Python does, with its escapes."""
    try:
        return str(ast.literal_eval(name))[:LONGEST_NAME]
    except (ValueError, SyntaxError):
        return name[1:-1][:LONGEST_NAME]
