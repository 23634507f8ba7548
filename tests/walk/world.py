"""Two projects with an object of each kind, and the addresses of these objects."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from builds import download
from builds.models import Download, Restore, Retired, Upload
from hosting.models import Backup, Instance, Place, Vault, VaultCopy
from portal import clock
from portal.accounts import PROVIDER
from portal.models import Result, State, User
from projects.invitations import invite
from projects.models import Branch, Hook, HookDelivery, Member, Project, Role, Stage, Subscription
from tests import cast
from tests.walk import Whose

Kinds = dict[str, dict[Stage, object]]  # what to put into an address, by kind of object and stage

# Which parts of an address name what is the person's own; all of it where nothing is said.
OWN_PARTS: dict[Whose, set[str]] = {
    Whose.FOREIGN: set(),
    Whose.SMUGGLED: {"slug"},
    Whose.NESTED: {"slug", "branch", "build"},
}


@dataclass(frozen=True)
class Address:
    """`parameters`: what its converters are called, and what each of them names (a `pk` after `members/`: a member)."""

    name: str
    parameters: Mapping[str, str]

    @property
    def whose(self) -> list[Whose]:
        """Whose objects it can be asked for."""
        if "slug" not in self.parameters:
            return [Whose.OWN]
        kinds = set(self.parameters.values())
        below = kinds - {"slug", "step", "part"}
        nested = [Whose.NESTED] if below & {"branch", "build"} and below - {"branch", "build"} else []
        return [Whose.OWN, Whose.PUBLIC, Whose.FOREIGN, *([Whose.SMUGGLED] if below else []), *nested]


def addresses() -> list[Address]:
    """All that the portal has but the API's, which tests/unit/builds/test_api_roles.py walks."""
    return [each for each in _addresses(get_resolver().url_patterns, "", "") if not each.name.startswith("api:")]


def _addresses(patterns: list[URLPattern | URLResolver], namespace: str, before: str) -> Iterator[Address]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _addresses(
                pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace, route
            )
        else:
            yield Address(f"{namespace}{pattern.name}", dict(_parameters(route)))


def _parameters(route: str) -> Iterator[tuple[str, str]]:
    """A `pk` or `number` is of what the part of the path before it says, in the singular."""
    for match in re.finditer(r"([\w-]*)/?<\w+:(\w+)>", route):
        before, name = match.groups()
        said = {"branches": "branch", "copies": "copy", "i": "instance", "steps": "step"}.get(
            before, before.rstrip("s")
        )
        yield name, said if name in {"pk", "number", "name"} else name


def objects(project: Project, admin: User, first_build: int) -> Kinds:
    """One of each kind in the project, by stage; what is production's alone is the same on all."""
    project.builds_counted = first_build - 1
    project.save(update_fields=["builds_counted"])
    branches = {
        stage: cast.branch(
            project, f"on-{stage}", stage, instance=cast.instance(stage, f"{stage}-{project.slug}.localhost")
        )
        for stage in Stage
    }
    production = branches[Stage.PRODUCTION]
    found: Kinds = {
        kind: dict.fromkeys(Stage, value) for kind, value in _of_the_project(project, production, admin).items()
    }
    found["branch"] = {stage: branch.pk for stage, branch in branches.items()}
    found["build"] = {stage: cast.build(branch).number for stage, branch in branches.items()}
    found["instance"] = {stage: branch.instance_id for stage, branch in branches.items()}
    found["domain"] = {
        stage: cast.domain(branch, f"{stage}.{project.slug}.example.com").pk for stage, branch in branches.items()
    }
    found["mail"] = {stage: cast.mail(branch.instance).pk for stage, branch in branches.items()}
    return found


def _of_the_project(project: Project, production: Branch, admin: User) -> dict[str, object]:
    """What production alone has, and what has no stage."""
    made = _download(production, admin)
    restore = Restore.objects.create(branch=production, state=State.DONE, result=Result.SUCCESS, imported=True)
    upload = Upload.objects.create(branch=production, asked_by=admin, size_bytes=1)
    place = Place.objects.create(name=f"place-{project.slug}", address=f"/nowhere/{project.slug}")
    code = Subscription.objects.create(code=f"CODE-{project.pk:06}", kind=Subscription.Kind.PARTNER)
    invitation, _link = invite(project=project, whom="somebody", role=Role.TESTER, by=admin)
    hook = Hook.objects.create(project=project)
    return {
        "slug": project.slug,
        "project_id": project.pk,
        "backend": PROVIDER,
        "token": "no-such-link",
        "step": "fetch",
        "part": 1,
        "backup": made.backup_id,
        "download": made.pk,
        "restore": restore.pk,
        "upload": upload.pk,
        "retired": _retired(production).pk,
        "member": Member.objects.filter(project=project).latest("pk").pk,
        "invitation": invitation.pk,
        "subscription": code.pk,
        "series": "18.0",
        "submodule": cast.deploy_key(project).pk,
        "webhook": hook.pk,
        "delivery": HookDelivery.objects.create(hook=hook, event="ping", body="{}").pk,
        "copy": VaultCopy.objects.create(place=place, vault=made.backup.vault).pk,
    }


def _download(branch: Branch, admin: User) -> Download:
    """A backup of production that its admin may take away."""
    values = {"vault": Vault.objects.create(), "kind": Backup.Kind.MANUAL, "proof": Backup.Proof.PROVEN}
    values |= {"state": State.DONE, "snapshot": "a", "taken_at": clock.now(), "size_bytes": 1}
    assert branch.instance is not None
    backup = Backup.objects.create(instance=branch.instance, **values)
    values = {"form": Download.Form.ZIP, "asked_by": admin, "state": State.DONE, "size_bytes": 1}
    values |= {"expires_at": clock.now() + timedelta(hours=1)}
    made = Download.objects.create(backup=backup, branch=branch, **values)
    download.file(made).parent.mkdir(exist_ok=True)
    download.file(made).write_bytes(b"1")
    return made


def _retired(branch: Branch) -> Retired:
    instance = cast.instance(Stage.PRODUCTION, f"retired-{branch.project.slug}.localhost")
    Instance.objects.filter(pk=instance.pk).update(live_pool=None, hours_left=700)
    return Retired.objects.create(
        project=branch.project, branch=branch, instance=instance, hostname="was.localhost", at=clock.now()
    )


@dataclass(frozen=True)
class World:
    """Alice is admin, Tom tester and Dev developer of the own project; in the foreign one they are nobody."""

    people: SimpleNamespace
    project: Project
    own: Kinds
    foreign: Kinds

    def url(self, address: Address, stage: Stage, whose: Whose) -> str:
        """Raises KeyError where objects() makes none of a kind."""
        kinds = address.parameters.items()
        own = {Whose.SMUGGLED: {"slug"}, Whose.NESTED: {"slug", "branch", "build"}, Whose.FOREIGN: set()}.get(whose)
        values = {name: (self.own if own is None or kind in own else self.foreign)[kind][stage] for name, kind in kinds}
        return reverse(address.name, kwargs=values)


def build_world(people: SimpleNamespace) -> World:
    people.operator = cast.person("Operator", is_superuser=True)
    people.olga = cast.person("Olga")
    project, other = cast.project("demo", people), cast.project("other")
    Member.objects.create(project=other, user=people.olga, role="admin")
    return World(people, project, objects(project, people.alice, 1), objects(other, people.olga, 101))
