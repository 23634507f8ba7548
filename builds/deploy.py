"""The deploy: what happens on a push, from the commit to a database that answers. Read it from top to bottom.

Each step can be told twice with the same effect, and is undone when a later one fails. Nothing gets traffic before it
is proven; a build that fails leaves the old pool serving.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import transaction

from builds import statuses
from builds.dockerfile import dockerfile, write_context
from builds.inspect import Inspection, inspect
from builds.models import Build
from builds.prepare import prepare_development, prepare_production, prepare_staging
from hosting import databases, images, instances, machines, pools, proof, routing, switch
from hosting.engines.docker import BuildFailed, TimedOut
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB
from portal import clock
from portal.models import Result, State, Story
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects.git import GitError, Mirror, UrlPolicy, refuse_escaping_symlinks
from projects.models import Branch, Stage

FETCH_S = 300
PROOF_S = 180  # a pool that isn't ready by then isn't going to be
LAST_LINES = 50


def steps(build: Build) -> tuple[StepSpec, ...]:
    """The story of a build on each stage."""
    prepare = {
        Stage.PRODUCTION: prepare_production,
        Stage.STAGING: prepare_staging,
        Stage.DEVELOPMENT: prepare_development,
    }[Stage(build.stage)]
    return (fetch, look_inside, build_image, prepare, start_pool, prove_ready, switch_over, drain, report)


def folder(build: Build) -> Path:
    """The build's own files: the exported commit and what the image is made from. Removed when the story ends."""
    return Path(settings.BERTH_HOME) / "builds" / build.name


def mirror(build: Build) -> Mirror:
    private = settings.BERTH_GIT_ALLOW_PRIVATE
    policy = UrlPolicy(allow_private=private, allow_http=private)
    return Mirror(Path(settings.BERTH_HOME) / "git" / f"p{build.project_id}.git", policy)


@step("Fetch the commit")
def fetch(build: Build, telling: Telling) -> None:
    statuses.send(build)
    project = build.project
    telling.mask(project.token)
    source = mirror(build)
    with (
        telling.command(["git", "fetch", project.clone_url]) as command,
        projects_errors("The commit can't be fetched"),
    ):
        source.fetch(
            project.clone_url, token=project.token, timeout=FETCH_S, output=telling.log, keep_going=telling.keep_going
        )
        commit = source.commit(build.commit)
        command.exit_code = 0
    build.message, build.author = commit.message, commit.author_name
    build.save(update_fields=["message", "author"])
    with projects_errors("The commit can't be exported"):
        checkout = source.checkout(
            build.commit,
            folder(build) / "tree",
            url=project.clone_url,
            timeout=FETCH_S,
            output=telling.log,
            keep_going=telling.keep_going,
        )
        refuse_escaping_symlinks(folder(build) / "tree")
    build.inspection = {"submodules": checkout.submodule_paths}
    build.save(update_fields=["inspection"])
    telling.say(f"{build.short} by {build.author}, {len(checkout.submodule_paths)} submodules")


@contextmanager
def projects_errors(title: str) -> Iterator[None]:
    """What Git refuses is the customer's to change, unless it is a passing fault; both are said."""
    try:
        yield
    except GitError as error:
        remedy = "Retry the build." if error.transient else "Change what it says and push again."
        raise ProjectError(title, f"{error}\n\n{error.output[-3000:]}".strip(), remedy) from error


@step("Look inside")
def look_inside(build: Build, telling: Telling) -> None:
    """Find the addons, and say what is wrong with them before anything is built."""
    submodules = build.inspection["submodules"]
    found = inspect(folder(build) / "tree", build.project.series, submodules, wanted=_wanted(build))
    for warning in found.warnings:
        telling.warn(str(warning))
    if found.errors:
        first, *others = found.errors
        where = f"{first.path}: " if first.path else ""
        detail = "\n".join([f"{where}{first.detail}", *map(str, others)])
        raise ProjectError(first.title, detail, first.what_to_do)
    build.inspection = found.as_json() | {"submodules": submodules}
    build.save(update_fields=["inspection"])
    telling.say(f"{len(found.addons)} addons: " + ", ".join(f"{a.name} {a.version}" for a in found.addons))


def _wanted(build: Build) -> list[str]:
    """Modules of submodules that are going to be installed: what is wrong with others of theirs is no matter."""
    return list(build.branch.install_list) if build.branch.install == Branch.Install.LIST else []


@step("Build the image")
def build_image(build: Build, telling: Telling) -> None:
    """The Odoo image, the repository's requirements, its addons, and a file that says which commit it is."""
    base = images.base(build.project.host, build.project.series, telling.log)
    telling.say(f"From {base.name}" + (": Berth's stand-in, not Odoo itself" if base.stand_in else ""))
    context = folder(build) / "context"
    tag = f"berth-{settings.BERTH_INSTALLATION}/p{build.project_id}:{build.name}"
    with telling.command(["docker", "build", "--tag", tag, "."]) as command:
        build.image_id = _image(build, base, context, tag, telling)
        command.exit_code = 0
    build.odoo_image = base.name
    build.save(update_fields=["image_id", "odoo_image"])


def _image(build: Build, base: images.Base, context: Path, tag: str, telling: Telling) -> str:
    """Write the context, let the engine build it, and return the image's ID."""
    found = Inspection.from_json(build.inspection)
    ca_file = Path(settings.BERTH_EXTRA_CA_FILE) if settings.BERTH_EXTRA_CA_FILE else None
    write_context(folder(build) / "tree", found, context, commit=build.commit, build=build.name, extra_ca_file=ca_file)
    try:
        return machines.engine(build.project.host).build(
            context,
            dockerfile(base.image_id, requirements=bool(found.requirements_files), extra_ca=ca_file is not None),
            tag=tag,
            labels={"berth.commit": build.commit, "berth.build": build.name},
            memory_bytes=settings.BERTH_BUILD_MEMORY_MB * MIB,
            cpus=float(settings.BERTH_POOL_CPUS),
            network=machines.network(production=False),
            timeout=settings.BERTH_BUILD_SECONDS,
            output=telling.log,
            keep_going=telling.keep_going,
        )
    except BuildFailed as error:
        raise ProjectError(
            "The image could not be built",
            f"{error}\n\n{error.tail}",
            "Mostly a line of a requirements file can't be installed: correct it and push again.",
        ) from error
    except TimedOut as error:
        raise ProjectError(
            "Building the image took too long",
            f"{error} What served before goes on serving.",
            "Mostly a requirement is compiled from source: ask for a version that has a wheel, and push again. Where "
            "it needs the time, the operator can raise BERTH_BUILD_SECONDS.",
        ) from error


def undo_start(build: Build, _telling: Telling) -> None:
    if build.pool is not None:
        routing.take_slot_back(build.pool)
        pools.remove(build.pool)


@step("Start the pool", undo=undo_start)
def start_pool(build: Build, telling: Telling) -> None:
    assert build.pool is not None
    pool = build.pool
    pools.start(pool)
    routing.lend_slot(pool)
    telling.say(f"{pool.name}: {pool.workers} workers, {pool.memory_mb} MB, at {pool.web_address}")


@step("Prove that it is ready")
def prove_ready(build: Build, telling: Telling) -> None:
    """The right commit, on the right database, all modules loaded, and both ports answering."""
    assert build.pool is not None
    telling.mask(build.pool.instance.database_password, build.pool.instance.admin_password)
    try:
        proof.prove(build.pool, timeout=PROOF_S, say=telling.say, keep_going=telling.keep_going)
    except (proof.NotProven, proof.Died) as error:
        raise ProjectError(
            "The new pool did not become ready",
            f"{error}\n\n{pools.last_words(build.pool, LAST_LINES)}",
            "Its log says why. Mend the cause and push again. What served before goes on serving.",
        ) from error


@step("Switch", final=True)
def switch_over(build: Build, telling: Telling) -> None:
    """One change at the router: from now on requests go to the new pool."""
    assert build.pool is not None
    assert build.instance is not None
    former = switch.switch_to(build.pool)
    Build.objects.filter(pk=build.pk, switched_at=None).update(switched_at=clock.now())
    # Unless the branch was moved to another stage meanwhile: then it waits for the database of a build there.
    Branch.objects.filter(pk=build.branch.pk, stage=build.stage).update(instance=build.instance)
    telling.say(
        f"{build.instance.url} is served by {build.pool.name}" + (f", not by {former.name}." if former else ".")
    )


@step("Let the old pool finish")
def drain(build: Build, telling: Telling) -> None:
    """Requests in flight end on the old pool. Scheduled actions move to the new one: never two at a time."""
    assert build.pool is not None
    assert build.instance is not None
    routing.apply(build.instance)  # again: who decided may have died before the router heard of it
    for pool in build.instance.pools.filter(state__in=(Pool.State.DRAINING, Pool.State.STANDING_BY)):
        pools.stop(pool, "cron", keep_going=telling.keep_going)
        left = switch.drain(pool, seconds=build.branch.drain_seconds, keep_going=telling.keep_going)
        telling.say(f"{pool.name}: {left or 'no'} requests in flight; stopping it.")
        switch.retire(pool, keep_going=telling.keep_going)
    if build.pool.cron_workers:
        pools.start(build.pool, "cron")
    for instance in _former_instances(build):
        telling.say(f"Stopping {instance.hostname}; its database is kept until the clean-up.")
        instances.stop(instance)


def _former_instances(build: Build) -> list[Instance]:
    """Databases of the branch's earlier builds that still run: each build of staging and development has its own."""
    earlier = Build.objects.filter(branch=build.branch).exclude(instance=None).values("instance")
    awake = Pool.objects.filter(instance__in=earlier).exclude(state=Pool.State.GONE).values("instance")
    return [instance for instance in Instance.objects.filter(pk__in=awake) if instance.pk != build.instance_id]


@step("Report")
def report(build: Build, telling: Telling) -> None:
    assert build.instance is not None
    databases.drop_aside(build.instance, build.name)
    telling.say(f"{build.instance.url} runs {build.short}.")


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> Build:
    related = ("project__host", "branch__project", "branch__instance", "instance__host", "pool__instance__host")
    return Build.objects.select_related(*related).get(pk=pk)


def started(build: Build, story: Story) -> None:
    Build.objects.filter(pk=build.pk).update(state=State.RUNNING, started_at=story.started_at)


def finished(build: Build, story: Story) -> None:
    """Give the build its verdict, in the story's last transaction; the commit status goes out after it."""
    shutil.rmtree(folder(build), ignore_errors=True)
    build.state, build.result, build.finished_at = State.DONE, story.result, story.finished_at
    build.verdict = verdict(build, story)
    build.save(update_fields=["state", "result", "finished_at", "verdict"])
    transaction.on_commit(lambda: statuses.send(build), robust=True)


def verdict(build: Build, story: Story) -> str:
    """The letter's first sentence."""
    assert story.started_at
    assert story.finished_at
    seconds = (story.finished_at - story.started_at).total_seconds()
    took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    if story.failing:
        what = "Cancelled" if story.result == Result.CANCELLED else f"Failed: {story.error_title}"
        return f"{what}, after {took}"[:300]
    return f"Deployed {build.short} to {build.stage} in {took}" + (
        f"; {story.error_title}" if story.error_title else ""
    )


def register_stories() -> None:
    register(Kind(name="deploy", queue="deploy", load=load, steps=steps, started=started, finished=finished))
