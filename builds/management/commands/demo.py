"""The demo: a project on the local stand-in for GitHub, deployed to production."""

import json
import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from builds.begin import begin
from builds.models import Build
from hosting import machines, runtimes
from hosting.engines import probe
from portal import accounts, apitokens, environment
from portal.models import Scope, State
from portal.stories import StoryError
from projects import subscriptions
from projects.connect import connect, github
from projects.models import Project, Role, Stage, Subscription

SERIES = "18.0"
SLUG = "demo"
LAST_LINES = 10


class Command(BaseCommand):
    help = "Make the demo's project, wait until its production answers, and write demo.json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=float, default=600.0, metavar="SECONDS")

    def handle(self, *_args: Any, wait: float, **_options: Any) -> None:
        deadline = time.monotonic() + wait
        access = _access(deadline)
        project = Project.objects.filter(slug=SLUG).first() or _make_project(access)
        _deploy(project)
        address = _wait_for(project, deadline)
        runtime = runtimes.current(project.host, project.series, self.stdout.write)
        _write(
            Path(settings.BERTH_HOME) / "demo.json",
            {
                "portal_url": settings.BERTH_PORTAL_URL,
                "operator": accounts.OPERATOR,
                "operator_password": environment.secret("BERTH_OPERATOR_PASSWORD"),
                "api_token": _api_token(project),
                "project": project.slug,
                "push_url": access["push_url"],
                "production_url": address,
                "odoo_image": "stand-in" if runtime.stand_in else "real",
            },
        )
        if runtime.stand_in:
            self.stdout.write(f"Odoo itself is not here: Berth's stand-in takes its place ({runtime.name}).")


def _access(deadline: float) -> dict[str, Any]:
    """What the stand-in for GitHub wrote at its start, once it answers."""
    path = Path(settings.BERTH_HOME) / "fakehub" / "access.json"
    while time.monotonic() < deadline:
        if probe.status("127.0.0.1", settings.BERTH_FAKEHUB_PORT, "/", "127.0.0.1") and path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        time.sleep(0.2)
    raise CommandError(
        "The stand-in for GitHub doesn't answer. See fakehub.log in $BERTH_HOME/log, then run bin/up again."
    )


def _make_project(access: dict[str, Any]) -> Project:
    """As Alice would, who signs in with GitHub and connects her repository."""
    token = access["tokens"]["alice"]
    alice = accounts.of_github(uid=github(token).account().id, login="alice", token=token)
    try:
        fields = {"repository": access["repository"], "name": "Demo", "slug": SLUG, "series": SERIES}
        return connect(by=alice, code=_code(), **fields)
    except StoryError as error:
        raise CommandError(f"{error.title}. {error.detail} {error.remedy}") from error


def _api_token(project: Project) -> str:
    """Of the project's admin: the one that demo.json has, while it is good. Tokens are stored nowhere else."""
    try:
        token = str(json.loads((Path(settings.BERTH_HOME) / "demo.json").read_text())["api_token"])
        apitokens.find(token)
    except (OSError, ValueError, KeyError, apitokens.BadToken):
        alice = project.members.filter(role=Role.ADMIN).earliest("pk").user
        _row, token = apitokens.make(user=alice, name="The demo's", scope=Scope.ADMIN)
    return token


def _code() -> str:
    """Of a subscription without limits, so that the demo is no trial. Made once."""
    holder, kind = "the demo", Subscription.Kind.ENTERPRISE
    found = Subscription.objects.filter(holder=holder, kind=kind, project=None).first()
    made = found or subscriptions.add(Subscription(code=subscriptions.new_code(), kind=kind, holder=holder), by=None)
    return made.code


def _deploy(project: Project) -> None:
    """Begin a build of production unless one serves or is on its way: bin/up again tries again."""
    production = project.branches.get(stage=Stage.PRODUCTION)
    if production.instance is None and not production.builds.exclude(state=State.DONE).exists():
        begin(branch=production, commit=production.head, by=project.members.earliest("pk").user)


def _wait_for(project: Project, deadline: float) -> str:
    """The address of production, once it answers. A build that failed is said with its verdict."""
    while time.monotonic() < deadline:
        branch = project.branches.select_related("instance").get(stage=Stage.PRODUCTION)
        if branch.instance is not None:
            host, port = branch.instance.hostname, settings.BERTH_ROUTER_PORT
            if probe.status(machines.router_address(), port, "/web/login", host) == 200:
                return branch.instance.url
        elif not Build.objects.filter(branch=branch).exclude(state=State.DONE).exists():
            last = branch.builds.select_related("story").order_by("-pk").first()
            raise CommandError(
                f"The demo's production was not deployed. {why(last)} "
                f"See {settings.BERTH_PORTAL_URL}/{project.slug}/builds/, then run bin/up again."
            )
        time.sleep(0.5)
    raise CommandError(
        "The demo's production did not answer in time. See the build's page; run bin/up again to wait on."
    )


def why(build: Build | None) -> str:
    """What became of the build, with the end of what was printed: whoever reads it may have no browser at hand."""
    if build is None:
        return "No build began."
    detail = build.story.error_detail.splitlines() if build.story else []
    first, rest = detail[:1], detail[1:]  # the cause, and what was printed before it
    return "\n".join([build.verdict, *first, *rest[-LAST_LINES:]])


def _write(path: Path, content: dict[str, Any]) -> None:
    """Readable by its owner alone: it holds a password."""
    partial = path.with_suffix(".part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    partial.replace(path)
