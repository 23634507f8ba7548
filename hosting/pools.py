"""Pools: one generation of an instance's containers. Made, started, proven, stopped, removed."""

import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q

from hosting import addresses, logfiles, machines
from hosting.engines.docker import ContainerSpec, EngineError, Mount
from hosting.models import Instance, Pool, Replica
from hosting.odoo import commands, series
from hosting.odoo.conf import DATA_DIR, REAL_SECONDS, Conf, Purpose, render_conf
from hosting.odoo.floors import MIB
from portal import clock

ODOO_UID = 101  # of the user `odoo` in every Odoo image (docs/odoo-image.md)
LOG = "/var/log/odoo"
BEGUN = timedelta(seconds=15)
BEGUN_POLL_S = 0.5
STOP_TIMEOUT_S = REAL_SECONDS + 30  # a request in flight may run that long


def prepare_folders(instance: Instance) -> None:
    """The data and log folders, which belong to the tenant's user."""
    root = machines.folder(instance)
    root.mkdir(parents=True, exist_ok=True)
    for name in ("data", "log"):
        path = root / name
        path.mkdir(exist_ok=True)
        give_to_tenant(path)


def give_to_tenant(path: Path) -> None:
    os.chown(path, ODOO_UID, ODOO_UID, follow_symlinks=False)


def remove_folders(instance: Instance) -> None:
    shutil.rmtree(machines.folder(instance), ignore_errors=True)


@transaction.atomic
def create(
    instance: Instance,
    *,
    image_id: str,
    commit: str,
    build_label: str,
    addons_path: list[str],
    queue_job: bool,
    replicas: int,
    workers: int,
    memory_mb: int,
    cpus: Decimal | None = None,
) -> Pool:
    """The row of the next generation, with the addresses of its containers. Nothing runs yet."""
    last = instance.pools.aggregate(last=Max("generation"))["last"] or 0
    web, cron, *further = addresses.allot(instance, 1 + replicas)
    pool = Pool.objects.create(
        instance=instance,
        generation=last + 1,
        image_id=image_id,
        commit=commit,
        build_label=build_label,
        addons_path=addons_path,
        queue_job=queue_job,
        workers=workers,
        cron_workers=1 if instance.is_production else 0,
        memory_mb=memory_mb,
        cpus=cores(cpus),
        web_address=web,
        cron_address=cron,
    )
    Replica.objects.bulk_create(Replica(pool=pool, number=n, address=each) for n, each in enumerate(further, 2))
    return pool


def cores(wanted: Decimal | None) -> Decimal:
    """How many a container gets whose owner asked for `wanted`; None: what the platform gives."""
    return wanted or Decimal(str(settings.BERTH_POOL_CPUS))


def write_conf(pool: Pool, purpose: Purpose, number: int = 1) -> Path:
    """Write the generation's odoo.conf for one purpose; readable by the tenant, not writable.

    `number` is that of the web container: each has its own log.
    """
    instance = pool.instance
    host, port = machines.tenant_address(instance)
    mail_host, mail_port = machines.mail_address(instance)
    text = render_conf(
        Conf(
            purpose=purpose,
            series=series.find(instance.series),
            database=instance.database,
            db_host=host,
            db_port=port,
            db_user=instance.database,
            db_password=instance.database_password,
            admin_password=instance.admin_password,
            addons_path=tuple(pool.addons_path),
            memory=pool.memory_mb * MIB,
            workers=pool.workers,
            cron_workers=pool.cron_workers or 1,
            runs_jobs=runs_jobs(pool, purpose),
            mail_host=mail_host,
            mail_port=mail_port,
            logfile=f"{LOG}/{log_name(pool, purpose, number)}",
        )
    )
    path = machines.folder(instance) / f"g{pool.generation}" / f"{_numbered(purpose, number)}.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")  # a resize may write while a deploy does
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:  # it holds passwords
        file.write(text)
        os.fchown(file.fileno(), 0, ODOO_UID)
        os.fchmod(file.fileno(), 0o440)
    partial.replace(path)
    return path


def write_confs(pool: Pool) -> None:
    """Write again what its containers read when they start the next time."""
    for role in pool.web:
        write_conf(pool, Purpose.SERVE, _number(role))
    if pool.cron_workers:
        write_conf(pool, Purpose.CRON)


def runs_jobs(pool: Pool, purpose: Purpose) -> bool:
    """Whether queue_job's runner lives in the container for `purpose`: beside the scheduled actions, so that the jobs
    too are one generation's at a time; where those have no container that stays, with who serves.
    """
    return pool.queue_job and purpose is (Purpose.CRON if pool.cron_workers else Purpose.SERVE)


def log_name(pool: Pool, purpose: Purpose, number: int = 1) -> str:
    return f"odoo-g{pool.generation}-{_numbered(purpose, number)}.log"


def web_log(pool: Pool, role: str) -> str:
    """The name of the log of the web container `role`."""
    return log_name(pool, Purpose.SERVE, _number(role))


def _numbered(purpose: Purpose, number: int) -> str:
    return purpose if number == 1 else f"{purpose}-{number}"


def _number(role: str) -> int:
    """Of a web container: web is the first one, web-2 the second."""
    return int(role.partition("-")[2] or 1)


def labels(pool: Pool, role: str) -> dict[str, str]:
    return {
        "berth.instance": pool.instance.name,
        "berth.pool": pool.name,
        "berth.role": role,
        "berth.commit": pool.commit,
        "berth.build": pool.build_label,
    }


def spec(pool: Pool, role: str, conf_file: Path) -> ContainerSpec:
    """What the container for `role` (see `Pool.container`) of a pool shall be."""
    instance = pool.instance
    root = machines.folder(instance)
    serve = commands.serve_argv(instance.database)
    jobs = runs_jobs(pool, Purpose.CRON)
    cron = commands.cron_argv(instance.database, pool.cron_workers or 1, http=jobs)
    return ContainerSpec(
        name=pool.container(role),
        image_id=pool.image_id,
        argv=tuple(cron if role == "cron" else serve),
        env=environment(instance),
        network=machines.network(production=instance.is_production),
        address=pool.cron_address if role == "cron" else pool.web[role],
        mounts=(
            Mount(str(conf_file), commands.CONF, read_only=True),
            Mount(str(root / "data"), DATA_DIR, read_only=False),
            Mount(str(root / "log"), LOG, read_only=False),
        ),
        memory_bytes=pool.memory_mb * MIB,
        cpus=float(pool.cpus),
        pids=512,
        labels=labels(pool, role),
        stop_timeout_s=STOP_TIMEOUT_S,
        later=comes_later(pool, role),
    )


def comes_later(pool: Pool, role: str) -> bool:
    """Whether a container gets few of the cores while others want them: visitors of production have them first."""
    return not pool.instance.is_production or role == "cron" or pool.state == Pool.State.STARTING


def come_first(pool: Pool) -> None:
    """The pool, which has started, is to serve now."""
    for role in pool.web if pool.instance.is_production else ():
        machines.engine(pool.instance.host).weigh(pool.container(role), later=False)


def come_last(pool: Pool) -> None:
    """The pool is to be stopped, which costs Odoo half a second of a core. One that is gone, or going, is no error."""
    for role in pool.web:
        with suppress(EngineError):
            machines.engine(pool.instance.host).weigh(pool.container(role), later=True)


def environment(instance: Instance) -> dict[str, str]:
    """What a tenant's process finds in its environment: Berth's variables and libpq's."""
    host, port = machines.tenant_address(instance)
    stage = "dev" if instance.stage == "development" else str(instance.stage)
    return {
        "ODOO_STAGE": stage,
        "ODOO_VERSION": instance.series,
        "PGDATABASE": instance.database,
        "PGUSER": instance.database,
        "PGPASSWORD": instance.database_password,
        "PGHOST": host,
        "PGPORT": str(port),
    }


def start(pool: Pool, role: str) -> None:
    """Start a container of the pool, or find it running. The same call after a crash does no harm."""
    pool.refresh_from_db(fields=["memory_mb", "cpus"])  # somebody may have resized it a moment ago
    prepare_folders(pool.instance)
    conf_file = write_conf(pool, Purpose.CRON) if role == "cron" else write_conf(pool, Purpose.SERVE, _number(role))
    machines.engine(pool.instance.host).ensure_running(spec(pool, role, conf_file))


def start_web(pool: Pool) -> None:
    """Start all web containers of the pool, or find them running."""
    for role in pool.web:
        start(pool, role)


@transaction.atomic
def start_while(pool: Pool, role: str, *states: Pool.State) -> bool:
    """Start a container if the pool is in one of these states, in which it stays meanwhile; whether it was.

    Crons whose instance is being updated are left stopped.
    """
    wanted = Q(state__in=states) & (Q(crons_stopped=False) if role == "cron" else Q())
    if not Pool.objects.select_for_update().filter(wanted, pk=pool.pk):
        return False
    start(pool, role)
    return True


def stop(pool: Pool, role: str, *, keep_going: Callable[[], None]) -> None:
    """Stop one container, which may be started again. Odoo finishes the requests, actions and jobs that run in it."""
    _let_begin(pool, role, keep_going)
    machines.engine(pool.instance.host).stop(pool.container(role), STOP_TIMEOUT_S, keep_going=keep_going)


def _let_begin(pool: Pool, role: str, keep_going: Callable[[], None]) -> None:
    """Wait until the container is BEGUN old: Odoo's workers lose a signal that comes while they are forked, and it
    would stand until the engine kills it, after STOP_TIMEOUT_S, while visitors or scheduled actions may be waiting.
    """
    deadline = time.monotonic() + BEGUN.total_seconds()  # one that begins again and again is not waited for
    while (state := machines.engine(pool.instance.host).inspect(pool.container(role))) is not None:
        young = state.running and state.started_at is not None and clock.now() - state.started_at < BEGUN
        if not young or time.monotonic() > deadline:
            return
        keep_going()
        time.sleep(BEGUN_POLL_S)


def stop_web(pool: Pool, *, keep_going: Callable[[], None]) -> None:
    for role in pool.web:
        stop(pool, role, keep_going=keep_going)


def remove(pool: Pool) -> None:
    """Remove the pool's containers and forget its addresses. It must not be in the router any more."""
    engine = machines.engine(pool.instance.host)
    for role in pool.roles:
        engine.remove(pool.container(role))
    shutil.rmtree(machines.folder(pool.instance) / f"g{pool.generation}", ignore_errors=True)
    with transaction.atomic():
        pool.further.all().delete()
        pool.state = Pool.State.GONE
        pool.save(update_fields=["state"])


def last_words(pool: Pool, lines: int) -> str:
    """The end of what a pool's web containers printed and Odoo logged, for a build that failed; of each so much."""
    said = {role: _last_words(pool, role, lines) for role in pool.web}
    if len(said) == 1:
        return "\n".join(said["web"])
    return "\n".join("\n".join([f"{role}:", *words]) for role, words in said.items())


def _last_words(pool: Pool, role: str, lines: int) -> list[str]:
    words: list[str] = []
    with suppress(EngineError):
        words += machines.engine(pool.instance.host).logs(pool.container(role), lines).splitlines()
    with suppress(logfiles.NoSuchLog), logfiles.opened(pool.instance, web_log(pool, role)) as stream:
        words += [entry.text for entry in logfiles.read_back(stream, None, logfiles.Wanted()).entries]
    return words[-lines:]
