"""The proof of a backup: it is restored from nothing, compared with what was counted when it was taken, and opened.

All happens in `lab`, on a throwaway instance whose door is never opened. It is neutralised before any code of the
tenant's starts on it.
"""

import shutil
import time

from hosting import backups, databases, machines, neutralising, pools, proof, restores
from hosting.models import Backup, Pool
from hosting.odoo import commands
from hosting.odoo.loglines import read_run
from portal.telling import Telling

OPEN_S, ANSWER_S = 1800, 600
LAST_LINES = 20


class NotProven(Exception):
    """The backup is not what it should be. The message says in which way."""


def prove(backup: Backup, telling: Telling) -> float:
    """Restore the backup on its throwaway instance and look whether it is whole. Told again, it begins anew.

    Returns the seconds from nothing to Odoo's login page. Raises NotProven, PlatformError.
    """
    pool, restored = backups.throwaway(backup), backups.folder(backup) / "in"
    for role in pool.web:
        machines.engine(pool.instance.host).remove(pool.container(role))
    shutil.rmtree(backups.folder(backup) / "out", ignore_errors=True)  # what was stored is not looked at any more
    began = time.monotonic()
    try:
        manifest = restores.fill(pool, backup, restored, telling)
    except restores.NotWhole as error:
        raise NotProven(str(error)) from error
    neutralising.neutralise(pool, telling=telling)
    open_it(pool, telling)
    seconds = time.monotonic() - began
    _look_for_losses(backup, manifest["lacking"])
    return seconds


def _look_for_losses(backup: Backup, lacking: list[str]) -> None:
    """What production has lost since its last backup is lost with the older ones, unless somebody hears of it now. The
    next backup is taken as production is then. Raises NotProven.
    """
    before = backups.lacked_before(backup)
    if len(lacking) > before:
        lines = [f"{name}, which an attachment names, is not among production's files" for name in lacking[:LAST_LINES]]
        lines += [
            f"Missing are {len(lacking)}, at the backup before {before}. Older backups may hold them still.",
            "Look there, or back up again: the next backup is compared with what production has then.",
        ]
        raise NotProven("\n".join(lines))


def open_it(pool: Pool, telling: Telling) -> None:
    """Odoo loads every module on it, and then answers, its login page, an asset and a websocket. Raises NotProven."""
    run = databases.run_odoo(pool, commands.open_argv(pool.instance.database), telling=telling, timeout=OPEN_S)
    report = read_run(run.lines)
    if run.exit_code or report.not_initialized or report.not_loaded:
        raise NotProven("\n".join(["Odoo could not open it.", report.summary, *run.lines[-LAST_LINES:]]))
    pools.start_web(pool)
    try:
        proof.prove(pool, timeout=ANSWER_S, say=telling.say, keep_going=telling.keep_going, hurry=True)
    except (proof.NotProven, proof.Died) as error:
        raise NotProven(f"Odoo does not answer on it. {error}\n{pools.last_words(pool, LAST_LINES)}") from error
