"""bin/berth domain: a branch's custom domains."""

import argparse
import time
from typing import Any

from deploy.asking import api, branch_of, foretell, table
from deploy.caller import Api, Refused

PATIENCE, POLL = 60.0, 1.0  # seconds: until DNS was asked, and between two looks


def arguments(made: argparse.ArgumentParser) -> None:
    actions = made.add_subparsers(dest="action", required=True)
    for name, what in (
        ("list", "which there are, and whether they lead here"),
        ("add", "claim a name, and print what DNS has to say"),
        ("check", "ask DNS now; 0 where the name is proven and leads here"),
        ("remove", "give a name up, with its certificate"),
    ):
        action = actions.add_parser(name, help=what, description=what)
        action.add_argument("project")
        if name != "list":
            action.add_argument("name")
        action.add_argument("--branch", default="", help="else production")
        if name == "remove":
            action.add_argument("--dry-run", action="store_true", help="say what would be done and lost")


def domain(given: argparse.Namespace) -> int:
    found = api()
    branch = branch_of(found, given.project, given.branch)
    path = f"projects/{given.project}/branches/{branch['id']}/domains/"
    if given.action == "list":
        table((each["name"], _state(each), _certificate(each)) for each in found.rows(path, 100))
        return 0
    if given.action == "add":
        _print_records(found.write("POST", path, {"name": given.name}))
        return 0
    row = _named(found, path, given.name)
    one = f"{path}{row['id']}/"
    if given.action == "check":
        return _check(found, one, row)
    if given.dry_run:
        return foretell(found.write("DELETE", one, dry_run=1))
    found.write("DELETE", one)
    print(f"{row['name']} is removed. Take its records out of DNS.")
    return 0


def _named(found: Api, path: str, name: str) -> dict[str, Any]:
    """Raises Refused."""
    wanted = name.strip().lower().removesuffix(".")
    rows = list(found.rows(path, 100))
    for row in rows:
        if row["name"] == wanted:
            return row
    known = ", ".join(row["name"] for row in rows) or "none"
    raise Refused(f"The branch has no domain {name}. It has {known}; international names are written as xn--...")


def _check(found: Api, one: str, before: dict[str, Any]) -> int:
    """Ask, and wait for what DNS says. Raises Refused where nobody looked."""
    found.write("POST", f"{one}check/")
    deadline = time.monotonic() + PATIENCE
    while (row := found.get(one))["checked_at"] == before["checked_at"]:
        if time.monotonic() > deadline:
            raise Refused("DNS was not asked yet. It goes on by itself; look again later.")
        time.sleep(POLL)
    seen = row["found"]
    print(f"{row['name']}: {_state(row)}. {_certificate(row)}")
    for title, name in (("CNAME", "cnames"), ("addresses", "addresses"), ("TXT", "texts")):
        if seen.get(name):
            print(f"  {title}: {', '.join(seen[name])}")
    if row["proven_at"] and seen.get("here"):
        return 0
    _print_records(row)
    return 1


def _print_records(row: dict[str, Any]) -> None:
    print(f"DNS has to say for {row['name']}:\n  CNAME {row['cname']}")
    if not row["proven_at"]:
        print(f"or, where it has other records, to prove it:\n  {row['text_name']} TXT {row['text']}")


def _state(row: dict[str, Any]) -> str:
    seen = row["found"]
    if row["parked"]:
        return "parked: its branch left production"
    if not row["proven_at"]:
        return seen.get("error") or "waits for DNS"
    return "leads here" if seen.get("here") else seen.get("error") or "proven, but leads elsewhere"


def _certificate(row: dict[str, Any]) -> str:
    certificate = row["certificate"]
    if certificate is None:
        return "no certificate"
    until = certificate["not_after"]
    return f"certificate until {until[:10]}" if until else certificate["error"] or "certificate awaited"
