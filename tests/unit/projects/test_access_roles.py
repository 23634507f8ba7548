"""Which role may use which tool on which stage, cell by cell."""

import pytest

from projects.access import Tool, allows
from projects.models import Role, Stage

DEVELOPER, TESTER, ADMIN = Role.DEVELOPER, Role.TESTER, Role.ADMIN
EVERYBODY = {None, DEVELOPER, TESTER, ADMIN}
MEMBERS = {DEVELOPER, TESTER, ADMIN}
TESTERS = {TESTER, ADMIN}
ADMINS = {ADMIN}

BY_STAGE = (MEMBERS, TESTERS, ADMINS)
TABLE = {
    Tool.BUILDS: (EVERYBODY, EVERYBODY, EVERYBODY),
    Tool.HISTORY: (MEMBERS, MEMBERS, MEMBERS),
    Tool.CONNECT: BY_STAGE,
    Tool.LOGS: (EVERYBODY, TESTERS, ADMINS),
    Tool.DEPLOY: BY_STAGE,
    Tool.SHELL: BY_STAGE,
    Tool.MAILS: BY_STAGE,
    Tool.MONITOR: BY_STAGE,
    Tool.BRANCH_SETTINGS: BY_STAGE,
    Tool.BACKUPS: (set(), ADMINS, ADMINS),
    Tool.UPGRADE: (set(), TESTERS, ADMINS),
    Tool.STATUS: (MEMBERS, MEMBERS, MEMBERS),
    Tool.SETTINGS: (ADMINS, ADMINS, ADMINS),
}
STAGES = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("tool", Tool)
def test_a_tool_is_for_the_roles_that_the_table_names(tool: Tool, stage: Stage) -> None:
    may = {role for role in EVERYBODY if allows(role, stage, tool)}

    assert may == TABLE[tool][STAGES.index(stage)]
