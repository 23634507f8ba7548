"""bin/up: the steps from a bare machine to a production database that answers. Each can be run again at any time."""

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy import (
    auditlog,
    engine,
    environment,
    frontend,
    homes,
    images,
    networks,
    packages,
    postgresql,
    router,
    supervisor,
    systemd,
)
from deploy.environment import Environment
from deploy.management import manage, open_installation
from deploy.processes import CHECKOUT
from deploy.progress import Progress, main

DEMO = 1200.0  # seconds until the demo's production database answers; building the first image takes most of it


NOT_AT_BOOT = {"Odoo images", "start after a reboot", "demo"}


def up(given: Sequence[str] | None = None) -> int:
    """`given` are its arguments, None: those of the program."""
    arguments, progress = parser().parse_args(given), Progress()
    os.umask(0o022)  # PostgreSQL, HAProxy and the web processes, which have users of their own, read what is made here
    if arguments.walls:
        with progress.step("firewall"):
            networks.close_early(environment.load(homes.find()))
        return 0
    if not arguments.boot:
        with progress.step("packages"):
            packages.ensure(packages.TO_RUN, progress)
    home = homes.prepare(homes.given(), progress)
    with homes.alone(home):
        values = settle(home, progress)
        for name, action in steps(home, values, progress).items():
            if not (arguments.boot and name in NOT_AT_BOOT):
                with progress.step(name):
                    action()
    if not arguments.boot:  # nobody sees it then, and it would keep a password in the machine's journal
        progress.say("")
        progress.say(addresses(home, values))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bin/up", description="Sets Berth up and starts it, or repairs what is down.")
    choice = made.add_mutually_exclusive_group()
    choice.add_argument("--boot", action="store_true", help="start what is set up, as systemd does after a reboot")
    choice.add_argument("--walls", action="store_true", help="set the firewall rules only; the engine need not run yet")
    return made


def steps(home: Path, values: Environment, progress: Progress) -> dict[str, Callable[[], object]]:
    """What follows once it is known which installation this is, in order."""
    url = values.get("BERTH_DOCKER_URL", engine.DEFAULT_URL)
    found: dict[str, Callable[[], object]] = {
        "tenants' networks and firewall": lambda: networks.ensure(values, url, progress),
        "PostgreSQL": lambda: postgresql.ensure(home, values, progress),
        "settings and code": lambda: open_installation(home),
        "front-end files": lambda: frontend.ensure(CHECKOUT),
        "database of the portal": lambda: auditlog.migrate(home, values, progress),
        "this machine's rows": lambda: manage("installation"),
        "static files": lambda: collect_static(home),
        "Odoo images": lambda: images.ensure(home, values, progress),
        "router": lambda: router.ensure(home, progress),
        "Berth's processes": lambda: supervisor.ensure(home, values, router.of(home), progress),
        "hosted databases": lambda: manage("reconcile", output=progress.stream()),
        "start after a reboot": lambda: systemd.ensure(home, values, progress),
    }
    if environment.has_demo(values):
        wait = f"--wait={DEMO:.0f}"
        found["demo"] = lambda: manage("demo", wait, output=progress.stream())
    return found


def settle(home: Path, progress: Progress) -> Environment:
    """Engine and environment: the engine tells which networks are taken, so it comes first."""
    saved = environment.saved(home)
    url = os.environ.get("BERTH_DOCKER_URL") or saved.get("BERTH_DOCKER_URL") or engine.DEFAULT_URL
    with progress.step("Docker Engine"):
        engine.ensure(url, progress)
    with progress.step(f"settings in {environment.env_file(home)}"):
        return environment.prepare(home, os.environ, engine.taken_subnets(url))


def collect_static(home: Path) -> None:
    """Compressing takes seconds, so only when a file is another than last time."""
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "static").rglob("*")):
        if path.is_file():
            digest.update(f"{path}\0".encode() + path.read_bytes())
    stamp = home / "static" / ".stamp"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        manage("collectstatic", "--no-input", "--clear")
        stamp.write_text(digest.hexdigest())


def addresses(home: Path, values: Environment) -> str:
    """What a person wants to know now."""
    file = home / "demo.json"
    if file.exists():
        demo = json.loads(file.read_text())
        lines = [
            f"portal      {demo['portal_url']}   ({demo['operator']} / {demo['operator_password']})",
            f"production  {demo['production_url']}   (Odoo: {demo['odoo_image']})",
            f"push to     {demo['push_url']}",
        ]
    else:
        here = f"http://127.0.0.1:{values['BERTH_PORTAL_PORT']}"
        lines = [f"portal      {values.get('BERTH_PORTAL_URL', here)}"]
    return "\n".join([*lines, f"home        {home}"])


if __name__ == "__main__":
    main(up)
