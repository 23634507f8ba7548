"""Runtimes: images of Odoo that are frozen by their ID, every week or when the operator asks, of which builds are made.

An image's own name (odoo:18.0) means another one after each pull. A frozen one has a name of this installation beside,
so that the engine keeps it when its own name moves on, until nobody needs it any more.
"""

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django_q.tasks import async_task

from hosting import images, machines, preflight
from hosting.engines.docker import EngineError
from hosting.models import Host, Runtime
from hosting.odoo import lives
from images.build import ImageError, ensure_stand_in
from portal import audit, clock
from portal.commands import Output, discard
from portal.models import User
from portal.rounds import once
from portal.stories import PlatformError
from portal.telling import handing_over

log = logging.getLogger(__name__)

LOCK = 0x72756E74696D65  # any fixed number
WEEK = timedelta(days=7)
KEPT = timedelta(days=35)  # that one can still be chosen which isn't the newest any more
PULL_S = 1200


def of(host: Host, series: str) -> QuerySet[Runtime]:
    """Those of which builds can be made, newest first."""
    return Runtime.objects.frozen().filter(host=host, series=series).order_by("-pk")


def newest(host: Host, series: str) -> Runtime | None:
    return of(host, series).first()


def current(host: Host, series: str, output: Output) -> Runtime:
    """The newest one. What this machine has is frozen where there is none yet, and where the settings name another
    image by now, or a stand-in is not needed or not up to date any more. Raises PlatformError.
    """
    runtime = newest(host, series)
    if runtime is None or _is_past(runtime, output):
        return freeze(host, series, output=output)
    return keep(runtime)


def keep(runtime: Runtime) -> Runtime:
    """See that the engine has it, by our name too. Raises PlatformError."""
    engine = machines.engine(runtime.host)
    found = engine.image(runtime.image_id)
    if found is None:
        raise PlatformError(
            f"The image of {runtime} is gone",
            f"Somebody removed {runtime.name} from this machine. What runs goes on running.",
            "Ask the operator to pull that image again. A branch that is pinned to it can take the latest one instead.",
        )
    if runtime.tag not in found.tags:
        engine.tag(runtime.image_id, runtime.tag)
    return runtime


def _is_past(runtime: Runtime, output: Output) -> bool:
    engine, wanted = machines.engine(runtime.host), images.configured(runtime.series)
    if engine.image(runtime.image_id) is None:
        return True
    if wanted != runtime.image and wanted and engine.image(wanted) is not None:
        return True
    if not runtime.stand_in:
        return False
    try:
        return ensure_stand_in(runtime.series, output) != runtime.image_id
    except ImageError as error:
        log.warning("the stand-in for Odoo %s of before is used: %s", runtime.series, error)
        return False


# --- frozen -----------------------------------------------------------------------------------------------------------
def freeze(
    host: Host,
    series: str,
    *,
    by: User | None = None,
    urgent: bool = False,
    pull: bool = False,
    output: Output = discard,
) -> Runtime:
    """Freeze what this machine has now; with `pull`, what a registry has, if one answers. Where that is the newest one
    already, it stays the newest; and so it does where there is no more than a stand-in, which never follows Odoo.
    Raises PlatformError, EngineError.
    """
    wrong = _pull(host, series, output) if pull else ""
    found, unfit = _found(host, series, output)
    wrong = wrong or unfit
    with transaction.atomic():
        Host.objects.select_for_update().get(pk=host.pk)
        runtime = newest(host, series)
        if runtime is None or runtime.image_id != found.image_id:
            runtime = Runtime.objects.create(
                host=host, series=series, asked_by=by, frozen_at=clock.now(), **vars(found)
            )
            audit.record(
                by=by, verb="freeze Odoo", object=str(runtime), after={"image": runtime.name, "urgent": urgent}
            )
        seen: dict[str, Any] = {"looked_at": clock.now(), "wrong": wrong[:300]} if pull else {}
        assert runtime.frozen_at is not None
        if runtime.frozen_at > clock.now():  # by a wrong clock
            seen["frozen_at"] = clock.now()
        Runtime.objects.filter(pk=runtime.pk).update(**seen, urgent=urgent or runtime.urgent)
    runtime.refresh_from_db()
    return keep(runtime)


def _found(host: Host, series: str, output: Output) -> tuple[images.Present, str]:
    """What there is to freeze. Where Odoo was frozen before and isn't there now: that one, and why. Raises
    PlatformError.
    """
    last = newest(host, series)
    if last is None or last.stand_in:
        return images.present(host, series, output), ""
    try:
        found = images.odoo(host, series)
        unfit = "" if found else f"{images.configured(series) or 'An image'} is not on this machine."
    except PlatformError as error:
        found, unfit = None, f"{error}. {error.detail} {error.remedy}"
    return found or images.Present(last.image_id, last.image, last.digest), unfit


def _pull(host: Host, series: str, output: Output) -> str:
    """Ask a registry for what the settings name. Returns why that was in vain, "" where it wasn't."""
    wanted = images.configured(series)
    if not wanted:
        return f"No image of Odoo {series} is set (BERTH_ODOO_IMAGES)."
    room = preflight.fullest(host)
    if room.free < preflight.kept_free(room):
        return "The disk of this machine is nearly full: no registry was asked."
    try:
        machines.engine(host).pull(wanted, timeout=PULL_S, output=output, keep_going=_until_handed_over)
    except EngineError as error:
        return str(error)
    return ""


def _until_handed_over() -> None:
    """Raises PlatformError: a worker that ends doesn't wait for a registry, and the next one asks it anew."""
    if handing_over():
        raise PlatformError("Berth was restarted meanwhile", "No image was frozen.", "It is tried again in an hour.")


@transaction.atomic
def ask(*, host: Host, series: str, urgent: bool, by: User) -> None:
    """Let a worker freeze what there is, soon. Once, however often it is asked for."""
    wish = {"urgent": urgent, "asked_by": by, "wrong": ""}
    Runtime.objects.update_or_create(host=host, series=series, frozen_at=None, defaults=wish)
    audit.record(by=by, verb="ask to freeze Odoo", object=f"Odoo {series}", after={"urgent": urgent})
    transaction.on_commit(lambda: async_task("hosting.runtimes.freeze_due", cluster="background"))


@once(LOCK)
def freeze_due() -> None:
    """Every hour: freeze what was asked for, and each series whose last look is a week ago."""
    today = clock.now().date()
    offered = [each for each in images.offered() if lives.phase(each, today) != lives.Phase.PHASED_OUT]
    asked = Runtime.objects.asked().filter(series__in=offered).select_related("host", "asked_by")
    for host in Host.objects.order_by("pk"):
        for series in offered:
            wish = asked.filter(host=host, series=series).first()
            if wish is not None or is_due(host, series):
                _freeze(host, series, wish)
    for late in asked.filter(wrong=""):  # asked for after its turn
        _freeze(late.host, late.series, late)


def _freeze(host: Host, series: str, wish: Runtime | None) -> None:
    by, urgent = (wish.asked_by, wish.urgent) if wish else (None, False)
    try:
        runtime = freeze(host, series, by=by, urgent=urgent, pull=True)
    except (PlatformError, EngineError) as error:
        log.warning("freezing Odoo %s, which is tried again in an hour: %s", series, error)
        Runtime.objects.asked().filter(host=host, series=series).update(wrong=str(error)[:300])
        return
    log.info("newest is %s, %s", runtime, runtime.name)
    if wish is not None:
        _fulfil(wish, runtime)


@transaction.atomic
def _fulfil(wish: Runtime, runtime: Runtime) -> None:
    """Whoever asked for an urgent one meanwhile gets it too."""
    now = Runtime.objects.asked().select_for_update().filter(pk=wish.pk).first()
    if now is not None:
        if now.urgent:
            Runtime.objects.filter(pk=runtime.pk).update(urgent=True)
        now.delete()


def is_due(host: Host, series: str) -> bool:
    """Whether nobody looked for a week. A look that lies ahead was made with a wrong clock."""
    runtime = newest(host, series)
    looked = runtime.looked_at if runtime is not None else None
    return looked is None or not clock.now() - WEEK < looked <= clock.now()


# --- removed ----------------------------------------------------------------------------------------------------------
def outdated(needed: Collection[int]) -> list[Runtime]:
    """Those that go: neither the newest of its series nor among `needed` (ids), nor young; and half removed ones."""
    rows = Runtime.objects.frozen().order_by("host", "series", "-pk")
    newest_ones = rows.distinct("host", "series").values("pk")
    half = Runtime.objects.exclude(removed_at=None).filter(untagged=False)
    old = rows.filter(frozen_at__lt=clock.now() - KEPT).exclude(pk__in=list(needed)).exclude(pk__in=newest_ones)
    return [*half.select_related("host"), *old.select_related("host")]


def write_off() -> None:
    """The machine that had them is gone: builds take what this one has."""
    Runtime.objects.frozen().update(removed_at=clock.now(), untagged=True)


def let_go(runtime: Runtime) -> None:
    """No build is made of it any more, and the engine may remove it. Safe to repeat. Raises EngineError."""
    Runtime.objects.filter(pk=runtime.pk, removed_at=None).update(removed_at=clock.now())
    machines.engine(runtime.host).untag(runtime.tag)
    Runtime.objects.filter(pk=runtime.pk).update(untagged=True)
