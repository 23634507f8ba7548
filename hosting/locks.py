"""Locked instances: a page in their place at the router, whatever their door. Why, those know who lock them."""

from hosting import routing
from hosting.models import Instance


def lock(instance: Instance) -> bool:
    """Let nobody in. Returns whether somebody could come in before."""
    return _set(instance, locked=True)


def unlock(instance: Instance) -> bool:
    """Let requests in as its door says. Returns whether it was locked."""
    return _set(instance, locked=False)


def _set(instance: Instance, *, locked: bool) -> bool:
    """The row first, then the router. Who dies between: the reconciler tells the router."""
    changed = Instance.objects.filter(pk=instance.pk, locked=not locked).update(locked=locked)
    if changed:
        instance.locked = locked
        routing.apply(instance)
    return bool(changed)
