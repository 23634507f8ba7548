"""What the commands of bin/berth share: the account, looking things up, asking for something and following it."""

import argparse
from typing import Any

from deploy import caller, following
from deploy.caller import Api, Refused


def api() -> Api:
    return Api(caller.remembered())


def branch_of(found: Api, project: str, name: str) -> dict[str, Any]:
    """The branch of that name; production's where none is named. Raises Refused."""
    query = {"name": name} if name else {"stage": "production"}
    rows = found.get(f"projects/{project}/branches/", **query)["results"]
    if not rows:
        raise Refused(f"{project} has no branch {name}." if name else f"{project} has no production branch.")
    branch: dict[str, Any] = rows[0]
    return branch


def ask(found: Api, arguments: argparse.Namespace, path: str) -> int:
    """Send it and follow it to its end, or say with --dry-run what it would do."""
    if getattr(arguments, "dry_run", False):
        return foretell(found.write("POST", path, dry_run=1))
    operation = found.write("POST", path)
    if arguments.no_wait:
        print(f"Operation {operation['id']} has begun.")
        return 0
    return following.follow(found, arguments.project, operation["id"])


def foretell(told: dict[str, Any]) -> int:
    for title, name in (("It would", "would"), ("Lost", "lost"), ("Not undone by it", "stays")):
        if told[name]:
            print("\n".join([f"{title}:", *(f"  - {each}" for each in told[name])]))
    if told["refused"]:
        print(f"Refused: {told['refused']}")
    return 1 if told["refused"] else 0


def table(rows: Any) -> None:
    found = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    for row in found:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
