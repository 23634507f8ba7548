"""Two who tell the router of the same row at once: it ends up with the newest."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from hosting import routing
from hosting.models import Instance, Pool, Slot
from tests.unit.fakes import World
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def meanwhile(change: Callable[[], object], late: Callable[[], object]) -> None:
    """Let `late` begin, and wait for the rows that `change` changes, before that is committed."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            late()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        change()
        thread.start()
        wait_for_a_lock()
    thread.join(20)
    assert not failed
    assert not thread.is_alive()


def wait_for_a_lock() -> None:
    """Until somebody else waits for a lock of ours."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid() = ANY(pg_blocking_pids(pid)) FROM pg_locks WHERE NOT granted")
            if any(waits for (waits,) in cursor.fetchall()):
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waits.")


def test_who_waited_for_a_switch_tells_where_it_leads(world: World) -> None:
    instance = rows.instance()
    rows.live(instance, world, "b1")
    new = rows.started(instance, world, "b2")
    Pool.objects.filter(instance=instance).update(state=Pool.State.STARTING)

    def switch() -> None:
        Instance.objects.filter(pk=instance.pk).update(live_pool=new)

    meanwhile(switch, lambda: routing.apply(instance))
    assert world.routes[instance.name].slot == str(new.slot)


def test_who_waited_for_a_loan_fills_the_slot(world: World) -> None:
    """As the reconciler, who saw that the slot should be empty."""
    pool = rows.pool(rows.instance(), world)

    def lend() -> None:
        Slot.objects.filter(number=1).update(pool=pool)

    meanwhile(lend, lambda: routing._apply_slot(1))
    assert world.slots[1] == routing.servers(pool)
