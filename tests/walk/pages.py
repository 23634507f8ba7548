"""The portal's pages, each with its rule. An address that isn't here fails the walk."""

from projects.access import Tool
from projects.models import Stage
from tests.walk import Rule, Scope, Who

PRODUCTION = (Stage.PRODUCTION,)
NOT_PRODUCTION = (Stage.DEVELOPMENT, Stage.STAGING)


def answers(get: int | None, post: int | None) -> dict[str, int]:
    return {method: code for method, code in (("GET", get), ("POST", post)) if code}


def anybody(get: int | None = 200, post: int | None = None) -> Rule:
    return Rule(Scope.ANYBODY, answers(get, post))


def person(get: int | None = 200, post: int | None = None) -> Rule:
    return Rule(Scope.PERSON, answers(get, post))


def operator(get: int | None = 200, post: int | None = None) -> Rule:
    return Rule(Scope.OPERATOR, answers(get, post))


def project(tool: Tool, get: int | None = 200, post: int | None = None, *, visitors: bool = False) -> Rule:
    return Rule(Scope.PROJECT, answers(get, post), tool, visitors)


def branch(
    tool: Tool,
    get: int | None = 200,
    post: int | None = None,
    *,
    only: tuple[Stage, ...] = tuple(Stage),
    owner: Who | None = None,
) -> Rule:
    return Rule(Scope.BRANCH, answers(get, post), tool, only=only, owner=owner)


def build(
    tool: Tool,
    get: int | None = 200,
    post: int | None = None,
    *,
    only: tuple[Stage, ...] = tuple(Stage),
    visitors: bool = False,
) -> Rule:
    return Rule(Scope.BUILD, answers(get, post), tool, visitors, only)


PAGES = {
    "healthz": anybody(),
    "hook": anybody(None, 401),  # no signature
    "challenge": anybody(404),  # no authority has asked
    "knock": anybody(None, 404),  # not the router
    "social:begin": anybody(None, 302),
    "social:complete": anybody(302, 302),  # no state
    "projects": person(),
    "new-project": person(200, 200),
    "tokens": person(200, 200),
    "repositories": person(),
    "disk": operator(),
    "quota": operator(None, 302),
    "places": operator(),
    "copy-now": operator(None, 302),
    "runtimes": operator(),
    "freeze": operator(None, 302),
    "project": project(Tool.BUILDS, 302),
    "branches": project(Tool.HISTORY, 302),
    "branch": branch(Tool.HISTORY),
    "branch-log": branch(Tool.LOGS),
    "branch-settings": branch(Tool.BRANCH_SETTINGS, 200, 200),
    "branch-domains": branch(Tool.BRANCH_SETTINGS, 200, 200),  # the form again: no name was given
    "check-domain": branch(Tool.BRANCH_SETTINGS, None, 302),
    "remove-domain": branch(Tool.BRANCH_SETTINGS, None, 302),
    "bring-certificate": branch(Tool.BRANCH_SETTINGS, None, 302),
    "renew-certificate": branch(Tool.BRANCH_SETTINGS, None, 404),  # there is none yet
    "branch-actions": branch(Tool.LOGS),
    "branch-backups": branch(Tool.BACKUPS),
    "branch-backups-future": branch(Tool.BACKUPS, only=PRODUCTION),
    "back-up": branch(Tool.BACKUPS, None, 302, only=PRODUCTION),
    "backup": branch(Tool.BACKUPS, only=PRODUCTION),
    "ask-download": branch(Tool.BACKUPS, None, 302, only=PRODUCTION),
    "send-download": branch(Tool.BACKUPS, only=PRODUCTION, owner=Who.ADMIN),
    "restore-here": branch(Tool.BACKUPS, 200, 200, only=PRODUCTION),
    "into-staging": branch(Tool.BACKUPS, 200, 200, only=PRODUCTION),
    "delete-backup": branch(Tool.BACKUPS, None, 302, only=PRODUCTION),
    "restore": branch(Tool.BACKUPS, only=PRODUCTION),
    "cancel-restore": branch(Tool.BACKUPS, None, 302, only=PRODUCTION),
    "switched-off": branch(Tool.BACKUPS, only=PRODUCTION),
    "switch-on": branch(Tool.BACKUPS, None, 302, only=PRODUCTION),
    "import": branch(Tool.BACKUPS),
    "begin-upload": branch(Tool.BACKUPS, None, 400),  # no size was given
    "upload": branch(Tool.BACKUPS, only=PRODUCTION, owner=Who.ADMIN),
    "upload-piece": branch(Tool.BACKUPS, None, 400, only=PRODUCTION, owner=Who.ADMIN),
    "import-here": branch(Tool.BACKUPS, None, 302, only=PRODUCTION, owner=Who.ADMIN),
    "branch-mails": branch(Tool.MAILS, only=NOT_PRODUCTION),
    "branch-mail": branch(Tool.MAILS, only=NOT_PRODUCTION),
    "mail-html": branch(Tool.MAILS, only=NOT_PRODUCTION),
    "mail-part": branch(Tool.MAILS, only=NOT_PRODUCTION),
    "mail-source": branch(Tool.MAILS, only=NOT_PRODUCTION),
    "wake": branch(Tool.CONNECT, None, 302),
    "branch-resize": branch(Tool.BRANCH_SETTINGS, None, 200),  # the form again: no size was given
    "move-branch": branch(Tool.BRANCH_SETTINGS, 302, 302),  # no stage was named
    "merge-branch": branch(Tool.HISTORY, 200, 200),  # the choice: no other branch was named
    "build-head": branch(Tool.DEPLOY, None, 302),
    "retired": project(Tool.SETTINGS),
    "ask-retired-download": project(Tool.SETTINGS, None, 404),  # no backup was named
    "send-retired-download": project(Tool.SETTINGS, 404),  # none was asked for
    "builds": project(Tool.BUILDS, visitors=True),
    "build": build(Tool.BUILDS, visitors=True),
    "step-log": build(Tool.LOGS, visitors=True),
    "build-log": build(Tool.LOGS, visitors=True),
    "neutralised": build(Tool.LOGS, visitors=True),
    "rebuild": build(Tool.DEPLOY, None, 302),
    "cancel": build(Tool.DEPLOY, None, 302),
    "pin": build(Tool.DEPLOY, None, 302),
    "roll-back": build(Tool.DEPLOY, 200, 302, only=PRODUCTION),
    "deploy-again": build(Tool.DEPLOY, None, 302, only=PRODUCTION),
    "audit": project(Tool.SETTINGS),
    "export-audit": project(Tool.SETTINGS),
    "operator-audit": operator(),
    "export-operator-audit": operator(),
    "subscriptions": operator(200, 200),  # the form again: nothing was chosen
    "subscription-end": operator(None, 302),
    "unlock": operator(None, 302),
    "subscription": project(Tool.SETTINGS, 200, 200),  # the form again: no code was entered
    "settings": project(Tool.SETTINGS, 200, 200),
    "members": project(Tool.SETTINGS),
    "invite": project(Tool.SETTINGS, None, 200),  # the form again: nobody was named
    "hand-over": project(Tool.SETTINGS, None, 200),
    "withdraw-invitation": project(Tool.SETTINGS, None, 302),
    "invitation": person(404, 404),  # no such link
    "delete-project": project(Tool.SETTINGS, 200, 200),  # the form again: nothing was typed
    "deleted": project(Tool.BUILDS, 404, 404),  # none of them is
    "leave": project(Tool.STATUS, 200, 302),
    "github": project(Tool.SETTINGS),
    "mend-webhook": project(Tool.SETTINGS, None, 302),
    "lend-account": project(Tool.SETTINGS, None, 302),
    "try-statuses": project(Tool.SETTINGS, None, 302),
    "submodules": project(Tool.SETTINGS, 200, 200),  # the form again: no address was given
    "install-key": project(Tool.SETTINGS, None, 302),
    "rotate-key": project(Tool.SETTINGS, None, 302),
    "forget-host": project(Tool.SETTINGS, None, 302),
    "remove-key": project(Tool.SETTINGS, None, 302),
    "webhooks": project(Tool.SETTINGS, 200, 200),  # the form again: no address was given
    "webhook": project(Tool.SETTINGS, 200, 200),
    "ping-webhook": project(Tool.SETTINGS, None, 302),
    "webhook-secret": project(Tool.SETTINGS, None, 302),
    "remove-webhook": project(Tool.SETTINGS, None, 302),
    "redeliver": project(Tool.SETTINGS, None, 302),
    "notifications": person(200, 302),
    "read-notices": person(None, 302),
    "change-member": project(Tool.SETTINGS, None, 302),
    "remove-member": project(Tool.SETTINGS, None, 302),
}
# They answer who is signed in otherwise than who is not, or are one person's own; they have tests of their own.
BESIDE = {"sign-in", "sign-out", "revoke-token", "notice"}
