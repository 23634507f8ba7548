"""Copies of a database on another cluster: dumped, restored, neutralised. Restoring runs code that the tenant wrote,
so both ends happen in containers, each as its instance's own role and with no way to the other's database.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from hosting import databases, filestores, machines, pools
from hosting.engines.docker import Mount
from hosting.models import Instance, Pool
from hosting.odoo import commands
from portal.stories import PlatformError
from portal.telling import Telling

DUMP_S, NEUTRALISE_S = 3600, 600
INSIDE = "/var/lib/berth-copy"


def copy(*, source: Instance, pool: Pool, telling: Telling) -> None:
    """Fill the empty database of `pool`'s instance with what `source` holds, and its filestore.

    The dump sees one moment; files are only ever added, and are copied after it, so none that it names is missing.
    """
    target = pool.instance
    exchange = machines.folder(target) / "copy"
    shutil.rmtree(exchange, ignore_errors=True)
    exchange.mkdir(parents=True)
    pools.give_to_tenant(exchange)
    try:
        telling.say(f"Dumping {source.hostname}.")
        _run(
            source,
            pool,
            ["pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-acl", _dump()],
            exchange,
            telling,
        )
        telling.say("Restoring it.")
        # Without comments: those on the extensions, which belong to the administrator, could not be restored.
        options = ["--no-owner", "--no-acl", "--no-comments", "--exit-on-error", f"--dbname={target.database}"]
        _run(target, pool, ["pg_restore", *options, _dump(file=True)], exchange, telling)
        telling.say(f"{filestores.copy(source, target)} files of the filestore copied.")
    finally:
        shutil.rmtree(exchange, ignore_errors=True)


def _dump(*, file: bool = False) -> str:
    return f"{INSIDE}/dump" if file else f"--file={INSIDE}/dump"


def _run(instance: Instance, pool: Pool, argv: list[str], exchange: Path, telling: Telling) -> None:
    """Run a program of PostgreSQL's as `instance`'s role on its network, with `exchange` as its only folder."""
    spec = replace(
        pools.spec(pool, "web", exchange),
        name=databases.one_off_name(pool.instance),
        argv=tuple(argv),
        env=pools.environment(instance),
        network=machines.network(production=instance.is_production),
        address=None,
        mounts=(Mount(str(exchange), INSIDE, read_only=False),),
        labels=pools.labels(pool, "run"),
        restart="no",
        stop_timeout_s=10,
    )
    telling.mask(instance.database_password)
    with telling.command(argv) as command:
        command.exit_code = machines.engine(instance.host).run_once(
            spec, timeout=DUMP_S, output=telling.log, keep_going=telling.keep_going
        )
    if command.exit_code:
        raise PlatformError(
            "Production could not be copied",
            f"{argv[0]} ended with exit code {command.exit_code}. Production was only read.",
            "The output says why. Rebuild; if it stays, tell the operator.",
        )


def neutralise(pool: Pool, *, telling: Telling) -> None:
    """Odoo's own neutralisation, before anything else may start on the copy."""
    argv = commands.neutralize_argv(pool.instance.database)
    run = databases.run_odoo(pool, argv, telling=telling, timeout=NEUTRALISE_S)
    if run.exit_code or machines.database(pool.instance).parameter("database.is_neutralized") != "true":
        raise PlatformError(
            "The copy could not be neutralised",
            f"odoo neutralize ended with exit code {run.exit_code}. Nothing was started on the copy; it is removed.",
            "The output says why. Rebuild; if it stays, tell the operator.",
        )
