"""The first step of a deploy: whether it can go well, looked at while nothing is touched yet."""

import os
from dataclasses import asdict

from builds import again
from builds.mirrors import mirror
from builds.models import Build
from builds.room import check_quota, wait_for_disk
from hosting import machines
from hosting.models import DatabaseServer, Instance
from hosting.odoo.floors import MIB
from hosting.preflight import Finding, Needs, look
from portal import attempts
from portal.stories import PlatformError, ProjectError, step
from portal.telling import Telling
from projects import plans
from projects.git import GitError
from projects.models import Branch, Stage

ASK_S = 30.0
LOOK_S = 60.0
WORKER_MB = 320  # a fifth of requests are heavy and take 1 GB, the others 150 MB
CRONS_MB, JOBS_MB = 130, 190
PER_PROCESS, BESIDE = 4, 28  # connections to PostgreSQL: of an Odoo process at most times; of crons and a one-off
IMAGE = 300 * MIB  # what a build adds to the layers that are there, the repository apart
NEW_DATABASE = 200 * MIB


class NotReady(Exception):
    """Something stops the deploy. The machine may have it again in a moment."""

    transient = True

    def __init__(self, findings: list[Finding]) -> None:
        self.stopping = [finding for finding in findings if finding.stops]
        super().__init__("; ".join(f"{finding.name}: {finding.says}" for finding in self.stopping))


@step("Check beforehand")
def check_beforehand(build: Build, telling: Telling) -> None:
    """The machine first, then Git. What is short or away stops the deploy; what is only worth knowing doesn't.

    Raises PlatformError, ProjectError, Later.
    """
    telling.mask(build.project.token)
    plans.check_open(build.project)
    storage = check_quota(build)
    try:
        wait_for_disk(build, lambda: needs(build).disk, telling)
        attempts.again(telling, lambda _seconds: _machine(build, storage, telling), timeout=LOOK_S)
        attempts.again(telling, lambda seconds: _git(build, telling, seconds), timeout=ASK_S)
    except NotReady as error:
        raise PlatformError(
            "This machine can't take a deploy now: " + ", ".join(finding.name for finding in error.stopping),
            "\n".join(f"{finding.name}: {finding.says}" for finding in error.stopping)
            + "\nNothing that serves was touched.",
            "\n".join(finding.todo for finding in error.stopping),
        ) from error
    except GitError as error:
        raise ProjectError(
            "The repository can't be read",
            f"{error}\n\n{error.output[-3000:]}".strip(),
            "Retry in a while." if error.transient else "Mend what it says, then retry. Nothing was touched.",
        ) from error
    for finding in build.checks:
        telling.say(f"{finding['name']}: {finding['says']} {finding['todo']}".rstrip())


def _machine(build: Build, storage: Finding, telling: Telling) -> None:
    """Raises NotReady."""
    findings = [*look(needs(build), keep_going=telling.keep_going), storage]
    _keep(build, findings)
    if any(finding.stops for finding in findings):
        raise NotReady(findings)


def _git(build: Build, telling: Telling, seconds: float) -> None:
    """Raises GitError."""
    project, others = build.project, [check for check in build.checks if check["name"] != "Repository"]
    if again.has_image(build):
        unasked = Finding("Repository", "It isn't asked: the image of the older build is deployed again.")
        return _keep(build, [*others, asdict(unasked)])
    try:
        mirror(build).ask(project.clone_url, token=project.token, timeout=seconds, keep_going=telling.keep_going)
    except GitError as error:
        todo = "Retry in a while." if error.transient else "Mend what it says, then retry."
        _keep(build, [*others, asdict(Finding("Repository", str(error), todo, stops=True))])
        raise
    return _keep(build, [*others, asdict(Finding("Repository", f"{project.clone_url} answers."))])


def _keep(build: Build, findings: list[Finding] | list[dict[str, object]]) -> None:
    build.checks = [asdict(each) if isinstance(each, Finding) else each for each in findings]
    build.save(update_fields=["checks"])


# --- what it is going to take -----------------------------------------------------------------------------------------
def needs(build: Build) -> Needs:
    production = build.stage == Stage.PRODUCTION
    purpose = DatabaseServer.Purpose.HOSTED if production else DatabaseServer.Purpose.LAB
    instance, branch = build.branch.instance, build.branch
    return Needs(
        host=build.project.host,
        server=DatabaseServer.objects.get(purpose=purpose),
        memory=_memory(branch, production=production) + _jobs(instance),
        connections=_connections(branch, production=production),
        disk=IMAGE + 3 * mirror(build).size() + _databases(build),
        if_updated=_for_an_update(build),
        instance=instance,
        in_turn=branch.strategy == Branch.Strategy.IN_TURN,
        first=production and instance is None,
    )


def _memory(branch: Branch, *, production: bool) -> int:
    """What the new pool's containers are going to use, which is mostly less than what they may."""
    workers, replicas = _workers(branch, production=production)
    web = min(branch.memory_mb, workers * WORKER_MB)
    return (web * replicas + (CRONS_MB if production else 0)) * MIB


def _jobs(instance: Instance | None) -> int:
    """Bytes that queue_job's runner takes with its server, where the last build has it: this one isn't read yet."""
    last = instance.live_pool if instance is not None and instance.is_production else None
    return JOBS_MB * MIB if last is not None and last.queue_job else 0


def _connections(branch: Branch, *, production: bool) -> int:
    workers, replicas = _workers(branch, production=production)
    return BESIDE + replicas * (workers + 1) * PER_PROCESS  # one serves websockets


def _workers(branch: Branch, *, production: bool) -> tuple[int, int]:
    """HTTP workers of each web container, and how many of these there are."""
    return plans.granted_workers(branch) if production else (2, 1)


def _databases(build: Build) -> int:
    """Bytes of the database that is going to be made or copied; staging's copy is dumped first."""
    source, kept = _production(build), build.branch.instance
    if build.keeps_database and kept is not None:
        return _size_of(kept)  # for the copy aside
    if source is None or build.stage == Stage.DEVELOPMENT:
        return NEW_DATABASE
    return 0 if build.stage == Stage.PRODUCTION else 2 * _size_of(source) + _files(source)


def _for_an_update(build: Build) -> int:
    """Bytes that production takes besides where modules are due, which nobody knows yet: a rehearsal's copy with its
    dump, then one aside. Where they aren't there, the rehearsal refuses it: see builds/rehearsal.py.
    """
    source = _production(build)
    return 2 * _size_of(source) if source is not None and build.stage == Stage.PRODUCTION else 0


def _production(build: Build) -> Instance | None:
    branches = build.project.branches.filter(stage=Stage.PRODUCTION).values("instance")
    return Instance.objects.filter(pk__in=branches, state=Instance.State.READY).first()


def _size_of(source: Instance) -> int:
    return machines.cluster(source.database_server).size(source.database)


def _files(instance: Instance) -> int:
    """Bytes of its filestore. Only sizes are read, and no link is followed: tenants own these folders."""
    root = machines.folder(instance) / "data" / "filestore"
    total = 0
    for folder, _folders, names in os.walk(root):
        for name in names:
            total += _size(os.path.join(folder, name))
    return total


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0  # it has gone meanwhile
