"""Template databases: modules of Odoo alone with demo data, installed once, of which development builds make theirs.

No code but that of Odoo's own image was ever at work on one, so it serves builds of any project on its host. It is the
database of an instance that never serves: READY once it is made, with nothing running and nobody who may log in. It is
a cache: it goes when nobody used it for long, when its image is gone, and where disk gets scarce.
"""

import hashlib
import shutil
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from hosting import databases, filestores, instances, machine_state, machines, neutralising, pools
from hosting.engines.docker import EngineError
from hosting.engines.postgres import DatabaseError, DatabaseMissing
from hosting.models import Host, Instance, Pool, Stage, Template
from hosting.odoo import commands, floors, series
from hosting.odoo.loglines import read_run
from portal import clock
from portal.stories import PlatformError
from portal.telling import Telling

MAKE_S = 3 * 3600
KEPT_UNUSED = timedelta(days=14)
AT_MOST = 8  # on a host: the ones that were used last
NOT_AGAIN = timedelta(days=1)  # after one that could not be made


def alive() -> QuerySet[Template]:
    return Template.objects.filter(removed_at=None).select_related("host", "instance__database_server")


def ready() -> QuerySet[Template]:
    return alive().filter(instance__state=Instance.State.READY)


def best(host: Host, image_id: str, modules: Collection[str], *, own: Collection[str]) -> Template | None:
    """The one that has most of these modules and nothing else. One with a module that the repository has under the
    same name (`own`) was made with another's code.
    """
    found = ready().filter(host=host, image_id=image_id)
    fit = [each for each in found if set(each.modules) <= set(modules) and not set(each.installed) & set(own)]
    return max(fit, key=lambda each: (len(each.modules), each.pk), default=None)


def clone(template: Template, instance: Instance, telling: Telling) -> filestores.Shared | None:
    """Make the instance's database and filestore of the template's, whatever an interrupted attempt left there, with an
    identity of its own. None where the template went away meanwhile: what was made is not whole then.
    """
    assert template.instance is not None
    made, shared = machines.folder(instance) / "files", filestores.Shared()
    shutil.rmtree(made, ignore_errors=True)
    try:
        databases.start_from(instance, template.instance)
        filestores.gather(template.instance, made, shared, keep_going=telling.keep_going)
    except DatabaseMissing:  # `lab` may lose what it has
        let_go(template)
        return None
    except (DatabaseError, EngineError, OSError):
        if ready().filter(pk=template.pk).exists():
            raise
        return None
    used = Template.objects.filter(pk=template.pk, removed_at=None)
    if not used.update(used_at=clock.now(), uses=F("uses") + 1):
        return None
    filestores.place(made, instance)
    neutralising.renew_identity(instance)
    return shared


# --- made -------------------------------------------------------------------------------------------------------------
def want(host: Host, series_name: str, image_id: str, modules: Sequence[str]) -> Template | None:
    """The row of a new one to be made; None where there is one, or the last try was of today, or disk is scarce."""
    names = sorted(set(modules))
    key = hashlib.sha256(" ".join([image_id, *names]).encode()).hexdigest()
    tried = Template.objects.filter(host=host, key=key, created_at__gt=clock.now() - NOT_AGAIN).exclude(wrong="")
    if (
        alive().filter(host=host, key=key).exists()
        or tried.exists()
        or machine_state.room(settings.BERTH_HOME).is_scarce
    ):
        return None
    try:
        with transaction.atomic():
            return Template.objects.create(host=host, series=series_name, image_id=image_id, modules=names, key=key)
    except IntegrityError:  # another build wanted it in the same instant
        return None


def make(template: Template, telling: Telling) -> float:
    """Install its modules into a database of its own. Told again, it begins anew. Returns the seconds that it took.

    Raises PlatformError.
    """
    pool = _pool(template)
    began = clock.now()
    databases.start_afresh(pool.instance)
    shutil.rmtree(machines.folder(pool.instance) / "data" / "filestore", ignore_errors=True)
    argv = commands.install_argv(
        series.find(template.series), pool.instance.database, template.modules, demo=True, tests=False
    )
    run = databases.run_odoo(pool, argv, telling=telling, timeout=MAKE_S)
    report, database = read_run(run.lines), machines.database(pool.instance)
    if run.exit_code or report.criticals or report.invalid_modules or database.modules_left_over():
        raise PlatformError(
            "The template could not be made",
            f"{report.summary}\nOdoo ended with exit code {run.exit_code}. Builds install from nothing meanwhile.",
            "The output says why. It is tried again in a day.",
        )
    template.installed = [module.name for module in database.module_states() if module.state == "installed"]
    template.seconds = (clock.now() - began).total_seconds()
    template.save(update_fields=["installed", "seconds"])
    return template.seconds


def offer(template: Template) -> None:
    """From now on builds are made of it. Safe to repeat."""
    assert template.instance is not None
    instance = template.instance
    instances.stop(instance)
    shutil.rmtree(machines.folder(instance) / "log", ignore_errors=True)
    machines.cluster(instance.database_server).close_role(instance.database)
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.READY)


def _pool(template: Template) -> Pool:
    if template.instance is None:
        with transaction.atomic():
            template.instance = instances.create(
                host=template.host,
                stage=Stage.DEVELOPMENT,
                series=template.series,
                hostname=f"template-{{name}}.{settings.BERTH_DOMAIN}",
                label=str(template),
            )
            memory = floors.memory_floor(series.find(template.series).major) // floors.MIB
            pools.create(
                template.instance,
                image_id=template.image_id,
                commit="",
                build_label="",
                addons_path=[],
                queue_job=False,
                replicas=1,
                workers=2,
                memory_mb=memory,
            )
            template.save(update_fields=["instance"])
    return template.instance.pools.select_related("instance__host", "instance__database_server").get()


# --- removed ----------------------------------------------------------------------------------------------------------
def let_go(template: Template, wrong: str = "") -> None:
    """Remove it. No build is made of it from the first moment on. Safe to repeat."""
    Template.objects.filter(pk=template.pk, removed_at=None).update(removed_at=clock.now(), wrong=wrong)
    if template.instance is not None and template.instance.state != Instance.State.REMOVED:
        instances.remove(template.instance)


def outdated() -> list[Template]:
    """Those that nobody needs, and whose removal was interrupted; of the made ones all, where disk is scarce."""
    removed = Q(instance__state=Instance.State.REMOVED)
    half = Q(removed_at=None) & removed | Q(removed_at__isnull=False, instance__isnull=False) & ~removed
    gone = list(Template.objects.filter(half).select_related("instance__host"))
    found = list(ready().order_by("-used_at"))
    if machine_state.room(settings.BERTH_HOME).is_scarce:
        return [*gone, *found]
    kept = found[:AT_MOST]
    old = [each for each in kept if each.used_at < clock.now() - KEPT_UNUSED or not _has_image(each)]
    return [*gone, *found[AT_MOST:], *old]


def _has_image(template: Template) -> bool:
    """Also while nobody can say."""
    try:
        return machines.engine(template.host).image(template.image_id) is not None
    except EngineError:
        return True
