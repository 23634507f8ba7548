"""Instances: made, and removed with everything they had."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.db import transaction

from hosting import databases, mails, pools, routing
from hosting.models import DatabaseServer, Host, Instance, Pool, Stage
from portal import audit, clock


def create(*, host: Host, stage: str, series: str, hostname: str, label: str = "") -> Instance:
    """The row of a new instance. `hostname` may hold {name}, which becomes i42."""
    purpose = DatabaseServer.Purpose.HOSTED if stage == Stage.PRODUCTION else DatabaseServer.Purpose.LAB
    server = DatabaseServer.objects.get(purpose=purpose)
    with transaction.atomic():
        instance = Instance.objects.create(
            host=host, database_server=server, stage=stage, series=series, hostname=f"new-{secrets.token_hex(8)}"
        )
        instance.hostname = hostname.format(name=instance.name)
        instance.save(update_fields=["hostname"])
        audit.record(
            by=None, verb="create instance", object=instance.name, after={"hostname": instance.hostname, "for": label}
        )
    return instance


def create_throwaway(production: Instance, purpose: str, label: str) -> Instance:
    """The row of an instance in `lab` beside production, for something to be tried on. Its door is never opened."""
    return create(
        host=production.host,
        stage=Stage.STAGING,
        series=production.series,
        hostname=f"{purpose}-{{name}}.{settings.BERTH_DOMAIN}",
        label=label,
    )


def stop(instance: Instance) -> None:
    """Take the instance off its address and remove its containers; the database stays."""
    with transaction.atomic():
        Instance.objects.filter(pk=instance.pk).update(door=Instance.Door.STOPPED, live_pool=None)
        instance.pools.filter(state=Pool.State.LIVE).update(state=Pool.State.DRAINING)  # nobody starts them again
    instance.refresh_from_db()
    routing.apply(instance)
    for pool in instance.pools.exclude(state=Pool.State.GONE):
        routing.take_slot_back(pool)
        pools.remove(pool)


@transaction.atomic
def give_up(instance: Instance, *, may_go: Callable[[], bool]) -> bool:
    """Make it nobody's, if it may still go now that its row is locked. Returns whether it may.

    From here on it is as one that was never finished: who would serve by it or keep it locks the row and refuses,
    and rounds remove it, whoever dies meanwhile.
    """
    Instance.objects.select_for_update().get(pk=instance.pk)
    if not may_go():
        return False
    Instance.objects.filter(pk=instance.pk, state=Instance.State.READY).update(state=Instance.State.NEW)
    return True


def remove(instance: Instance) -> None:
    """Remove it for good: address, containers, database, role, files. Safe to repeat."""
    stop(instance)
    databases.end_one_off(instance)
    databases.remove(instance)
    mails.forget(instance)
    with transaction.atomic():  # the row is locked while the router forgets, so that nobody tells it again
        Instance.objects.filter(pk=instance.pk).update(state=Instance.State.REMOVED, removed_at=clock.now())
        routing.forget(instance)
        audit.record(by=None, verb="remove instance", object=instance.name, before={"hostname": instance.hostname})
