"""Things that bear this installation's name and an instance's, where no such instance is known.

Rows of instances are never deleted, and each is there before the first thing it stands for. So where there is none, it
is the row that was lost: the portal's database is an empty one, or an older state of it. Such a thing is never removed,
as nobody knows whose it is; the operator is told (docs/operate.md, "Rows that are missing").
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from django.conf import settings
from django.db import connection

from hosting import machines
from hosting.models import DatabaseServer, Instance
from portal import alarms

_STEM = re.compile(r"i([1-9]\d{0,11})([_-].*)?")  # i42, i42_b7, i42-g1-web
MANUAL = 'docs/operate.md, "Rows that are missing", says how to bring the rows back, or to remove these on purpose.'


def rows(names: Iterable[str], prefix: str = "") -> dict[str, Instance]:
    """The instance of each name, whatever its state. A name without a row is left out."""
    numbers = {name: number(name, prefix) for name in sorted(names)}
    there = Instance.objects.in_bulk([each for each in numbers.values() if each is not None])
    return {name: there[each] for name, each in numbers.items() if each is not None and each in there}


def number(name: str, prefix: str = "") -> int | None:
    """Which instance's it is by its name; None where the name is none that Berth gives."""
    found = _STEM.fullmatch(name.removeprefix(prefix))
    return int(found[1]) if found else None


def tell(what: str, names: Collection[str], prefix: str = "") -> list[str]:
    """Raise the alarm over them, or end it where there are none (any more). Returns a line for the log."""
    named = ", ".join(sorted(names))
    title = f"No row of the portal knows these {what}: {named}"
    detail = (
        f"They were made by this installation: {named}. The rows of their instances are missing, as if the portal's"
        f" database were an empty one or of an earlier day. Nothing of them was removed or changed. {MANUAL}"
    )
    alarms.keep(f"strangers: {what}"[:64], title, detail, wrong=bool(names))
    if not names:
        return []
    step_over(number(name, prefix) for name in names)
    return [f"left {what} alone that no row knows: {named}"]


def databases_begin() -> str:
    """How the names of this installation's hosted databases and roles begin, up to the instance's own."""
    return f"b{settings.BERTH_INSTALLATION}_"


def folders() -> list[str]:
    """The folders of instances, with or without a row; what else an operator may have put beside them is not theirs."""
    root = Path(settings.BERTH_HOME) / "instances"
    there = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.exists() else []
    return [name for name in there if number(name) is not None]


def look_ahead() -> None:
    """Before the first new instance is made: no number of a database or folder that is there is given again."""
    prefix = databases_begin()
    names = set(folders())
    for server in DatabaseServer.objects.all():
        names |= {name.removeprefix(prefix) for name in machines.cluster(server).databases(prefix)}
    step_over(number(name) for name in names)


def step_over(numbers: Iterable[int | None]) -> None:
    """No new instance gets one of these numbers: it would take over what lies there under its name."""
    highest = max((each for each in numbers if each is not None), default=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [Instance._meta.db_table])
        (sequence,) = cursor.fetchone()
        statement = f"SELECT setval(%s, %s) FROM {sequence} WHERE last_value < %s"  # its name is quoted by PostgreSQL
        cursor.execute(statement, [sequence, highest, highest])
