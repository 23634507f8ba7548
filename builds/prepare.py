"""Preparing the database of a build, each stage in its way: created, updated, or copied. Each can be undone."""

import time
from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from builds import copying, template
from builds.models import Build
from builds.modules import due_for, odoo_failed, update, warn_of
from builds.origin import Origin, Way
from builds.testlog import Outcome, read_tests
from hosting import databases, instances, machines, neutralising, pools, routing, switch, templates
from hosting.models import Instance, Pool
from hosting.odoo import commands, floors, series
from hosting.odoo.loglines import read_run
from portal.stories import step
from portal.telling import Telling
from projects import plans
from projects.models import Branch, Stage

INSTALL_S, TESTS_S = 1800, 3600
DNS_LABEL = 63


# --- production -------------------------------------------------------------------------------------------------------
def undo_production(build: Build, telling: Telling) -> None:
    """A new database is removed; one that serves is served by the old pool again, where that was stopped."""
    instance = build.instance
    if instance is None or instance.state == Instance.State.NEW:
        return undo_new(build, telling)
    if build.pool is not None:
        pools.remove(build.pool)
    former = instance.live_pool
    if former is not None and instance.door == Instance.Door.UPDATING:
        telling.say(f"Starting {former.name} again.")
        switch.bring_back(former, keep_going=telling.keep_going)
    return routing.apply(instance)


@step("Prepare the database", undo=undo_production)
def prepare_production(build: Build, telling: Telling) -> None:
    """Created once, without demo data; afterwards kept: its modules are updated when the new pool has started."""
    instance = build.branch.instance or _new_instance(build, f"{build.project.slug}.{settings.BERTH_DOMAIN}")
    pool = pool_on(build, instance, telling)
    if instance.state == Instance.State.NEW:
        databases.start_afresh(instance)
        _install(build, pool, _modules(build), telling, demo=False)
        _secure(instance, new_admin=True)
    else:
        telling.say("The database is there, and goes on serving as it is.")


# --- development ------------------------------------------------------------------------------------------------------
def undo_new(build: Build, _telling: Telling) -> None:
    """Nothing of a database that never served is left."""
    if build.instance is not None and build.instance.state == Instance.State.NEW:
        instances.remove(build.instance)


@step("Prepare the database", undo=undo_new)
def prepare_development(build: Build, telling: Telling) -> None:
    """With demo data and the repository's modules, whose tests are run; what these need may come from a template. Told
    again, it begins anew.
    """
    instance = _new_instance(build, branch_hostname(build.branch))
    pool, plan = pool_on(build, instance, telling), template.Plan.of(_modules(build), build.inspection)
    modules = _from_template(build, plan, pool, telling)
    if modules is None:
        modules = _from_nothing(build, plan, pool, telling)
    if modules:
        _install(build, pool, modules, telling, demo=True)
    _secure(instance, new_admin=True)


def _from_template(build: Build, plan: template.Plan, pool: Pool, telling: Telling) -> list[str] | None:
    """What is still to be installed then; None where there was no template."""
    found = None if template.refusal(build.branch, plan) else template.find(build, plan)
    if found is None:
        return None
    telling.say(f"From a template with {', '.join(found.modules)}, made in {found.seconds or 0:.0f} s.")
    began = time.monotonic()
    shared = templates.clone(found, pool.instance, telling)
    if shared is None:
        telling.say("That one went away meanwhile.")
        return None
    seconds = time.monotonic() - began
    saved = max((found.seconds or 0) - seconds, 0)
    origin = Origin(Way.TEMPLATE, round(seconds, 1), saved=round(saved, 1), modules=tuple(found.modules))
    origin.of_size(_size(pool.instance), shared).keep(build)
    return plan.to_install(found)


def _from_nothing(build: Build, plan: template.Plan, pool: Pool, telling: Telling) -> list[str]:
    why = template.refusal(build.branch, plan) or "There was no template with what its modules need."
    telling.say(f"From nothing. {why}")
    databases.start_afresh(pool.instance)
    Origin(Way.NOTHING, why=why).keep(build)
    return list(plan.wanted)


def want_template(build: Build) -> None:
    """The next build of the like finds one."""
    if build.stage == Stage.DEVELOPMENT and build.base_image_id:
        plan = template.Plan.of(_modules(build), build.inspection)
        if not template.refusal(build.branch, plan):
            template.want(build, plan)


# --- staging ----------------------------------------------------------------------------------------------------------
@step("Copy production", undo=undo_new)
def prepare_staging(build: Build, telling: Telling) -> None:
    """A neutralised copy of production, with this commit's modules updated on it. Told again, it begins anew.

    Somebody may have wanted a backup or an uploaded database instead of production as it is.
    """
    source = None if build.from_upload else copying.source_of(build)
    copying.check_room(build)
    instance = _new_instance(build, branch_hostname(build.branch))
    pool = pool_on(build, instance, telling)
    began = time.monotonic()
    origin, shared = copying.fill(build, source, pool, telling)
    neutralising.neutralise(pool, telling=telling)
    seconds = round(time.monotonic() - began, 1)
    replace(origin, seconds=seconds).of_size(_size(instance), shared).keep(build)
    due = due_for(build, instance)
    if due:
        update(pool, due, telling, left="Production is as it was.")
    _secure(instance, new_admin=False)


# --- shared -----------------------------------------------------------------------------------------------------------
def branch_hostname(branch: Branch) -> str:
    """`SLUG-BRANCH-{name}.DOMAIN`: one DNS label, unique by the instance's name, whatever the branch is called."""
    room = DNS_LABEL - len("-i") - 12
    label = f"{branch.project.slug}-{slugify(branch.name) or 'branch'}"[:room].strip("-_").replace("_", "-")
    return f"{label}-{{name}}.{settings.BERTH_DOMAIN}"


def _new_instance(build: Build, hostname: str) -> Instance:
    """The build's own instance, made on the first call. Its row and the build's reference commit together."""
    if build.instance is None:
        with transaction.atomic():
            build.instance = instances.create(
                host=build.project.host,
                stage=build.stage,
                series=build.project.series,
                hostname=hostname,
                label=str(build),
            )
            build.save(update_fields=["instance"])
    return build.instance


def pool_on(build: Build, instance: Instance, telling: Telling) -> Pool:
    """The build's generation, made on the first call. What is to be said of it is said at each: a resumed step begins
    without its earlier warnings.
    """
    branch, major = build.branch, series.find(instance.series).major
    warning = floors.memory_warning(branch.memory_mb * floors.MIB, major)
    if warning:
        telling.warn(warning)
    if instance.is_production and plans.granted_workers(branch) != (branch.workers, branch.replicas):
        refused = plans.too_many_workers(build.project, branch.workers * branch.replicas)
        telling.say(f"{refused} The pool gets as many as there are.")
    if build.pool is not None:
        return build.pool
    with transaction.atomic():
        build.instance, build.pool = instance, make_pool(build, instance)
        build.save(update_fields=["instance", "pool"])
    return build.pool


def make_pool(build: Build, instance: Instance) -> Pool:
    """The row of a pool of this build's code on a database."""
    branch = build.branch
    memory = floors.granted_memory(branch.memory_mb * floors.MIB, series.find(instance.series).major)
    workers, replicas = plans.granted_workers(branch) if instance.is_production else (2, 1)
    return pools.create(
        instance,
        image_id=build.image_id,
        commit=build.commit,
        build_label=(build.image_of or build).name,  # as the image says it
        addons_path=build.inspection["addons_path"],
        queue_job=build.inspection["queue_job"],
        replicas=replicas,
        workers=workers,
        memory_mb=memory // floors.MIB,
        cpus=branch.cpus,
    )


def _modules(build: Build) -> list[str]:
    """What the branch's settings want installed in a new database."""
    branch, addons = build.branch, build.inspection["addons"]
    if branch.install == Branch.Install.LIST:
        return ["base", *branch.install_list]
    everything = branch.install == Branch.Install.ALL
    return ["base", *(a["name"] for a in addons if a["installable"] and (everything or not a["in_submodule"]))]


def _size(instance: Instance) -> int:
    """Bytes of its database."""
    return machines.cluster(instance.database_server).size(instance.database)


def _install(build: Build, pool: Pool, modules: Sequence[str], telling: Telling, *, demo: bool) -> None:
    """Install into a new database. Failing tests are a finding, not the end: the database is worth a look."""
    branch, instance = build.branch, pool.instance
    tests = branch.run_tests and not instance.is_production
    argv = commands.install_argv(
        series.find(instance.series),
        instance.database,
        modules,
        demo=demo,
        tests=tests,
        tags=branch.test_tags or _tags(_modules(build)),
    )
    run = databases.run_odoo(pool, argv, telling=telling, timeout=TESTS_S if tests else INSTALL_S)
    report, results = read_run(run.lines), read_tests(run.lines)
    failing_only = tests and run.exit_code == 1 and results.complete
    if run.exit_code != 0 and not failing_only:
        left = "Nothing of the new database is left."
        raise odoo_failed("The modules could not be installed", run, report, left=left)
    databases.check_modules(pool, doing="The installation")
    warn_of(pool.instance, report, telling)
    if tests:
        _keep_tests(build, run.lines, telling)


def _tags(modules: Sequence[str]) -> str:
    """Only the installed modules' own tests: those of `base` and `web` are Odoo's affair."""
    return ",".join(f"/{name}" for name in modules if name != "base")


def _keep_tests(build: Build, lines: Sequence[str], telling: Telling) -> None:
    results = read_tests(lines)
    names = [f"{'ERROR' if test.is_error else 'FAIL'}: {test.name}" for test in results.failing]
    told = {"total": results.total, "failed": results.failed, "errors": results.errors, "names": names}
    Build.objects.filter(pk=build.pk).update(tests=told)
    if results.outcome == Outcome.FAILURE:
        telling.fail_softly(
            results.summary,
            "\n".join(names) + "\n\n" + "\n".join(test.details for test in results.failing[:3]),
            "Mend the tests (or the code) and push again. The database was started all the same, for you to look into.",
        )
    else:
        telling.say(results.summary)


def _secure(instance: Instance, *, new_admin: bool) -> None:
    password = databases.secure(instance, new_admin=new_admin)
    if password:
        instance.login_password = password
        instance.save(update_fields=["login_password"])
