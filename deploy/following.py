"""Following what goes on by itself, for bin/berth: operations and logs, by asking again with a cursor."""

import time
from typing import Any

from deploy.caller import Api, Refused

POLL = 1.0  # seconds between two looks
BAD = {"failure", "cancelled"}


def follow(api: Api, project: str, number: int | None) -> int:
    """Tell the steps of an operation as they end. 0 only where what was asked for was found at the end."""
    if number is None:
        raise Refused("There is nothing to follow: it was begun before operations were kept.")
    told: set[str] = set()
    while True:
        operation = api.get(f"projects/{project}/operations/{number}/")
        for step in operation["steps"]:
            if step["state"] == "done" and step["name"] not in told:
                told.add(step["name"])
                print(f"  {step['title']}: {step['result']}{_seconds(step)}", flush=True)
        if operation["state"] == "done":
            return _ended(operation)
        time.sleep(POLL)


def _ended(operation: dict[str, Any]) -> int:
    error = operation["error"]
    if error:
        print("\n".join(part for part in (error["title"], error["detail"], error["remedy"]) if part))
    print(f"{operation['result']}: {operation['finding']}")
    return 0 if operation["confirmed"] and operation["result"] not in BAD else 1


def _seconds(step: dict[str, Any]) -> str:
    return f" ({step['seconds']:.1f} s)" if step["seconds"] is not None else ""


def build_log(api: Api, project: str, number: int, *, follow: bool) -> int:
    """What the steps of a build print, in order. It ends with the build, or when one may not read it any more."""
    home = f"projects/{project}/builds/{number}"
    at = 0
    while True:
        done = api.get(f"{home}/")["state"] == "done"
        steps = [step for step in api.get(f"{home}/steps/")["steps"] if step["state"] != "queued"]
        for step in steps[at:]:
            print(f"== {step['title']}", flush=True)
            _step_log(api, f"{home}/steps/{step['name']}/log/", follow=follow)
        at = len(steps)
        if done or not follow:
            return 0
        time.sleep(POLL)


def _step_log(api: Api, path: str, *, follow: bool) -> None:
    after = command = 0
    while True:
        page = api.get(path, after=after, command=command)
        for item in page["items"]:
            text = item["text"] if item["kind"] == "output" else f"$ {item['text']}\n"
            print(text, end="", flush=True)
        after, command = page["after"], page["command"]
        if not page["more"] or not (follow or page["items"]):
            return
        if not page["items"]:
            time.sleep(POLL)


def database_log(api: Api, project: str, branch: int, *, follow: bool) -> int:
    """The end of what Odoo logs, and what it goes on to log. It ends when one may not read it any more."""
    path = f"projects/{project}/branches/{branch}/log/"
    page = api.get(path)
    while True:
        for entry in page["entries"]:
            print(entry["text"], flush=True)
        if not follow:
            return 0
        moved = page
        page = api.get(path, file=page["file"], after=page["after"], inode=page["inode"])
        if page["after"] == moved["after"] and page["inode"] == moved["inode"]:
            time.sleep(POLL)
