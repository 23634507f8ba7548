"""Databases of instances: made, run through Odoo, secured, copied aside before an update, put back after a bad one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from passlib.hash import pbkdf2_sha512

from hosting import machine_state, machines, pools
from hosting.engines.docker import OutOfMemory, TimedOut
from hosting.models import Instance, Pool
from hosting.odoo.conf import Conf, Purpose
from hosting.odoo.floors import MIB
from portal.secrets import new_password
from portal.stories import PlatformError, ProjectError
from portal.telling import Telling

REPORT_URL = "http://127.0.0.1:8069"  # a PDF asks its own container for its style sheets, not the router
LAST_LINES = 50
CONNECTIONS = {True: 64, False: 32}  # production, the rest; see `allow_connections`
GEVENT = 1  # the process of each web container that serves websockets
SPARE = 500 * MIB  # of disk stays free for what serves
FOR_OTHERS = 40  # of a server's connections that no database gets alone


@dataclass(frozen=True)
class Run:
    """How one run of Odoo ended, and all that it printed."""

    exit_code: int
    lines: tuple[str, ...]


def create(instance: Instance) -> None:
    """An empty database with a role of its own. Safe to repeat."""
    server = machines.cluster(instance.database_server)
    server.create_role(instance.database, instance.database_password, CONNECTIONS[instance.is_production])
    server.create_database(instance.database, instance.database)
    pools.prepare_folders(instance)


def settle_role(instance: Instance) -> None:
    """What a foreign dump may have set for its role and database is set back."""
    server = machines.cluster(instance.database_server)
    server.create_role(instance.database, instance.database_password, CONNECTIONS[instance.is_production])
    server.forget_settings(instance.database, instance.database)


def allow_connections(instance: Instance) -> None:
    """Let production's pools open as many connections as each of their processes may, and a one-off beside them; yet
    never all that the server has. Safe to repeat.
    """
    if not instance.is_production:
        return
    there = instance.pools.exclude(state=Pool.State.GONE).prefetch_related("further")
    processes = 1 + sum(len(pool.web) * (pool.workers + GEVENT) + pool.cron_workers for pool in there)
    server = machines.cluster(instance.database_server)
    limit = min(processes * Conf.connections, server.load().limit - FOR_OTHERS)
    server.set_limit(instance.database, max(limit, CONNECTIONS[True]))


def start_afresh(instance: Instance) -> None:
    """An empty database, whatever an interrupted attempt left there."""
    _clear(instance)
    create(instance)


def start_from(instance: Instance, source: Instance) -> None:
    """A database with all that `source` has in the same cluster, which nobody may use meanwhile."""
    server = machines.cluster(instance.database_server)
    _clear(instance)
    server.create_role(instance.database, instance.database_password, CONNECTIONS[instance.is_production])
    server.copy_database(source.database, instance.database, instance.database)
    pools.prepare_folders(instance)


def _clear(instance: Instance) -> None:
    end_one_off(instance)
    machines.cluster(instance.database_server).drop_database(instance.database)
    instance.neutralised = {}
    instance.save(update_fields=["neutralised"])


def run_odoo(pool: Pool, argv: Sequence[str], *, telling: Telling, timeout: float) -> Run:
    """Run Odoo once on the instance's database, with the pool's code, in a container that is removed afterwards.

    Its output goes to the step. Odoo ends with 0 although something is wrong (an unknown module, a module whose code
    is gone), so callers look at the exit code and at the lines.
    """
    instance = pool.instance
    telling.mask(instance.database_password, instance.admin_password)
    conf_file = pools.write_conf(pool, Purpose.RUN)
    spec = replace(
        pools.spec(pool, "web", conf_file),
        name=one_off_name(instance),
        argv=tuple(argv),
        address=None,
        restart="no",
        labels=pools.labels(pool, "run"),
        stop_timeout_s=10,
    )
    pieces: list[str] = []

    def output(text: str) -> None:
        pieces.append(text)
        telling.log(text)

    with telling.command(argv) as command:
        try:
            command.exit_code = machines.engine(instance.host).run_once(
                spec, timeout=timeout, output=output, keep_going=telling.keep_going
            )
        except (OutOfMemory, TimedOut) as error:
            raise _too_much(error, pieces) from error
    return Run(exit_code=command.exit_code or 0, lines=tuple("".join(pieces).splitlines()))


def _too_much(error: OutOfMemory | TimedOut, pieces: Sequence[str]) -> ProjectError:
    """Odoo wanted more memory or time than it gets."""
    detail = "\n".join([str(error), "", *"".join(pieces).splitlines()[-LAST_LINES:]])
    if isinstance(error, OutOfMemory):
        todo = "Give the branch more memory in its settings, or let the module load less at once; then push again."
        return ProjectError("Odoo needed more memory than it has", detail, todo)
    return ProjectError("Odoo took too long", detail, "Make what it does quicker, or split it; then push again.")


def one_off_name(instance: Instance) -> str:
    """One name for all one-off containers of an instance: the next attempt removes what a dead one left."""
    return f"berth-{settings.BERTH_INSTALLATION}-{instance.name}-run"


def one_off_names(instance: Instance) -> tuple[str, str]:
    """That one, and the dump of another database from which it is fed."""
    return one_off_name(instance), f"{one_off_name(instance)}-dump"


def end_one_off(instance: Instance) -> None:
    """What a worker started that was killed may still be at work on the database."""
    for name in one_off_names(instance):
        machines.engine(instance.host).remove(name)


def secure(instance: Instance, *, new_admin: bool, url: str = "") -> str:
    """Set what the platform decides in a fresh database: addresses (`url`, where it will be another than the
    instance's), and a password of its own for `admin`.

    Returns the password ("" where the old one stays).
    """
    database = machines.database(instance)
    database.set_parameter("report.url", REPORT_URL)
    database.set_parameter("web.base.url", url or instance.url)
    database.set_parameter("web.base.url.freeze", "True")
    if not new_admin:
        return ""
    password = new_password()[:16]
    database.set_password("admin", pbkdf2_sha512.hash(password))
    return password


def aside(instance: Instance, label: str) -> str:
    """The name of the copy that is taken before the build `label` updates modules."""
    return f"{instance.database}_{label}"


def copy_aside(instance: Instance, label: str) -> None:
    """Take a copy of the database before an update; on a second call, put the copy's content back instead.

    So an update always begins from the state before it, also after a worker died in its middle. The pool must be
    stopped: the copy needs the database for itself, and nobody may write to what could be put back.
    """
    server = machines.cluster(instance.database_server)
    name = aside(instance, label)
    end_one_off(instance)
    if has_aside(instance, label):
        server.drop_database(instance.database)
        server.copy_database(name, instance.database, instance.database)
    else:
        server.copy_database(instance.database, name, instance.database)


def has_aside(instance: Instance, label: str) -> bool:
    """Whether there is a whole copy: only then can an update have begun."""
    return machines.cluster(instance.database_server).is_finished(aside(instance, label))


def put_back(instance: Instance, label: str) -> bool:
    """The copy becomes the database again, if there is one. Nothing is lost: nobody could write since it was taken.

    The pools must be stopped. Returns whether there was one. Safe to repeat.
    """
    there = has_aside(instance, label)
    if not there:
        drop_aside(instance, label)  # what an interrupted call left of one
    return take_its_place(instance, label) or there


def take_its_place(instance: Instance, label: str) -> bool:
    """What lies aside becomes the database again, if it is there; what it takes the place of is gone. Safe to repeat,
    also for who is late: the database is named anew before anything is dropped, and only what was put by ever is.

    Returns whether anything was put by.
    """
    server, former = machines.cluster(instance.database_server), aside(instance, label)
    put_by = f"{former}_gone"
    end_one_off(instance)
    server.exchange_database(instance.database, by=former, keep=put_by)
    there = put_by in server.databases(put_by)
    server.drop_database(put_by)
    return there


def drop_aside(instance: Instance, label: str) -> None:
    machines.cluster(instance.database_server).drop_database(aside(instance, label))


def check_modules(pool: Pool, *, doing: str) -> None:
    """Raise ProjectError where Odoo left modules half done although it ended well."""
    left = machines.database(pool.instance).modules_left_over()
    if left:
        raise ProjectError(
            f"{doing} left modules unfinished",
            ", ".join(f"{module.name} is '{module.state}'" for module in left),
            "Their code or a dependency is missing in this commit. Add it, or uninstall them in Odoo, and push again.",
        )


def remove(instance: Instance) -> None:
    """Drop database, role and folders of an instance, with any copy. Its pools must be gone."""
    server = machines.cluster(instance.database_server)
    for name in server.databases(instance.database):
        if name == instance.database or name.startswith(f"{instance.database}_"):
            server.drop_database(name)
    server.drop_role(instance.database)
    pools.remove_folders(instance)


def check_room(instance: Instance) -> None:
    """A copy needs as much disk as the database: say so before anything is stopped. Raises PlatformError."""
    left = "Nothing was stopped or changed."
    require_disk(size(instance) * 1.2, of="the copy before the update", left=left, then="retry the build")


def size(instance: Instance) -> int:
    """Bytes of its database."""
    return machines.cluster(instance.database_server).size(instance.database)


def require_disk(needed: float, *, of: str, left: str, then: str) -> None:
    """Refuse what would need more bytes than are free, with some to spare. Raises PlatformError, which says what was
    `left` as it was, and what to do when there is room.
    """
    free = free_disk()
    if free < needed + SPARE:
        what = f"It needs about {(needed + SPARE) / MIB:,.0f} MB; {free / MIB:,.0f} MB are free. {left}"
        raise PlatformError(f"Not enough disk for {of}", what, f"Free some disk or add more, then {then}.")


def free_disk() -> int:
    """Bytes that are free where Berth keeps databases and files."""
    return machine_state.room(Path(settings.BERTH_HOME)).free
