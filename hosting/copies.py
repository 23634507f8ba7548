"""Copies of a database on another cluster: dumped, restored, neutralised. Restoring runs code that the tenant wrote,
so both ends happen in containers, each as its instance's own role and with no way to the other's database.
"""

import os
import shutil
from dataclasses import replace

from hosting import databases, images, machines, pools
from hosting.engines.docker import ContainerSpec, Mount
from hosting.models import Instance, Pool
from hosting.odoo import commands
from hosting.odoo.floors import MIB
from portal.stories import PlatformError
from portal.telling import Telling

COPY_S, NEUTRALISE_S = 3600, 600
BARE_MIB = 1024  # of memory, for a container without a pool
INSIDE, FROM, TO = "/var/lib/berth-copy", "/var/lib/berth-from", "/var/lib/berth-to"


def copy(*, source: Instance, pool: Pool, telling: Telling, files: bool = True) -> None:
    """Fill the empty database of `pool`'s instance with what `source` holds, and its filestore if `files`.

    The dump sees one moment; files are only ever added, and are copied after it, so none that it names is missing.
    """
    target = pool.instance
    exchange = machines.folder(target) / "copy"
    shutil.rmtree(exchange, ignore_errors=True)
    exchange.mkdir(mode=0o700)
    pools.give_to_tenant(exchange)
    folder = Mount(str(exchange), INSIDE, read_only=False)
    plain = plain_spec(pool, telling)
    try:
        _check_whole(source)
        telling.say(f"Dumping {source.hostname}.")
        dump = ["pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-acl", f"--file={INSIDE}/dump"]
        run(inside(source, replace(plain, argv=tuple(dump), mounts=(folder,)), telling), source, telling)
        telling.say("Restoring it.")
        # Without comments: those on the extensions, which belong to the administrator, could not be restored.
        options = ["--no-owner", "--no-acl", "--no-comments", "--exit-on-error", f"--dbname={target.database}"]
        restore = ["pg_restore", *options, f"{INSIDE}/dump"]
        run(inside(target, replace(plain, argv=tuple(restore), mounts=(folder,)), telling), target, telling)
        if files:
            _copy_files(source, target, plain, telling)
    except Exception:  # but not ClaimLost: then the folder is that of the worker who tells it now
        shutil.rmtree(exchange, ignore_errors=True)
        raise
    shutil.rmtree(exchange, ignore_errors=True)


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
    base = images.base(instance.host, instance.series, telling.log)
    return ContainerSpec(
        name=databases.one_off_name(instance),
        image_id=base.image_id,
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


def _copy_files(source: Instance, target: Instance, spec: ContainerSpec, telling: Telling) -> None:
    """Copy the filestore, as the tenants' user and seeing nothing but the two data folders: both are full of whatever
    the tenants put there, links to the machine's own files too. It is a copy, since a hard link would share the inode
    with a tenant who owns his side of it. Safe to repeat.
    """
    folders = {instance: machines.folder(instance) / "data" for instance in (source, target)}
    if not os.path.lexists(folders[source] / "filestore" / source.database):
        return telling.say("There is no filestore to copy.")
    telling.say("Copying the filestore.")
    argv = ["cp", "--recursive", "--no-dereference", "--no-target-directory"]
    argv += [f"{FROM}/filestore/{source.database}", f"{TO}/filestore/{target.database}"]
    filestore = folders[target] / "filestore"
    if not os.path.lexists(filestore):
        filestore.mkdir()
        pools.give_to_tenant(filestore)
    mounts = (Mount(str(folders[source]), FROM, read_only=True), Mount(str(folders[target]), TO, read_only=False))
    return run(replace(spec, argv=tuple(argv), mounts=mounts), target, telling)


def run(
    spec: ContainerSpec, instance: Instance, telling: Telling, *, timeout: float = COPY_S, doing: str = "copied"
) -> None:
    """Run a program that reads production or fills a copy of it. Raises PlatformError."""
    with telling.command(spec.argv) as command:
        command.exit_code = machines.engine(instance.host).run_once(
            spec, timeout=timeout, output=telling.log, keep_going=telling.keep_going
        )
    if command.exit_code:
        raise PlatformError(
            f"Production could not be {doing}",
            f"{spec.argv[0]} ended with exit code {command.exit_code}. Production was only read.",
            "The output says why. Try again; if it stays, tell the operator.",
        )


def neutralise(pool: Pool, *, telling: Telling) -> None:
    """Odoo's own neutralisation, before anything else may start on the copy; it knows nothing of queue_job's jobs."""
    argv = commands.neutralize_argv(pool.instance.database)
    run = databases.run_odoo(pool, argv, telling=telling, timeout=NEUTRALISE_S)
    if run.exit_code or machines.database(pool.instance).parameter("database.is_neutralized") != "true":
        raise PlatformError(
            "The copy could not be neutralised",
            f"odoo neutralize ended with exit code {run.exit_code}. Nothing was started on the copy; it is removed.",
            "The output says why. Rebuild; if it stays, tell the operator.",
        )
    machines.database(pool.instance).lead_mails_to(*machines.mail_address(pool.instance))
    jobs = machines.database(pool.instance).cancel_jobs()
    if jobs:
        telling.say(f"{jobs} jobs of queue_job that wait in production were cancelled on the copy.")
