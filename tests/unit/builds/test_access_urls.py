"""Every address, walked by every role, on its own project and on a foreign one."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from builds import download
from builds.models import Download, Restore, Upload
from hosting.models import Backup, Vault
from portal import clock
from portal.models import Result, State
from projects.models import Branch, Stage
from tests import cast

PEOPLE = ("alice", "tom", "dev", "oscar", None)
SIGN_IN = 302


@dataclass(frozen=True)
class Expected:
    """Status codes for PEOPLE, in their order, by the stage of the branch or build in question."""

    production: tuple[int, ...]
    staging: tuple[int, ...]
    development: tuple[int, ...]
    method: str = "get"


def everywhere(*codes: int, method: str = "get") -> Expected:
    assert len(codes) == len(PEOPLE)
    return Expected(codes, codes, codes, method)


def by_stage(code: int, *, method: str = "get") -> Expected:
    """For admins on production, testers on staging, developers on development."""
    return Expected(
        (code, 403, 403, 404, SIGN_IN),
        (code, code, 403, 404, SIGN_IN),
        (code, code, code, 404, SIGN_IN),
        method,
    )


def not_of_production(code: int) -> Expected:
    """As by stage, of what production has none of."""
    return replace(by_stage(code), production=(404, 403, 403, 404, SIGN_IN))


def of_production(code: int, *, method: str = "get") -> Expected:
    """For admins on production; nobody has it elsewhere."""
    return Expected(
        (code, 403, 403, 404, SIGN_IN), (404, 404, 403, 404, SIGN_IN), (404, 404, 404, 404, SIGN_IN), method
    )


MEMBERS = everywhere(200, 200, 200, 404, SIGN_IN)
ADMINS = everywhere(200, 403, 403, 404, SIGN_IN)
ADMINS_POST = everywhere(302, 403, 403, 404, SIGN_IN, method="post")
BACKUPS = Expected(  # only production has them; on staging admins find none, on development nobody may look
    (200, 403, 403, 404, SIGN_IN), (404, 403, 403, 404, SIGN_IN), (403, 403, 403, 404, SIGN_IN)
)
IMPORTS = Expected(  # staging takes archives and backups of production
    (200, 403, 403, 404, SIGN_IN), (200, 403, 403, 404, SIGN_IN), (403, 403, 403, 404, SIGN_IN)
)
BACKUPS_POST = replace(BACKUPS, production=(302, 403, 403, 404, SIGN_IN), method="post")
WITHOUT_SIZE = (400, 403, 403, 404, SIGN_IN)
EXPECTED = {
    "project": everywhere(302, 302, 302, 404, SIGN_IN),
    "branches": everywhere(302, 302, 302, 404, SIGN_IN),
    "branch": MEMBERS,
    "branch-log": by_stage(200),
    "branch-settings": by_stage(200),
    "branch-actions": by_stage(200),
    "branch-backups-future": BACKUPS,
    "branch-backups": IMPORTS,
    "backup": BACKUPS,
    "ask-download": BACKUPS_POST,
    "delete-backup": BACKUPS_POST,
    "into-staging": BACKUPS,
    "send-download": BACKUPS,
    "restore-here": BACKUPS,
    "restore": BACKUPS,
    "branch-mails": not_of_production(200),
    "branch-mail": not_of_production(200),
    "mail-html": not_of_production(200),
    "mail-part": not_of_production(200),
    "mail-source": not_of_production(200),
    "cancel-restore": BACKUPS_POST,
    "switched-off": BACKUPS,
    "switch-on": BACKUPS_POST,
    "import": IMPORTS,
    "begin-upload": replace(IMPORTS, production=WITHOUT_SIZE, staging=WITHOUT_SIZE, method="post"),
    "upload": BACKUPS,
    "upload-piece": replace(BACKUPS, production=WITHOUT_SIZE, method="post"),
    "import-here": BACKUPS_POST,
    "back-up": BACKUPS_POST,
    "wake": by_stage(302, method="post"),
    "branch-resize": by_stage(200, method="post"),  # the form again: no size was given
    "move-branch": by_stage(302, method="post"),
    "build-head": by_stage(302, method="post"),
    "retired": ADMINS,
    "ask-retired-download": everywhere(404, 403, 403, 404, SIGN_IN, method="post"),  # none is retired
    "send-retired-download": everywhere(404, 403, 403, 404, SIGN_IN),
    "builds": MEMBERS,
    "build": MEMBERS,
    "step-log": by_stage(200),
    "build-log": by_stage(200),
    "rebuild": by_stage(302, method="post"),
    "cancel": by_stage(302, method="post"),
    "pin": by_stage(302, method="post"),
    "roll-back": of_production(200),
    "deploy-again": of_production(302, method="post"),
    "quota": everywhere(404, 404, 404, 404, SIGN_IN, method="post"),  # the operator's
    "settings": ADMINS,
    "add-member": everywhere(200, 403, 403, 404, SIGN_IN, method="post"),  # the form again: no name was given
    "change-member": ADMINS_POST,
    "remove-member": ADMINS_POST,
}
OF_THE_PROJECT = {
    name
    for name in EXPECTED
    if name in {"project", "branches", "builds", "settings", "quota"} or "member" in name or "retired" in name
}
NOT_OF_A_PROJECT = {"projects", "new-project", "repositories", "disk"}
PUBLIC = {"sign-in", "sign-out", "healthz", "hook", "knock", "social:begin", "social:complete"}


def names(patterns: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
        else:
            yield f"{namespace}{pattern.name}"


def test_every_address_is_walked() -> None:
    assert set(names(get_resolver().url_patterns)) == set(EXPECTED) | NOT_OF_A_PROJECT | PUBLIC


@pytest.fixture
def world(people: SimpleNamespace, settings: Settings, tmp_path: Path) -> SimpleNamespace:
    """A project with a branch and a build on each stage, and what the addresses need of each."""
    project = cast.project("demo", people)
    branches = {
        stage: cast.branch(project, f"on-{stage}", stage, instance=cast.instance(stage, f"{stage}.localhost"))
        for stage in Stage
    }
    builds = {stage: cast.build(branch) for stage, branch in branches.items()}
    mails = {stage: cast.mail(branch.instance) for stage, branch in branches.items()}
    member = project.members.get(user=people.dev)
    settings.BERTH_HOME = tmp_path
    return SimpleNamespace(
        project=project,
        branches=branches,
        builds=builds,
        mails=mails,
        member=member,
        people=people,
        download=_download(branches[Stage.PRODUCTION], people),
        restore=Restore.objects.create(
            branch=branches[Stage.PRODUCTION], state=State.DONE, result=Result.SUCCESS, imported=True
        ),
        upload=Upload.objects.create(branch=branches[Stage.PRODUCTION], asked_by=people.alice, size_bytes=1),
    )


def _download(branch: Branch, people: SimpleNamespace) -> Download:
    """A backup of production that Alice may have."""
    values = {"vault": Vault.objects.create(), "kind": Backup.Kind.MANUAL, "proof": Backup.Proof.PROVEN}
    values |= {"state": State.DONE, "snapshot": "a", "taken_at": clock.now(), "size_bytes": 1}
    assert branch.instance is not None
    backup = Backup.objects.create(instance=branch.instance, **values)
    values = {"form": Download.Form.ZIP, "asked_by": people.alice, "state": State.DONE, "size_bytes": 1}
    values |= {"expires_at": clock.now() + timedelta(hours=1)}
    made = Download.objects.create(backup=backup, branch=branch, **values)
    download.file(made).parent.mkdir()
    download.file(made).write_bytes(b"1")
    return made


ARGUMENTS = (
    ("slug",),
    ("slug", "pk"),
    ("slug", "number"),
    ("slug", "number", "name"),
    ("slug", "pk", "backup"),
    ("slug", "pk", "download"),
    ("slug", "pk", "restore"),
    ("slug", "pk", "mail"),
    ("slug", "pk", "mail", "part"),
    ("slug", "pk", "upload"),
)


def address(name: str, world: SimpleNamespace, stage: str, slug: str = "demo") -> str:
    """The address of `name` for the world's objects of `stage`, below the project `slug`."""
    wanted = {
        "slug": slug,
        "pk": world.member.pk if "member" in name else world.branches[stage].pk,
        "number": world.builds[stage].number,
        "name": "fetch",
        "backup": world.download.backup_id,
        "download": world.download.pk,
        "restore": world.restore.pk,
        "mail": world.mails[stage].pk,
        "part": 1,
        "upload": world.upload.pk,
    }
    for arguments in ARGUMENTS:
        with suppress(NoReverseMatch):
            return reverse(name, kwargs={each: wanted[each] for each in arguments})
    raise AssertionError(f"{name} needs something else")


def visit(who: str | None, world: SimpleNamespace, method: str, url: str) -> int:
    client = Client()
    if who:
        client.force_login(getattr(world.people, who))
    return int(getattr(client, method)(url).status_code)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_address_answers_by_role_and_stage(name: str, world: SimpleNamespace) -> None:
    expected = EXPECTED[name]
    for stage in [Stage.PRODUCTION] if name in OF_THE_PROJECT else Stage:
        codes = [visit(who, world, expected.method, address(name, world, stage)) for who in reversed(PEOPLE)]

        assert tuple(reversed(codes)) == getattr(expected, stage), stage


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - OF_THE_PROJECT | {"change-member", "remove-member"}))
def test_an_object_of_another_project_is_not_found(name: str, world: SimpleNamespace) -> None:
    """Alice owns the other project as well: what counts is the project in the address."""
    other = cast.project("other", world.people)
    number = world.builds[Stage.PRODUCTION].number
    assert not other.builds.filter(number=number).exists()

    url = address(name, world, Stage.DEVELOPMENT, slug="other")

    assert visit("alice", world, EXPECTED[name].method, url) == 404


@pytest.mark.parametrize("name", EXPECTED)
def test_a_project_that_does_not_exist_looks_like_a_foreign_one(name: str, world: SimpleNamespace) -> None:
    url = address(name, world, Stage.PRODUCTION, slug="nothing")

    assert visit("oscar", world, EXPECTED[name].method, url) == 404
    assert visit(None, world, EXPECTED[name].method, url) == SIGN_IN


@pytest.mark.parametrize("name", sorted(NOT_OF_A_PROJECT))
def test_who_is_not_signed_in_is_sent_to_do_so(name: str, db: None) -> None:
    response = Client().get(reverse(name))

    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("who", ["oscar", None])
def test_visitors_of_a_public_project_see_builds_and_logs_of_development_alone(
    who: str | None, world: SimpleNamespace
) -> None:
    world.project.public = True
    world.project.save()
    hidden = 404 if who else SIGN_IN
    seen = {
        (name, stage): visit(who, world, EXPECTED[name].method, address(name, world, stage))
        for name in EXPECTED
        for stage in Stage
    }
    shown = {("builds", stage) for stage in Stage} | {("build", stage) for stage in Stage}
    shown |= {("step-log", Stage.DEVELOPMENT), ("build-log", Stage.DEVELOPMENT)}

    assert {key for key, code in seen.items() if code == 200} == shown
    assert {code for key, code in seen.items() if key not in shown and key[0] != "project"} == {hidden}


def test_the_operator_may_all(world: SimpleNamespace) -> None:
    world.people.operator = cast.person("Operator", is_superuser=True)

    for name, expected in EXPECTED.items():
        if expected.method == "get" and not name.endswith("-download") and name != "upload":  # one person's own
            stage = Stage.STAGING if expected.production[0] == 404 else Stage.PRODUCTION
            assert visit("operator", world, "get", address(name, world, stage)) in {200, 302}
