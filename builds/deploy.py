"""The deploy: what happens on a push, from the commit to a database that answers. Read it from top to bottom.

Each step can be told twice with the same effect, and is undone when a later one fails. Nothing gets traffic before it
is proven; a build that fails leaves the old pool serving.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from builds import again, announcing, image, patience, revisions, statuses, traffic
from builds.beforeupdate import back_up
from builds.inspect import inspect
from builds.kept import keep_database
from builds.mirrors import mirror
from builds.models import Build
from builds.preflight import check_beforehand
from builds.prepare import prepare_development, prepare_production, prepare_staging, want_template
from builds.rehearsal import rehearse
from builds.updates import outdate, settle_update, update_production
from hosting import databases, instances, keep, pools, proof, routing, switch
from hosting.models import Instance, Pool
from portal import attempts, clock
from portal.models import Command, Result, State, Story
from portal.stories import Kind, ProjectError, StepSpec, register, step
from portal.telling import Telling
from projects import domains
from projects.git import Checkout, Commit, GitError, SubmoduleError, refuse_escaping_symlinks
from projects.models import Branch, Stage

START_S = 60  # for the engine to answer; it starts containers in the background
DROP_S = 60
HELD_PROOF_S = 30  # while visitors wait: afterwards they would get a page
LAST_LINES = 50


def steps(build: Build) -> tuple[StepSpec, ...]:
    """The story of a build on each stage."""
    prepare = {
        Stage.PRODUCTION: prepare_production,
        Stage.STAGING: prepare_staging,
        Stage.DEVELOPMENT: prepare_development,
    }[Stage(build.stage)]
    prepared: tuple[StepSpec, ...] = (prepare, start_pool)
    if build.stage == Stage.PRODUCTION:
        prepared = (rehearse, back_up, prepare, start_pool, update_production)
    elif build.keeps_database:
        prepared = (keep_database, start_pool, update_production)
    made = (check_beforehand, fetch, look_inside, build_image)
    return (*made, *prepared, prove_ready, switch_over, drain, report)


def folder(build: Build) -> Path:
    """The build's own files: the exported commit and what the image is made from. Removed when the story ends."""
    return Path(settings.BERTH_HOME) / "builds" / build.name


@step("Fetch the commit")
def fetch(build: Build, telling: Telling) -> None:
    statuses.send(build)
    if again.take_over(build, telling):
        return
    project = build.project
    telling.mask(project.token)
    source = mirror(build)
    hearing: dict[str, Any] = {"output": telling.log, "keep_going": telling.keep_going}
    timeout = patience.transfer_seconds(source.size())

    def get(_row: Command, seconds: float) -> Commit:
        source.fetch(project.clone_url, token=project.token, timeout=seconds, **hearing)
        return source.commit(build.commit)

    def export(_row: Command, seconds: float) -> Checkout:
        tree = folder(build) / "tree"
        return source.checkout(build.commit, tree, url=project.clone_url, timeout=seconds, **hearing)

    with projects_errors("The commit can't be fetched"):
        commit = attempts.command(telling, ["git", "fetch", project.clone_url], get, timeout=timeout)
    build.message, build.author = commit.message, commit.author_name
    build.save(update_fields=["message", "author"])
    with projects_errors("The commit can't be exported"):
        with key_wanted(build):
            checkout = attempts.command(telling, ["git", "checkout", build.commit], export, timeout=timeout)
        refuse_escaping_symlinks(folder(build) / "tree")
    build.inspection = {"submodules": checkout.submodule_paths}
    build.save(update_fields=["inspection"])
    telling.say(f"{build.short} by {build.author}, {len(checkout.submodule_paths)} submodules")


@contextmanager
def key_wanted(build: Build) -> Iterator[None]:
    """Note which submodule failed for want of a key that works: the build's page leads to where one is made."""
    try:
        yield
    except SubmoduleError as error:
        if error.wants_key:
            build.inspection = {"wants_key": error.url}
            build.save(update_fields=["inspection"])
        raise


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
    if build.image_of is not None:
        telling.say(f"As in build #{build.image_of.number}.")
        return
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
    if build.image_of is not None:
        telling.say(f"Nothing is built: the image of build #{build.image_of.number} is used again.")
        return
    runtime = revisions.runtime_of(build, telling.log)
    telling.say(f"From {runtime}, {runtime.name}" + (": Berth's stand-in, not Odoo itself" if runtime.stand_in else ""))
    build.image_id = image.make(build, runtime, folder(build), telling)
    build.runtime, build.odoo_image, build.base_image_id = runtime, runtime.name, runtime.image_id
    build.save(update_fields=["image_id", "runtime", "odoo_image", "base_image_id"])


def undo_start(build: Build, _telling: Telling) -> None:
    if build.pool is not None:
        routing.take_slot_back(build.pool)
        pools.remove(build.pool)


@step("Start the pool", undo=undo_start)
def start_pool(build: Build, telling: Telling) -> None:
    """Beside the one that serves; where memory is short, after it has stopped, with a page at its address."""
    assert build.pool is not None
    pool = build.pool
    if build.branch.strategy == Branch.Strategy.IN_TURN and pool.instance.live_pool is not None:
        switch.pause(pool.instance, seconds=build.branch.drain_seconds, keep_going=telling.keep_going)
        telling.say(f"{pool.instance.live_pool} has stopped, as the branch's settings want it. Visitors see a page.")
    databases.allow_connections(pool.instance)
    attempts.again(telling, lambda _seconds: pools.start_web(pool), timeout=START_S)
    routing.lend_slot(pool)
    size = f"{pool.workers} workers, {pool.memory_mb:,} MB, {float(pool.cpus):g} cores"
    telling.say(f"{pool.name}: {size}, at {' and '.join(pool.web.values())}")


@step("Prove that it is ready")
def prove_ready(build: Build, telling: Telling) -> None:
    """The right commit, on the right database, all modules loaded, and both ports answering."""
    assert build.pool is not None
    telling.mask(build.pool.instance.database_password, build.pool.instance.admin_password)
    door = build.pool.instance.door
    timeout = HELD_PROOF_S if door == Instance.Door.HELD else build.branch.full_timeout_seconds
    try:
        proof.prove(
            build.pool,
            timeout=timeout,
            say=telling.say,
            keep_going=telling.keep_going,
            path=build.branch.probe_path,
            hurry=door in (Instance.Door.HELD, Instance.Door.UPDATING),
        )
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
    outdate(build)
    # Unless the branch was moved to another stage meanwhile: then it waits for the database of a build there.
    Branch.objects.filter(pk=build.branch.pk, stage=build.stage).update(instance=build.instance)
    domains.lead(build.branch)
    telling.say(
        f"{build.instance.url} is served by {build.pool.name}" + (f", not by {former.name}." if former else ".")
    )


@step("Let the old pool finish")
def drain(build: Build, telling: Telling) -> None:
    """Requests in flight end on the old pool, which is kept for a while. Scheduled actions move to the new one."""
    assert build.instance is not None
    routing.apply(build.instance)  # again: who decided may have died before the router heard of it
    settle_update(build, telling)
    keep.settle(
        build.instance,
        seconds=build.branch.drain_seconds,
        minutes=_keep_minutes(build),
        say=telling.say,
        keep_going=telling.keep_going,
    )
    for instance in _former_instances(build):
        telling.say(f"Stopping {instance.hostname}; its database is kept until the clean-up.")
        instances.stop(instance)


def _keep_minutes(build: Build) -> int:
    """How long the old pool is kept to roll back to; not where memory is too short for two."""
    alone = build.stage != Stage.PRODUCTION or build.branch.strategy == Branch.Strategy.IN_TURN
    return 0 if alone else build.branch.keep_minutes


def _former_instances(build: Build) -> list[Instance]:
    """Databases of the branch's earlier builds that still run, but pinned ones: each of staging and development has its
    own.
    """
    earlier = Build.objects.filter(branch=build.branch).exclude(instance=None).values("instance")
    earlier = earlier.filter(pinned_at=None)
    awake = Pool.objects.filter(instance__in=earlier).exclude(state=Pool.State.GONE).values("instance")
    return [instance for instance in Instance.objects.filter(pk__in=awake) if instance.pk != build.instance_id]


@step("Report")
def report(build: Build, telling: Telling) -> None:
    assert build.instance is not None
    instance = build.instance
    attempts.again(telling, lambda _seconds: databases.drop_aside(instance, build.name), timeout=DROP_S)
    traffic.note(build)
    if not build.keeps_database:
        want_template(build)
    telling.say(f"{build.instance.url} runs {build.short}.")


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> Build:
    related = (
        "project__host",
        "branch__project",
        "branch__instance",
        "instance__host",
        "pool__instance__host",
        "image_of",
        "backup__drill",
    )
    return Build.objects.select_related(*related).get(pk=pk)


def is_waited_for(build: Build) -> bool:
    """Between hold and switch, visitors wait at the router."""
    return build.instance is not None and build.instance.door == Instance.Door.HELD


def started(build: Build, story: Story) -> None:
    Build.objects.filter(pk=build.pk).update(state=State.RUNNING, started_at=story.started_at)


def finished(build: Build, story: Story) -> None:
    """Give the build its verdict, in the story's last transaction; the commit status goes out after it."""
    shutil.rmtree(folder(build), ignore_errors=True)
    build.state, build.result, build.finished_at = State.DONE, story.result, story.finished_at
    build.verdict = verdict(build, story)
    build.save(update_fields=["state", "result", "finished_at", "verdict"])
    announcing.build(build)
    transaction.on_commit(lambda: statuses.send(build), robust=True)


def verdict(build: Build, story: Story) -> str:
    """The letter's first sentence. One that was skipped while it was put off has it already."""
    if story.result == Result.CANCELLED and build.verdict:
        return build.verdict
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
    register(
        Kind(
            name="deploy",
            queue="deploy",
            load=load,
            steps=steps,
            started=started,
            finished=finished,
            is_waited_for=is_waited_for,
        )
    )
