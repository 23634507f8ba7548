"""Odoo at work on modules: which an update is due for, the update itself, and what its output says."""

from collections.abc import Sequence

from builds import patience
from builds.complaints import complaints
from builds.inspect import due_modules
from builds.models import Build
from hosting import databases, machines
from hosting.models import Instance, Pool
from hosting.odoo import commands
from hosting.odoo.loglines import RunReport, read_run
from portal.stories import ProjectError
from portal.telling import Telling

LAST_LINES = 50


def due_for(build: Build, instance: Instance) -> list[str]:
    """Installed modules that the build's code would update, by name."""
    states = machines.database(instance).module_states()
    installed = {module.name: module.version for module in states if module.state == "installed"}
    served = Build.objects.serving(instance)
    due = due_modules(installed, build.inspection, served.inspection if served else build.inspection)
    Build.objects.filter(pk=build.pk).update(to_update=due)
    return due


def update(pool: Pool, due: Sequence[str], telling: Telling, *, left: str) -> None:
    """Update modules in the database of the pool's instance, with the pool's code. `left` says how a failure leaves
    things. Raises ProjectError.
    """
    instance = pool.instance
    timeout = patience.update_seconds(machines.cluster(instance.database_server).size(instance.database))
    run = databases.run_odoo(pool, commands.update_argv(instance.database, due), telling=telling, timeout=timeout)
    report = read_run(run.lines)
    if run.exit_code != 0 or report.errors or report.criticals:
        raise odoo_failed("The modules could not be updated", run, report, left=left)
    databases.check_modules(pool, doing="The update")
    warn_of(instance, report, telling)


def odoo_failed(title: str, run: databases.Run, report: RunReport, *, left: str) -> ProjectError:
    return ProjectError(
        title,
        f"{report.summary}\nOdoo ended with exit code {run.exit_code}.\n\n" + "\n".join(run.lines[-LAST_LINES:]),
        f"Mend the module and push again. {left}",
    )


def warn_of(instance: Instance, report: RunReport, telling: Telling) -> None:
    """What Odoo says although it ended well makes the build yellow. Its mere warnings don't on production."""
    for entry in (*report.errors, *report.criticals):
        telling.warn(f"Odoo logged {entry.level}: {entry.message}")
    for column in report.not_null_failed:
        telling.warn(f"{column} is required, but holds empty values: the database doesn't enforce it.")
    if report.invalid_modules:
        telling.warn("Odoo doesn't know these modules: " + ", ".join(report.invalid_modules))
    for line in [] if instance.is_production else complaints(report.warnings):
        telling.warn(line)
