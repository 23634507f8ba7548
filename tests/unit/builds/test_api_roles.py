"""Every operation of the API, walked by every role on its own and a foreign project, against the table of roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from hosting.models import Backup, Vault
from portal import clock
from portal.api.operations import Operation
from portal.api.views import ApiView
from portal.models import Result, Scope, State
from projects import invitations
from projects.access import Tool, allows
from projects.models import Hook, HookDelivery, Member, Role, Stage
from tests import cast
from tests.apis import Caller

ROLES: dict[str, Role | None] = {
    "outsider": None,
    "developer": Role.DEVELOPER,
    "tester": Role.TESTER,
    "admin": Role.ADMIN,
    "operator": Role.ADMIN,
}
NAMES = {"outsider": "oscar", "developer": "dev", "tester": "tom", "admin": "alice"}


@dataclass(frozen=True)
class Row:
    """What an operation asks for, and what it answers to who may. `of_stage`: the role is asked on the stage of the
    branch or build in the address; else some stage will do, or it is production's.
    """

    tool: Tool | None  # None: everybody's own
    code: int | dict[Stage, int] = 200  # 409: the domain refuses it in this world, after the role was asked
    body: Any = None
    of_stage: bool = True
    operators: int | None = None  # what it answers to one who is no member, where that is something else


SETTINGS, BACKUPS = Row(Tool.SETTINGS, of_stage=False), Row(Tool.BACKUPS, of_stage=False)
TABLE = {
    "me": Row(None),
    "list_tokens": Row(None),
    "make_token": Row(None, 201, {"name": "a", "scope": "read"}),
    "revoke_token": Row(None, 204),
    "list_projects": Row(None),
    "make_project": Row(None, 409, {"repository": "acme/shop", "slug": "shop", "series": "18.0"}),  # without GitHub
    "list_repositories": Row(None),
    "delete_project": Row(Tool.SETTINGS, 202, {"confirm": "demo"}, of_stage=False),
    "list_deleted_projects": Row(None),
    "show_deleted_project": SETTINGS,
    "undo_deletion": Row(Tool.SETTINGS, 202, of_stage=False),
    "show_project": Row(Tool.BUILDS, of_stage=False),
    "change_project": Row(Tool.SETTINGS, 200, {"name": "Other"}, of_stage=False),
    "list_branches": Row(Tool.HISTORY, of_stage=False),
    "show_branch": Row(Tool.HISTORY),
    "list_members": SETTINGS,
    "add_member": Row(Tool.SETTINGS, 409, {"login": "nobody", "role": "tester"}, of_stage=False),
    "change_member": Row(Tool.SETTINGS, 200, {"role": "tester"}, of_stage=False),
    "remove_member": Row(Tool.SETTINGS, 204, of_stage=False),
    "list_audit": SETTINGS,
    "list_builds": Row(Tool.BUILDS, of_stage=False),
    "list_runtimes": Row(Tool.HISTORY, of_stage=False),
    "show_build": Row(Tool.BUILDS),
    "list_steps": Row(Tool.STATUS),
    "read_step_log": Row(Tool.LOGS),
    "stream_step_log": Row(Tool.LOGS),
    "read_database_log": Row(Tool.LOGS, 404),  # there are no files
    "list_actions": Row(Tool.LOGS),
    "list_mails": Row(Tool.MAILS, {Stage.PRODUCTION: 404, Stage.STAGING: 200, Stage.DEVELOPMENT: 200}),
    "show_mail": Row(Tool.MAILS, {Stage.PRODUCTION: 404, Stage.STAGING: 200, Stage.DEVELOPMENT: 200}),
    "stream_mail": Row(Tool.MAILS, {Stage.PRODUCTION: 404, Stage.STAGING: 200, Stage.DEVELOPMENT: 200}),
    "list_retired": SETTINGS,
    "deploy_branch": Row(Tool.DEPLOY, 202),
    "rebuild": Row(Tool.DEPLOY, 202),
    "roll_back": Row(Tool.DEPLOY, {Stage.PRODUCTION: 409, Stage.STAGING: 404, Stage.DEVELOPMENT: 404}),
    "deploy_again": Row(Tool.DEPLOY, {Stage.PRODUCTION: 202, Stage.STAGING: 404, Stage.DEVELOPMENT: 404}),
    "wake": Row(Tool.CONNECT, 409),
    "move_branch": Row(Tool.BRANCH_SETTINGS, 202, lambda stage: {"stage": stage}),
    "merge_branch": Row(Tool.BRANCH_SETTINGS, 409, {"into": 0}),  # of which stage that is; nobody has a GitHub account
    "show_branch_settings": Row(Tool.BRANCH_SETTINGS),
    "change_branch_settings": Row(Tool.BRANCH_SETTINGS, 200, {"on_push": "nothing"}),
    "resize_branch": Row(Tool.BRANCH_SETTINGS, 202, {"memory_mb": 2048}),
    "list_domains": Row(Tool.BRANCH_SETTINGS),
    "add_domain": Row(Tool.BRANCH_SETTINGS, 201, {"name": "new.example.com"}),
    "show_domain": Row(Tool.BRANCH_SETTINGS),
    "remove_domain": Row(Tool.BRANCH_SETTINGS, 204),
    "check_domain": Row(Tool.BRANCH_SETTINGS, 202),
    "bring_certificate": Row(Tool.BRANCH_SETTINGS, 409, {"chain": "none", "key": "none"}),
    "renew_certificate": Row(Tool.BRANCH_SETTINGS, 404),  # there is none yet
    "list_deploy_keys": SETTINGS,
    "add_deploy_key": Row(Tool.SETTINGS, 409, {"url": "file:///srv/lib.git"}, of_stage=False),
    "show_deploy_key": SETTINGS,
    "rotate_deploy_key": SETTINGS,
    "install_deploy_key": Row(Tool.SETTINGS, 409, of_stage=False),  # nobody has a GitHub account
    "forget_host_key": SETTINGS,
    "remove_deploy_key": SETTINGS,
    "list_webhooks": SETTINGS,
    "add_webhook": Row(Tool.SETTINGS, 409, {"url": "nonsense", "events": ["deploy.done"]}, of_stage=False),
    "show_webhook": SETTINGS,
    "change_webhook": Row(Tool.SETTINGS, 200, {"active": False}, of_stage=False),
    "remove_webhook": Row(Tool.SETTINGS, 204, of_stage=False),
    "new_webhook_secret": SETTINGS,
    "try_webhook": Row(Tool.SETTINGS, 202, of_stage=False),
    "list_webhook_deliveries": SETTINGS,
    "show_webhook_delivery": SETTINGS,
    "send_webhook_again": Row(Tool.SETTINGS, 202, of_stage=False),
    "show_notifications": Row(None),
    "change_notifications": Row(None, 200, {"event": "build.done", "by_mail": True}),
    "list_notices": Row(None),
    "mark_notices_read": Row(None, 204),
    "list_invitations": SETTINGS,
    "invite_member": Row(Tool.SETTINGS, 201, {"whom": "oscar", "role": "tester"}, of_stage=False),
    "withdraw_invitation": Row(Tool.SETTINGS, 204, of_stage=False),
    "accept_invitation": Row(None, 409, {"link": "none"}),
    "hand_over_project": Row(Tool.SETTINGS, 201, {"whom": "oscar"}, of_stage=False),
    "leave_project": Row(Tool.STATUS, 204, of_stage=False, operators=409),
    "show_subscription": SETTINGS,
    "enter_subscription_code": Row(Tool.SETTINGS, 409, {"code": "NO-SUCH-CODE"}, of_stage=False),
    "show_repository": SETTINGS,
    "mend_github_webhook": Row(Tool.SETTINGS, 409, of_stage=False),  # nobody has a GitHub account
    "lend_account": Row(Tool.SETTINGS, 409, of_stage=False),
    "try_statuses": Row(Tool.SETTINGS, 409, of_stage=False),
    "list_backups": BACKUPS,
    "back_up": Row(Tool.BACKUPS, 202, of_stage=False),
    "show_backup": BACKUPS,
    "delete_backup": Row(Tool.BACKUPS, 204, of_stage=False),
    "restore_backup": Row(Tool.BACKUPS, 202, {"confirm": "demo"}, of_stage=False),
    "restore_into_staging": Row(Tool.BACKUPS, 202, lambda _stage: {"branch": 0}, of_stage=False),
    "download_backup": Row(Tool.BACKUPS, 202, {"form": "zip"}, of_stage=False),
    "list_downloads": BACKUPS,
    "stream_download": Row(Tool.BACKUPS, 404, of_stage=False),  # there is none yet
    "list_uploads": Row(Tool.BACKUPS),
    "begin_upload": Row(Tool.BACKUPS, 200, {"name": "shop.zip", "size": 10}),
    "show_upload": Row(Tool.BACKUPS, operators=404),  # Alice's own
    "send_piece": Row(Tool.BACKUPS, 409, b"a piece", operators=404),  # all of it is there
    "import_upload": Row(Tool.BACKUPS, 202, {"confirm": "demo"}, operators=404),
    "list_imports": Row(Tool.BACKUPS),
    "show_import": Row(Tool.BACKUPS),
    "list_switched_off": Row(Tool.BACKUPS),
    "switch_on": Row(Tool.BACKUPS, 202),
    "pin_build": Row(Tool.DEPLOY, {Stage.PRODUCTION: 409, Stage.STAGING: 200, Stage.DEVELOPMENT: 200}),
    "unpin_build": Row(Tool.DEPLOY, {Stage.PRODUCTION: 409, Stage.STAGING: 200, Stage.DEVELOPMENT: 200}),
    "show_operation": Row(Tool.LOGS),
    "cancel_operation": Row(Tool.LOGS, 409),  # it has ended
}


def operations() -> Iterator[tuple[str, str, str]]:
    """Name, method and path of each, from the schema."""
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method, path


def test_the_table_has_every_operation() -> None:
    assert {name for name, _method, _path in operations()} == set(TABLE)


@pytest.fixture
def world(people: SimpleNamespace) -> SimpleNamespace:
    people.operator, people.anna = cast.person("Operator", is_superuser=True), cast.person("Anna")
    cast.project("gone-demo", people, deleted_at=clock.now(), hours_left=700)
    return furnished("demo", people)


def furnished(slug: str, people: SimpleNamespace) -> SimpleNamespace:
    """A project with a branch and a build on each stage, and one row at least of whatever a project has."""
    project = cast.project(slug, people)
    branches = {
        stage: cast.branch(
            project, f"on-{stage}", stage, instance=cast.instance(stage, f"{slug}-{stage}.localhost"), head="a" * 40
        )
        for stage in Stage
    }
    source = cast.branch(project, "source", head="b" * 40)
    domains = {stage: cast.domain(branch, f"{stage}.example.com") for stage, branch in branches.items()}
    Member.objects.create(project=project, user=people.anna, role=Role.ADMIN)  # so that Alice isn't the last
    invitation, _link = invitations.invite(project=project, whom="nobody", role=Role.TESTER, by=people.alice)
    hook = Hook.objects.create(project=project, url="https://hooks.example/berth", events=["deploy.done"])
    builds = {stage: cast.build(branch) for stage, branch in branches.items()}
    restores = {stage: cast.imported(branch) for stage, branch in branches.items()}
    project.vault = Vault.objects.create()
    project.save()
    instance = branches[Stage.PRODUCTION].instance
    assert instance is not None
    backup = Backup.objects.create(
        vault=project.vault,
        instance=instance,
        kind=Backup.Kind.MANUAL,
        proof=Backup.Proof.PROVEN,
        state=State.DONE,
        result=Result.SUCCESS,
        snapshot="a",
        taken_at=clock.now(),
    )
    member = project.members.get(user=people.dev)
    return SimpleNamespace(
        project=project,
        branches=branches,
        source=source,
        builds=builds,
        backup=backup,
        domains=domains,
        uploads={stage: cast.upload(branch, people.alice) for stage, branch in branches.items()},
        restores=restores,
        parked={stage: cast.parked(restore) for stage, restore in restores.items()},
        mails={stage: cast.mail(branch.instance) for stage, branch in branches.items()},
        key=cast.deploy_key(project),
        hook=hook,
        delivery=HookDelivery.objects.create(hook=hook, event="deploy.done", body="{}"),
        member=member,
        invitation=invitation,
        people=people,
    )


def address(path: str, world: SimpleNamespace, stage: Stage, slug: str, caller: Caller | None) -> str:
    """Below that of the API."""
    if "/deleted-projects/" in path:
        slug = f"gone-{slug}"
    numbers = {
        "/branches/": world.source.pk if path.endswith("/merge/") else world.branches[stage].pk,
        "/backups/": world.backup.pk,
        "/deploy-keys/": world.key.pk,
        "/webhooks/": world.hook.pk,
        "/invitations/": world.invitation.pk,
        "/members/": world.member.pk,
        "/operations/": world.builds[stage].story_id,
        "/tokens/": caller.token.pk if caller else 1,
    }
    pk = next((str(pk) for part, pk in numbers.items() if f"{part}{{id}}" in path or f"{part}{{pk}}" in path), "0")
    path = path.replace("{domain}", str(world.domains[stage].pk)).replace("{delivery}", str(world.delivery.pk))
    path = path.replace("{mail}", str(world.mails[stage].pk)).replace("{upload}", str(world.uploads[stage].pk))
    path = path.replace("{restore}", str(world.restores[stage].pk)).replace("{off}", str(world.parked[stage].pk))
    path += "?offset=0" if path.endswith("/piece/") else ""
    found = path.removeprefix("/api/v1/").replace("{slug}", slug).replace("{id}", pk).replace("{pk}", pk)
    return found.replace("{number}", str(world.builds[stage].number)).replace("{name}", "fetch")


def expected(row: Row, role: str, stage: Stage, *, own: bool) -> int:
    """By the table of roles alone."""
    code = row.code if isinstance(row.code, int) else row.code[stage]
    if role == "operator" and row.operators:
        code = row.operators
    if row.tool is None:
        return code
    if not own or ROLES[role] is None:
        return 404
    stages = (stage,) if row.of_stage else tuple(Stage)
    return code if any(allows(ROLES[role], each, row.tool) for each in stages) else 403


def body_of(row: Row, stage: Stage, world: SimpleNamespace) -> Any:
    body = row.body(stage) if callable(row.body) else row.body
    if body == {"into": 0}:
        return {"into": world.branches[stage].pk}
    return {"branch": world.branches[Stage.STAGING].pk} if body == {"branch": 0} else body


def cases(path: str, row: Row) -> Iterator[tuple[str, Stage, bool]]:
    """Role, stage, and whether the project is one's own. Who may see every project has no foreign one."""
    stages = tuple(Stage) if row.of_stage and "{slug}" in path else (Stage.PRODUCTION,)
    for role, stage, own in product(ROLES, stages, (True, False)):
        of_project_alone = path.count("{") == 1
        if own or ("{slug}" in path and not (role == "operator" and of_project_alone)):
            yield role, stage, own


@contextmanager
def undone() -> Iterator[None]:
    """Whatever a case changes is as before for the next one."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_each_operation_answers_as_the_table_of_roles_says(
    world: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    cast.project("other")
    cast.project("gone-other", deleted_at=clock.now(), hours_left=700)
    count = 0
    for name, method, path in operations():
        row = TABLE[name]
        for role, stage, own in cases(path, row):
            with undone():
                caller = Caller(getattr(world.people, NAMES.get(role, role)))
                url = address(path, world, stage, "demo" if own else "other", caller)
                answer = caller.send(method, url, body_of(row, stage, world))
            wanted = expected(row, role, stage, own=own)
            assert answer.status_code == wanted, (name, role, stage, own, answer.content[:300])
            count += 1
    with capsys.disabled():
        print(f"\n{count} cases of operation, role, stage and project")
    assert count > 600


OF_PARAMETER = {
    "{domain}": ("domains",),
    "{delivery}": ("delivery",),
    "{mail}": ("mails",),
    "{upload}": ("uploads",),
    "{restore}": ("restores",),
    "{off}": ("parked",),
}
NESTED = {"{id}", *OF_PARAMETER}
OF_ID = ("branches", "source", "backup", "key", "hook", "invitation", "member", "builds")


def test_nothing_of_another_project_is_found_below_ones_own(
    world: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alice may everything that anybody may in her project; what an address names besides that is another's."""
    other = furnished("other", world.people)
    other.project.members.filter(user=world.people.alice).delete()
    count = 0
    for (name, method, path), stage, parameter in product(operations(), Stage, sorted(NESTED)):
        if "{slug}" not in path or parameter not in path:
            continue
        mixed = SimpleNamespace(**vars(world))
        for each in OF_PARAMETER.get(parameter, OF_ID):
            setattr(mixed, each, getattr(other, each))
        with undone():
            caller = Caller(world.people.alice)
            url = address(path, mixed, stage, "demo", caller)
            answer = caller.send(method, url, body_of(TABLE[name], stage, world))
        tool = TABLE[name].tool
        nobodys = parameter != "{id}" and tool is not None and not allows(Role.ADMIN, stage, tool)
        assert answer.status_code == (403 if nobodys else 404), (name, stage, parameter, answer.content[:300])
        count += 1
    with capsys.disabled():
        print(f"\n{count} cases of another project's rows below one's own")
    assert count > 100


def test_nobody_does_anything_without_a_token(world: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    count = 0
    for (name, method, path), stage, slug in product(operations(), Stage, ("demo", "other")):
        world.project.public = True  # even so
        world.project.save()
        answer = getattr(Client(), method)(f"/api/v1/{address(path, world, stage, slug, None)}")
        assert answer.status_code == 401, (name, stage, slug)
        count += 1
    with capsys.disabled():
        print(f"\n{count} cases without a token")


def test_a_write_takes_the_scope_that_it_is_declared_with(world: SimpleNamespace) -> None:
    needed = {operation.name: operation.scope for operation in declared()}
    for name, method, path in operations():
        weaker = [scope for scope in Scope if not scope.covers(needed[name])]
        for scope in weaker:
            caller = Caller(world.people.alice, scope)
            url = address(path, world, Stage.PRODUCTION, "demo", caller)
            answer = caller.send(method, url, body_of(TABLE[name], Stage.PRODUCTION, world))
            assert answer.status_code == 403, (name, scope)
            assert scope.value in answer.json()["detail"]
    assert {name for name, scope in needed.items() if scope == Scope.READ} == READS | {"revoke_token"}


READS = {name for name in TABLE if name.split("_")[0] in {"me", "list", "show", "read", "stream"}}


def declared() -> Iterator[Operation]:
    """What each method of each view of the API says of itself."""
    for view in views(get_resolver().url_patterns):
        for method in ("get", "post", "put", "patch", "delete"):
            handler = getattr(view, method, None)
            if handler is not None:
                yield handler.operation  # every handler says what it is


def views(patterns: list[URLPattern | URLResolver]) -> Iterator[type[ApiView]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
            continue
        view = getattr(pattern.callback, "view_class", None)
        if view is not None and issubclass(view, ApiView):
            yield view
