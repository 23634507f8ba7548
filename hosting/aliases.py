"""Further addresses of instances: host names that people own. Who may have which is decided above."""

from django.db import transaction
from django_q.tasks import async_task

from hosting import certificates, routing
from hosting.models import Alias, Instance


def point(alias: Alias, instance: Instance | None) -> None:
    """Let the address lead to an instance, or nowhere. Its certificate stays either way."""
    if alias.instance_id == (instance.pk if instance else None):
        return
    former, alias.instance = alias.instance_id, instance
    alias.save(update_fields=["instance"])
    _tell_soon(alias.hostname, former)


def remove(alias: Alias) -> None:
    """Its route and its certificate go with it."""
    former = alias.instance_id
    alias.delete()
    _tell_soon(alias.hostname, former)


def _tell_soon(hostname: str, former: int | None) -> None:
    """Let a worker tell the router of an address: the caller may be a page, in a process that can't."""
    transaction.on_commit(lambda: async_task("hosting.aliases.tell", hostname, former, cluster="urgent"))


def tell(hostname: str, former: int | None = None) -> None:
    """Tell the router where an address leads now, as the rows say, and of the instance to which it led before."""
    alias = Alias.objects.select_related("instance").filter(hostname=hostname).first()
    if alias is None or alias.instance is None:
        routing.free(hostname)
        certificates.forget(hostname)
    else:
        routing.apply(alias.instance)
    if former is not None:
        for instance in Instance.objects.filter(pk=former):
            routing.apply(instance)
