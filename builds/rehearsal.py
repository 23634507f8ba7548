"""The rehearsal of an update: on a copy of production that is thrown away, before anything of production is touched.

It says how long the update takes, what goes wrong, and what it changes in the database: see builds/change.py. What it
found is kept in `Build.rehearsal`, with what the update then really took (builds/updates.py).
"""

import time
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from builds import change, modules
from builds.models import Build
from builds.prepare import make_pool
from hosting import copies, databases, instances, machines, neutralising
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB
from portal.stories import ProjectError, step
from portal.telling import Telling
from projects.models import Branch

COPY_S, COPY_RATE = 0.5, 120 * MIB  # of the copy aside within a cluster: before the first byte, and bytes a second
PROOF_S = 5.0  # ending requests and sessions, reloading the new pool's registry, proving it
UNTOUCHED = "Production was not touched."


@dataclass(frozen=True)
class Prediction:
    """Seconds for which visitors would be held."""

    update: float
    copy: float

    @property
    def total(self) -> float:
        return self.update + self.copy + PROOF_S


def undo_rehearsal(build: Build, _telling: Telling) -> None:
    """The copy is always removed."""
    copy = build.rehearsed_on
    if copy is not None:
        if copy.state != Instance.State.REMOVED:
            instances.remove(copy)
        # Who lost the story to another worker must not forget that one's copy.
        Build.objects.filter(pk=build.pk, rehearsed_on=copy).update(rehearsed_on=None)
        build.rehearsed_on = None


@step("Rehearse the update", undo=undo_rehearsal)
def rehearse(build: Build, telling: Telling) -> None:
    """Told again, it begins anew: what an interrupted one left is removed first."""
    production = build.branch.instance
    if production is None or production.state != Instance.State.READY:
        return telling.say("Production begins with this build: there is nothing to update yet.")
    due = modules.due_for(build, production)
    if not due:
        return telling.say("No module's version or requirement changed: the database goes on serving as it is.")
    telling.say("To be updated: " + ", ".join(due))
    undo_rehearsal(build, telling)
    copy = _new_copy(build, production)
    try:
        seconds, found = _rehearse_on(build, copy, production, due, telling)
    finally:
        undo_rehearsal(build, telling)
    prediction = predict(seconds, machines.cluster(production.database_server).size(production.database))
    return _decide(build, due, prediction, found, telling)


def _new_copy(build: Build, production: Instance) -> Instance:
    """The row of the copy. No pool of it ever serves."""
    with transaction.atomic():
        build.rehearsed_on = instances.create_throwaway(production, "rehearsal", f"the rehearsal of {build}")
        build.save(update_fields=["rehearsed_on"])
    return build.rehearsed_on


def _rehearse_on(
    build: Build, copy: Instance, production: Instance, due: list[str], telling: Telling
) -> tuple[float, change.Change]:
    """Fill the copy, update it, compare. Returns the seconds of the update and what it changed. Raises ProjectError."""
    _check_room(production)
    pool = make_pool(build, copy)
    databases.start_afresh(copy)
    copies.copy(source=production, pool=pool, telling=telling, files=False)
    neutralising.neutralise(pool, telling=telling)
    before = machines.database(copy).shape()
    began = time.monotonic()
    _update(pool, due, telling)
    seconds = time.monotonic() - began
    return seconds, change.compare(before, machines.database(copy).shape())


def _check_room(production: Instance) -> None:
    """The copy and its dump need disk, and later the copy aside. Raises PlatformError."""
    needed = databases.size(production) * 2
    databases.require_disk(needed, of="the rehearsal of the update", left=UNTOUCHED, then="retry the build")


def _update(pool: Pool, due: list[str], telling: Telling) -> None:
    try:
        modules.update(pool, due, telling, left=UNTOUCHED)
    except ProjectError as error:
        raise ProjectError(
            f"The rehearsal failed: {error.title[0].lower()}{error.title[1:]}", error.detail, error.remedy
        ) from error


def predict(update_seconds: float, database_bytes: int) -> Prediction:
    return Prediction(update=update_seconds, copy=COPY_S + database_bytes / COPY_RATE)


def _decide(build: Build, due: list[str], prediction: Prediction, found: change.Change, telling: Telling) -> None:
    """Write down what was found, and in which way the update is to be done. Raises ProjectError where in none."""
    branch = build.branch
    page = branch.strategy == Branch.Strategy.IN_TURN
    too_long = prediction.total > branch.hold_seconds
    if too_long and branch.long_updates == Branch.LongUpdates.PAGE:
        page = True
    build.rehearsal = {
        "modules": due,
        "update_seconds": round(prediction.update, 1),
        "copy_seconds": round(prediction.copy, 1),
        "proof_seconds": PROOF_S,
        "predicted_seconds": round(prediction.total, 1),
        "limit_seconds": branch.hold_seconds,
        "kind": found.kind,
        "changes": list(found.lines),
        "way": "page" if page else "hold",
    }
    build.save(update_fields=["rehearsal"])
    telling.say(f"{SAID[found.kind]} " + "; ".join(found.lines[:10]))
    telling.say(f"Visitors would wait {numbers(build.rehearsal)}.")
    if too_long and not page:
        raise ProjectError(
            "The update takes longer than visitors may be kept waiting",
            f"It would keep them waiting {numbers(build.rehearsal)}; the branch's settings allow "
            f"{branch.hold_seconds} s. {UNTOUCHED}",
            "In the branch's settings, allow a maintenance page during long updates, or a longer wait; then rebuild.",
        )


SAID = {
    change.Kind.NONE: "The database keeps its form: code from before can run on it.",
    change.Kind.HARMLESS: "The database only gains what code from before doesn't mind:",
    change.Kind.HOLD: "Code from before can't run on what the update makes:",
}


def numbers(rehearsal: dict[str, Any]) -> str:
    """`18.2 s (update 11.0 s, copy 2.2 s, proof 5.0 s)`."""
    parts = ", ".join(f"{name} {rehearsal[f'{name}_seconds']} s" for name in ("update", "copy", "proof"))
    return f"{rehearsal['predicted_seconds']} s ({parts})"
