"""The instance beside production on which a restore is made (builds/restore.py), and how it takes its place."""

import time

from django.conf import settings
from django.db import transaction

from builds.inspect import due_modules
from builds.models import Build, Restore
from builds.prepare import make_pool
from hosting import backups, databases, hold, instances, machines, pools, proof, routing, switch
from hosting.engines import probe
from hosting.engines.postgres import DatabaseMissing
from hosting.models import Instance, Pool, Stage
from portal import clock
from portal.stories import PlatformError, ProjectError
from portal.telling import Telling
from projects.models import Branch

BUSY_S = 180.0  # for requests that run too long to end
SERVE_S = 120.0  # for the new pool to answer; visitors who are held longer than a minute see a page
ANSWER_S, POLL_S = 60.0, 0.25  # for the public address after the switch
LAST_LINES = 50
AS_IT_WAS = "What served goes on serving, with its database as it was."


def production_of(restore: Restore) -> Instance:
    """Production, as it is now. Raises ProjectError where there is none any more."""
    related = ("host", "database_server", "live_pool__instance__host", "live_pool__instance__database_server")
    if restore.branch.instance_id is None:
        raise ProjectError("The branch has no database any more", "It was retired meanwhile.", "Attach it again.")
    return Instance.objects.select_related(*related).get(pk=restore.branch.instance_id)


def serving(production: Instance) -> Build:
    """The build whose code serves. Raises ProjectError where none does."""
    build = Build.objects.serving(production)
    if build is None or production.live_pool is None:
        raise ProjectError(
            "Nothing serves production now", "A backup is opened with the code that serves.", "Deploy it."
        )
    return build


def check_code(restore: Restore, production: Instance) -> None:
    """That what serves is still what the backup was opened with. Raises ProjectError."""
    if serving(production) != restore.build:
        raise ProjectError(
            "Another build came to serve meanwhile",
            f"The backup was opened with other code. {AS_IT_WAS}",
            "Restore again.",
        )


def due_of(build: Build, instance: Instance) -> list[str]:
    """Modules of the instance's database that are of another version than the build's."""
    states = machines.database(instance).module_states()
    installed = {module.name: module.version for module in states if module.state == "installed"}
    return due_modules(installed, build.inspection, build.inspection)


def bytes_of(restore: Restore) -> int:
    """Of what is restored, unpacked."""
    if restore.upload is not None:
        return int(restore.upload.found["bytes"])
    return (restore.backup.size_bytes if restore.backup else None) or 0


def check_room(production: Instance, size: int) -> None:
    """For `size` bytes once unpacked and once restored, and for the dump of what is there. Raises PlatformError."""
    try:
        there = databases.size(production)
    except DatabaseMissing:  # which is what it is restored for
        there = 0
    needed = size * 2.5 + there * 1.5
    databases.require_disk(needed, of="the restore", left=AS_IT_WAS, then="restore again")


def make(restore: Restore, production: Instance) -> Pool:
    """An instance of the same cluster, with a pool of the code that serves; made on the first call."""
    if restore.beside is None:
        with transaction.atomic():
            restore.beside = instances.create(
                host=production.host,
                stage=Stage.PRODUCTION,
                series=production.series,
                hostname=f"restore-{{name}}.{settings.BERTH_DOMAIN}",
                label=str(restore),
            )
            backups.same_code(production, restore.beside)
            restore.save(update_fields=["beside"])
    return pool_of(restore.beside)


def pool_of(beside: Instance) -> Pool:
    return beside.pools.select_related("instance__host", "instance__database_server").get()


def stop(pool: Pool) -> None:
    """Nobody may be on the database that is worked on, or renamed."""
    for role in pool.web:
        machines.engine(pool.instance.host).remove(pool.container(role))


def make_quiet(production: Instance, branch: Branch, telling: Telling) -> None:
    """Nobody writes from here on. In a hold that another worker began for this restore, that is so."""
    if branch.strategy == Branch.Strategy.IN_TURN:
        switch.pause(production, seconds=branch.drain_seconds, keep_going=telling.keep_going)
        return telling.say("The old pool has stopped, and visitors see a page.")
    if hold.is_anothers(production):
        raise PlatformError(
            "Visitors wait for something else at this moment",
            f"PostgreSQL is being restarted. {AS_IT_WAS}",
            "Restore again.",
        )
    if production.door != Instance.Door.HELD:
        telling.say("Stopping the scheduled actions; those that run come to their end.")
        hold.stop_crons(production, keep_going=telling.keep_going)
    try:
        hold.make_quiet(production, within=BUSY_S, say=telling.say, keep_going=telling.keep_going)
    except hold.Busy as busy:
        remedy = "Restore again when the imports or reports that run now have ended."
        raise ProjectError("Visitors' requests run too long", f"{busy} {AS_IT_WAS}", remedy) from busy
    return telling.say("From now on visitors wait.")


def serve(restore: Restore, production: Instance, telling: Telling) -> None:
    """Start the next generation, and let it prove itself. Raises ProjectError."""
    assert restore.build is not None
    telling.mask(production.database_password, production.admin_password)
    if restore.pool is None:
        with transaction.atomic():
            restore.pool = make_pool(restore.build, production)
            restore.save(update_fields=["pool"])
    databases.allow_connections(production)
    pools.start_web(restore.pool)
    routing.lend_slot(restore.pool)
    try:
        proof.prove(
            restore.pool,
            timeout=SERVE_S,
            say=telling.say,
            keep_going=telling.keep_going,
            path=restore.branch.probe_path,
            hurry=True,
        )
    except (proof.NotProven, proof.Died) as error:
        raise ProjectError(
            "The restored database is not served",
            f"{error}\n\n{pools.last_words(restore.pool, LAST_LINES)}\n{AS_IT_WAS}",
            "Its log says why.",
        ) from error


def note_answer(restore: Restore, production: Instance, telling: Telling) -> None:
    """When visitors were answered first."""
    address, deadline = machines.router_address(), time.monotonic() + ANSWER_S
    while restore.answered_at is None and time.monotonic() < deadline:
        telling.keep_going()
        if probe.get(address, settings.BERTH_ROUTER_PORT, proof.LOGIN, production.hostname).status == 200:
            restore.answered_at = clock.now()
            restore.save(update_fields=["answered_at"])
            return telling.say(f"The first answer came {restore.seconds:.1f} s after the click.")
        time.sleep(POLL_S)
    return None if restore.answered_at else telling.warn("Its address has not answered yet: look at it.")
