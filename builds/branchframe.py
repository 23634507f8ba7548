"""What the pages of a branch have around them: the head with its tabs, and the columns of the project's branches."""

from typing import Any

from django.conf import settings

from builds import reading, rollback
from builds.models import Retired
from hosting import cronruns, sleep
from projects import gitcommands
from projects.access import Access, Tool
from projects.models import Branch, Project, Stage

SHOWN = 40  # branches of the sidebar; a search finds the others
MOVES_TO_DEVELOPMENT = {
    Stage.PRODUCTION: "its database is retired",
    Stage.STAGING: "its database stays as it is",
    Stage.DEVELOPMENT: "",
}


def branch_context(access: Access, branch: Branch, tab: str) -> dict[str, Any]:
    """What the head of a branch's pages shows."""
    production: Branch | None = branch
    if branch.stage != Stage.PRODUCTION:
        production = access.project.branches.alive().filter(stage=Stage.PRODUCTION).first()
    return {
        "moves": _moves(access, branch, has_production=production is not None),
        "access": access,
        "nav": "branches",
        "tab": tab,
        "branch": branch,
        "switched_off": cronruns.switched_off(branch.instance) if branch.instance else [],
        "rest": sleep.rest(branch.instance),
        "retiring": branch.stage == Stage.PRODUCTION and Retired.objects.going_on().filter(branch=branch).exists(),
        **_serving(access, branch),
        "latest": reading.for_lists().filter(branch=branch).order_by("-pk").first(),
        "may_connect": access.may_on(Tool.CONNECT, branch),
        "may_deploy": access.may(Tool.DEPLOY, branch.stage),
        "may_set": access.may(Tool.BRANCH_SETTINGS, branch.stage),
        "may_read_logs": access.may_on(Tool.LOGS, branch),
        "may_read_mails": branch.stage != Stage.PRODUCTION and access.may_on(Tool.MAILS, branch),
        "may_back_up": access.may(Tool.BACKUPS, branch.stage),
        "commands": gitcommands.commands(branch, base=production.name if production else branch.name),
        "github_url": settings.BERTH_GITHUB_URL,
    }


def _serving(access: Access, branch: Branch) -> dict[str, Any]:
    """The build of production that serves, which after a rollback isn't the latest, and the one to go back to."""
    if branch.stage != Stage.PRODUCTION or branch.instance is None or branch.instance.live_pool_id is None:
        return {}
    may_deploy = access.may(Tool.DEPLOY, branch.stage)
    return {
        "serving": reading.for_lists().serving(branch.instance),
        "way_back": rollback.target(branch.instance) if may_deploy else None,
    }


def _moves(access: Access, branch: Branch, *, has_production: bool) -> list[tuple[Stage, str]]:
    """The stages that the branch can be moved to by this person, each with what that does in a few words."""
    if not access.may(Tool.BRANCH_SETTINGS, branch.stage):
        return []
    does = {
        Stage.PRODUCTION: "its own database, at the project's address",
        Stage.STAGING: "a new neutralised copy of production",
        Stage.DEVELOPMENT: MOVES_TO_DEVELOPMENT[Stage(branch.stage)],
    }
    return [
        (stage, says)
        for stage, says in does.items()
        if stage != branch.stage
        and access.may(Tool.BRANCH_SETTINGS, stage)
        and not (stage == Stage.PRODUCTION and has_production)
        and not (stage == Stage.STAGING and branch.stage == Stage.PRODUCTION)
    ]


def sidebar(access: Access, search: str, chosen: Branch) -> dict[str, Any]:
    """The columns with their branches, each with its latest build; the chosen one is always there."""
    found = list(reading.by_stage(reading.matching(access.project.branches.alive(), search))[: SHOWN + 1])
    shown = found[:SHOWN]
    if not search and chosen not in shown:
        shown.append(chosen)
    columns: dict[Stage, list[reading.Row]] = {stage: [] for stage in reading.STAGES}
    for row in reading.rows(shown, cells=1):
        columns[Stage(row.branch.stage)].append(row)
    return {
        "columns": list(columns.items()),
        "branch_search": search,
        "hidden_branches": len(found) > SHOWN,
        "settable": [stage for stage in Stage if access.may(Tool.BRANCH_SETTINGS, stage)],
        "has_retired": not columns[Stage.PRODUCTION] and access.manages and _has_retired(access.project),
    }


def _has_retired(project: Project) -> bool:
    return Retired.objects.there().filter(project=project).exists()
