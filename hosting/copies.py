"""Copies of a database on another cluster: its dump goes straight into the restore. Restoring runs code that the tenant
wrote, so both ends happen in containers, each as its instance's own role and with no way to the other's database.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hosting import databases, filestores, machines, pools, runtimes
from hosting.engines.docker import ContainerSpec, EngineError, Mount, TimedOut
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB
from portal.stories import PlatformError
from portal.telling import Telling

COPY_S = 6 * 3600
END_S, POLL_S = 60.0, 0.1  # between the ends of restore and dump
BARE_MIB = 1024  # of memory, for a container without a pool
INSIDE, TO = "/var/lib/berth-copy", "/var/lib/berth-to"


def copy(*, source: Instance, pool: Pool, telling: Telling, files: bool = True) -> filestores.Shared:
    """Fill the empty database of `pool`'s instance with what `source` holds now, and its filestore if `files`.

    The dump sees one moment. Odoo writes a file before the row that names it, and may remove one at any time: what was
    there before the dump and what is there after it are all that it names. Raises PlatformError.
    """
    root, shared = machines.folder(pool.instance), filestores.Shared()
    exchange, made = root / "copy", root / "files"
    for left in (exchange, made):
        shutil.rmtree(left, ignore_errors=True)
    _check_whole(source)
    _check_room(source)
    exchange.mkdir(mode=0o700)
    pools.give_to_tenant(exchange)
    try:
        if files:
            filestores.gather(source, made, shared, keep_going=telling.keep_going)
        telling.say(f"Dumping {source.hostname}, straight into the copy.")
        _pipe(source, pool, exchange, telling)
        if files:
            filestores.gather(source, made, shared, keep_going=telling.keep_going)
            filestores.place(made, pool.instance)
    except Exception:  # but not ClaimLost: then the folders are those of the worker who tells it now
        shutil.rmtree(exchange, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)
        raise
    shutil.rmtree(exchange, ignore_errors=True)
    return shared


def _check_room(source: Instance) -> None:
    """Raises PlatformError."""
    needed = databases.size(source) * 1.2
    databases.require_disk(needed, of="a copy of production", left="Production was not touched.", then="rebuild")


# A pipe can't be synced; and who isn't told a dump's format looks for it by opening the file twice. Comments are left
# out, since those on the extensions, which belong to the administrator, could not be restored.
DUMP = ("pg_dump", "--format=custom", "--compress=0", "--no-sync", "--no-owner", "--no-acl")
RESTORE = ("pg_restore", "--format=custom", "--no-owner", "--no-acl", "--no-comments", "--exit-on-error")


def _pipe(source: Instance, pool: Pool, exchange: Path, telling: Telling) -> None:
    """Two containers at the ends of a pipe. No dump lies on the disk. Raises PlatformError."""
    target, pipe = pool.instance, exchange / "dump"
    os.mkfifo(pipe, 0o600)
    pools.give_to_tenant(pipe)
    plain = replace(plain_spec(pool, telling), mounts=(Mount(str(exchange), INSIDE, read_only=False),))
    dump = replace(plain, name=databases.one_off_names(target)[1], argv=(*DUMP, f"--file={INSIDE}/dump"))
    restore = replace(plain, argv=(*RESTORE, f"--dbname={target.database}", f"{INSIDE}/dump"))
    engine = machines.engine(target.host)
    engine.remove(dump.name)
    # By its ID from here on: whoever comes after us, as we lost our claim, has another of this name.
    fed = engine.ensure_running(inside(source, dump, telling)).id

    def keep_going() -> None:
        telling.keep_going()
        _look_after(fed, target, telling)

    try:
        run(inside(target, restore, telling), target, telling, keep_going=keep_going)
        deadline = time.monotonic() + END_S
        while _look_after(fed, target, telling) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    finally:
        with suppress(EngineError):  # it would hide what went wrong before; the next attempt removes it
            engine.remove(fed)


def _look_after(fed: str, target: Instance, telling: Telling) -> bool:
    """Whether the dump goes on. Raises PlatformError where it failed: the restore would wait for it for ever."""
    state = machines.engine(target.host).inspect(fed)
    if state is not None and (state.running or not state.exit_code):
        return state.running
    with suppress(EngineError):
        telling.log(machines.engine(target.host).logs(fed))
    raise _refusal(f"pg_dump ended with exit code {state.exit_code if state else None}.", "copied")


def _check_whole(source: Instance) -> None:
    """A database that is being updated is half of one thing and half of another. Raises PlatformError."""
    source.refresh_from_db(fields=["door"])
    if source.door in (Instance.Door.UPDATING, Instance.Door.HELD):
        raise PlatformError(
            "Production is being updated at this moment",
            "What would be copied now is neither the old state nor the new one. Production was not touched.",
            "Rebuild when its deploy has ended.",
        )


def plain_spec(pool: Pool, telling: Telling) -> ContainerSpec:
    """A container with nothing in it but programs of Odoo's image: the build's own image holds its authors' code, which
    must not meet production's password.
    """
    bare, memory = bare_spec(pool.instance, telling), pool.memory_mb * MIB
    return replace(bare, memory_bytes=memory, cpus=float(pool.cpus), labels=pools.labels(pool, "run"))


def bare_spec(instance: Instance, telling: Telling) -> ContainerSpec:
    """The same for an instance on which no code runs."""
    runtime = runtimes.current(instance.host, instance.series, telling.log)
    return ContainerSpec(
        name=databases.one_off_name(instance),
        image_id=runtime.image_id,
        argv=(),
        memory_bytes=BARE_MIB * MIB,
        cpus=float(pools.cores(None)),
        pids=512,
        labels={"berth.instance": instance.name, "berth.role": "run"},
        restart="no",
        later=not instance.is_production,
    )


def inside(instance: Instance, spec: ContainerSpec, telling: Telling) -> ContainerSpec:
    """The same with `instance`'s role and network."""
    telling.mask(instance.database_password)
    network = machines.network(production=instance.is_production)
    return replace(spec, env=pools.environment(instance), network=network)


def run(
    spec: ContainerSpec,
    instance: Instance,
    telling: Telling,
    *,
    timeout: float = COPY_S,
    doing: str = "copied",
    keep_going: Callable[[], None] | None = None,
) -> None:
    """Run a program that reads production or fills a copy of it. Raises PlatformError."""
    with telling.command(spec.argv) as command:
        try:
            command.exit_code = machines.engine(instance.host).run_once(
                spec, timeout=timeout, output=telling.log, keep_going=keep_going or telling.keep_going
            )
        except TimedOut as error:
            raise _refusal(str(error), doing) from error
    if command.exit_code:
        raise _refusal(f"{spec.argv[0]} ended with exit code {command.exit_code}.", doing)


def _refusal(wrong: str, doing: str) -> PlatformError:
    return PlatformError(
        f"Production could not be {doing}",
        f"{wrong} Production was only read.",
        "The output says why. Try again; if it stays, tell the operator.",
    )
