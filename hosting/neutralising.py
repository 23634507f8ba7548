"""Neutralising a copy before anything else may start on it: Odoo's own way, then what that leaves, counted.

`Instance.neutralised` holds `found`, what was on before by kind (hosting/odoo/outside.py), and `at`, when nothing of it
was on any more: without that, nothing may start. The row is written before Odoo is run, so that a second call knows
what the first one found; and Odoo's own way is taken once, as a second time would add a second dummy mail server.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Self

from hosting import databases, machines
from hosting.models import Instance, Pool
from hosting.odoo import commands, outside
from portal import clock
from portal.stories import PlatformError
from portal.telling import Telling

NEUTRALISE_S, SWITCH_S = 600, 300
FLAG = "database.is_neutralized"
JOBS = "Jobs of queue_job that waited"


@dataclass(frozen=True)
class Report:
    """What was switched off on a copy."""

    found: dict[str, int]
    at: str

    @classmethod
    def of(cls, neutralised: dict[str, Any]) -> Self:
        return cls(found=neutralised.get("found", {}), at=neutralised.get("at", ""))

    @property
    def missed(self) -> list[str]:
        """What was looked for and not found, each once."""
        kinds = dict.fromkeys([*(switch.what for switch in outside.ALL), JOBS])
        return [what for what in kinds if not self.found.get(what)]

    @property
    def total(self) -> int:
        return sum(self.found.values())


def neutralise(pool: Pool, *, telling: Telling) -> None:
    """Switch off on a copy what speaks to the outside, and give it an identity of its own. Safe to repeat.

    Raises PlatformError, also where something is on again at once.
    """
    instance, database = pool.instance, machines.database(pool.instance)
    if not instance.neutralised:
        database.drop_parameter(FLAG)  # of a source that was neutralised in its own time, it says nothing
        _remember(instance, {"found": database.switched_on(outside.ALL, timeout=SWITCH_S)})
    if database.parameter(FLAG) != "true":
        _as_odoo_does(pool, telling)
    left = database.switch_all_off(outside.ALL, timeout=SWITCH_S)
    if left:
        raise _refusal("something on it switches on again: " + ", ".join(f"{n} {what}" for what, n in left.items()))
    database.lead_mails_to(*machines.mail_address(instance))
    jobs = database.cancel_jobs()
    renew_identity(instance)
    found = instance.neutralised["found"]
    if jobs:
        found |= {JOBS: jobs}
        telling.say(f"{jobs} jobs of queue_job that wait in production were cancelled on the copy.")
    _remember(instance, {"found": found, "at": clock.now().isoformat()})
    telling.say(f"Switched off on the copy: {sum(found.values()):,} things of {len(found)} kinds.")


def _as_odoo_does(pool: Pool, telling: Telling) -> None:
    argv = commands.neutralize_argv(pool.instance.database)
    run = databases.run_odoo(pool, argv, telling=telling, timeout=NEUTRALISE_S)
    if run.exit_code or machines.database(pool.instance).parameter(FLAG) != "true":
        raise _refusal(f"odoo neutralize ended with exit code {run.exit_code}")


def _refusal(why: str) -> PlatformError:
    return PlatformError(
        "The copy could not be neutralised",
        f"{why[0].upper()}{why[1:]}. Nothing was started on the copy; it is removed.",
        "The output says why. Rebuild; if it stays, tell the operator.",
    )


def renew_identity(instance: Instance) -> None:
    """Nothing that was signed for the database it was copied from holds here, nor the other way round."""
    database = machines.database(instance)
    database.set_parameter("database.uuid", str(uuid.uuid4()))
    database.set_parameter("database.secret", str(uuid.uuid4()))


def inherit(instance: Instance, source: Instance) -> None:
    """It was copied from what is neutralised already. To be called when the copy is whole."""
    _remember(instance, source.neutralised)


def _remember(instance: Instance, neutralised: dict[str, Any]) -> None:
    Instance.objects.filter(pk=instance.pk).update(neutralised=neutralised)
    instance.neutralised = neutralised
