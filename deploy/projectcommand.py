"""bin/berth project: one is made of a repository, deleted, brought back."""

import argparse
import sys

from deploy import following
from deploy.asking import api, foretell
from deploy.caller import Api, Refused


def arguments(made: argparse.ArgumentParser) -> None:
    actions = made.add_subparsers(dest="action", required=True)
    new = actions.add_parser("make", help="of a repository that you may administer; its default branch is deployed")
    new.add_argument("repository", metavar="OWNER/NAME")
    new.add_argument("project", metavar="PROJECT", help="its address, for good")
    new.add_argument("--series", required=True, help="of Odoo, such as 18.0")
    new.add_argument("--name", help="else the repository's")
    new.add_argument("--code", help="of a subscription; else it is a trial")
    gone = actions.add_parser("delete", help="close it; what it has is kept for a while")
    gone.add_argument("project")
    gone.add_argument("--confirm", metavar="PROJECT", help="its address once more; else you are asked for it")
    gone.add_argument("--dry-run", action="store_true", help="say what would be done and lost")
    back = actions.add_parser("undo", help="bring a deleted one back")
    back.add_argument("project")
    for each in (new, back):
        each.add_argument("--no-wait", action="store_true", help="don't follow the deploy to its end")


def project(given: argparse.Namespace) -> int:
    found = api()
    if given.action == "make":
        wanted = {"repository": given.repository, "slug": given.project, "series": given.series}
        wanted |= {name: value for name, value in (("name", given.name), ("code", given.code)) if value}
        begun = found.write("POST", "projects/", wanted)
        print(f"{begun['project']['slug']} is made.")
        return _deployed(found, given, begun["operation"])
    if given.action == "undo":
        begun = found.write("POST", f"deleted-projects/{given.project}/undo/")
        print(f"{given.project} is there again.")
        return _deployed(found, given, begun["operation"])
    return _delete(found, given)


def _deployed(found: Api, given: argparse.Namespace, operation: int | None) -> int:
    if operation is None:
        print("Nothing had to be deployed.")
        return 0
    if given.no_wait:
        print(f"Operation {operation} has begun.")
        return 0
    return following.follow(found, given.project, operation)


def _delete(found: Api, given: argparse.Namespace) -> int:
    """Raises Refused where the address wasn't typed."""
    path = f"projects/{given.project}/delete/"
    told = found.write("POST", path, dry_run=1)
    if given.dry_run:
        return foretell(told)
    typed = given.confirm
    if typed is None:
        foretell(told)
        print(f"Type {given.project} to go on: ", end="", flush=True)
        typed = sys.stdin.readline().strip()
    if typed != given.project:
        raise Refused("That is not the project's address. Nothing was changed.")
    gone = found.write("POST", path, {"confirm": typed})
    print(f"{given.project} is deleted. For {gone['days_left']} days: bin/berth project undo {given.project}")
    return 0
