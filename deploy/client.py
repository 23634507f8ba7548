"""bin/berth for people and CI: what the pages do, through the API alone."""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from deploy import caller, domaincommand, following, projectcommand
from deploy.asking import api, ask, branch_of, foretell, table
from deploy.caller import Account, Api, Refused

PUSH_PATIENCE, POLL = 60.0, 2.0  # seconds: until a push has made a build, and between two looks


def login(arguments: argparse.Namespace) -> int:
    """The token is read from the terminal, or from standard input: an argument would be seen by others."""
    url = caller.checked(arguments.url)
    if sys.stdin.isatty():
        print(f"Make a token at {url}/account/tokens/")
        token = getpass.getpass("Token: ").strip()
    else:
        token = sys.stdin.readline().strip()
    account = Account(url, token)
    me = Api(account).get("me/")
    file = caller.remember(account)
    print(f"Logged in at {url} as {me['name']}, scope {me['token']['scope']}. The token is in {file}.")
    return 0


def projects(_arguments: argparse.Namespace) -> int:
    table([(each["slug"], f"Odoo {each['series']}", each["repository"]) for each in api().rows("projects/", 1000)])
    return 0


def builds(arguments: argparse.Namespace) -> int:
    found, query = api(), {}
    if arguments.branch:
        query["branch"] = branch_of(found, arguments.project, arguments.branch)["id"]
    table(line(each) for each in found.rows(f"projects/{arguments.project}/builds/", arguments.limit, **query))
    return 0


def push(arguments: argparse.Namespace) -> int:
    """What became of a commit that was pushed: its newest build, followed to its end with --wait."""
    found, deadline = api(), time.monotonic() + PUSH_PATIENCE
    path, query = f"projects/{arguments.project}/builds/", {"limit": 1, "commit": arguments.commit}
    while not (rows := found.get(path, **query)["results"]):
        if not arguments.wait or time.monotonic() > deadline:
            raise Refused(f"No build of {arguments.commit[:7]} has begun. Was it pushed, and do pushes build there?")
        time.sleep(POLL)
    table([line(rows[0])])
    if arguments.wait:
        return following.follow(found, arguments.project, rows[0]["operation"])
    return 1 if rows[0]["result"] in ("failure", "cancelled") else 0


def deploy(arguments: argparse.Namespace) -> int:
    found = api()
    branch = branch_of(found, arguments.project, arguments.branch)
    return ask(found, arguments, f"projects/{arguments.project}/branches/{branch['id']}/deploy/")


def merge(arguments: argparse.Namespace) -> int:
    """At the Git server, at once: what follows from it is told by `push status`."""
    found = api()
    branch, into = (branch_of(found, arguments.project, name) for name in (arguments.branch, arguments.into))
    path, body = f"projects/{arguments.project}/branches/{branch['id']}/merge/", {"into": into["id"]}
    if arguments.dry_run:
        return foretell(found.write("POST", path, body, dry_run=1))
    merged = found.write("POST", path, body)
    done = f"Merged as {merged['commit']}." if merged["commit"] else "There was nothing to merge."
    print(f"{done} {merged['then']}")
    return 0


def rollback(arguments: argparse.Namespace) -> int:
    """To the build that is named, or to the newest one before what serves that one can go back to."""
    found = api()
    number = arguments.build or way_back(found, arguments.project)
    return ask(found, arguments, f"projects/{arguments.project}/builds/{number}/roll-back/")


def way_back(found: Api, project: str) -> int:
    """Raises Refused."""
    for build in found.rows(f"projects/{project}/builds/", 20, stage="production", state="done"):
        if build["switched_at"] is None:
            continue
        path = f"projects/{project}/builds/{build['number']}/roll-back/"
        if not found.write("POST", path, dry_run=1)["refused"]:
            return int(build["number"])
    raise Refused("No pool of an earlier build is kept running. Deploy an older commit, or name a build.")


def logs(arguments: argparse.Namespace) -> int:
    found = api()
    if arguments.build:
        return following.build_log(found, arguments.project, arguments.build, follow=arguments.follow)
    branch = branch_of(found, arguments.project, arguments.branch or "")
    return following.database_log(found, arguments.project, branch["id"], follow=arguments.follow)


def backup(arguments: argparse.Namespace) -> int:
    found, path = api(), f"projects/{arguments.project}/backups/"
    if arguments.list:
        shown = ("id", "kind", "taken_at", "proof", "size_bytes")
        table([tuple(str(each[name]) for name in shown) for each in found.rows(path, 100)])
        return 0
    return ask(found, arguments, path)


def token(arguments: argparse.Namespace) -> int:
    found = api()
    if arguments.action == "list":
        shown = ("id", "name", "scope", "project", "expires_at", "last_used_at")
        table([tuple(str(each[name] or "-") for name in shown) for each in found.rows("tokens/", 100)])
    elif arguments.action == "make":
        wanted = {"name": arguments.what, "scope": arguments.scope, "project": arguments.project}
        print(found.write("POST", "tokens/", wanted | {"days": arguments.days})["token"])
    else:
        found.write("DELETE", f"tokens/{arguments.what}/")
        print(f"Token {arguments.what} is revoked.")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "login": login,
    "projects": projects,
    "project": projectcommand.project,
    "builds": builds,
    "push": push,
    "deploy": deploy,
    "merge": merge,
    "rollback": rollback,
    "logs": logs,
    "backup": backup,
    "domain": domaincommand.domain,
    "token": token,
}


def line(build: dict[str, Any]) -> tuple[str, ...]:
    how = build["result"] or build["state"]
    message = build["message"].partition("\n")[0][:60]
    return f"#{build['number']}", how, build["stage"], build["branch"]["name"], build["commit"][:7], message


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bin/berth", description="Berth, through its API.")
    commands = made.add_subparsers(dest="command", required=True)

    def command(name: str, what: str, *of: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=what, description=what)
        for each in of:
            found.add_argument(each)
        return found

    command("login", "remember a portal and a token for it", "url")
    command("projects", "your projects")
    projectcommand.arguments(command("project", "make, delete or bring back a project"))
    of_builds = command("builds", "the newest builds of a project", "project")
    of_builds.add_argument("--branch")
    of_builds.add_argument("--limit", type=int, default=20)
    pushed = command("push", "what became of a push")
    pushed.add_argument("what", choices=["status"])
    pushed.add_argument("project")
    pushed.add_argument("commit", help="all 40 digits")
    pushed.add_argument("--wait", action="store_true", help="until its build has ended")
    deployed = command("deploy", "build and deploy the newest commit of a branch", "project", "branch")
    merged = command("merge", "merge a branch into another on GitHub", "project", "branch", "into")
    back = command("rollback", "send production's requests back to an earlier build", "project")
    back.add_argument("build", type=int, nargs="?", help="its number; else the newest that is kept")
    read = command("logs", "the log of a branch's database, or of a build", "project")
    read.add_argument("branch", nargs="?", help="else production's")
    read.add_argument("--build", type=int, metavar="NUMBER")
    read.add_argument("-f", "--follow", action="store_true")
    backed = command("backup", "back production up, and wait until it is proven", "project")
    backed.add_argument("--list", action="store_true", help="list those that there are")
    for each in (deployed, back, backed):
        each.add_argument("--no-wait", action="store_true", help="don't follow it to its end")
    for each in (deployed, merged, back):
        each.add_argument("--dry-run", action="store_true", help="say what would be done and lost")
    domaincommand.arguments(command("domain", "custom domains of a branch"))
    _token_parser(command("token", "your tokens"))
    return made


def _token_parser(made: argparse.ArgumentParser) -> None:
    actions = made.add_subparsers(dest="action", required=True)
    actions.add_parser("list")
    new = actions.add_parser("make", help="print a new one, which is shown this once")
    new.add_argument("what", metavar="NAME")
    new.add_argument("--scope", choices=["read", "deploy", "admin"], default="read")
    new.add_argument("--project")
    new.add_argument("--days", type=int)
    actions.add_parser("revoke").add_argument("what", metavar="ID", type=int)


def main(given: Sequence[str] | None = None) -> int:
    """0: done and confirmed. 1: refused, or it failed."""
    arguments = parser().parse_args(given)
    try:
        return COMMANDS[arguments.command](arguments)
    except Refused as refusal:
        print(f"bin/berth: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read on has enough; nothing may be written when the program ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
