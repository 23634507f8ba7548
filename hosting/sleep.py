"""Sleep and wake: pools of staging and development that nobody uses stop, and the next request starts them again.

While an instance is asleep its pool keeps its rows, addresses and stopped containers, but no slot. The router holds
requests meanwhile (hosting/engines/haproxy/router.lua), and tells the portal once (hosting/knock.py). Who falls asleep
when, builds/resting.py says.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, TextChoices

from hosting import machines, pools, proof, routing, switch
from hosting.engines import probe
from hosting.engines.postgres import DatabaseError
from hosting.models import Host, Instance, Pool
from portal import clock, stories
from portal.models import Result, Story
from portal.stories import Kind, PlatformError, ProjectError, StepSpec, register, step
from portal.telling import Telling

SLEEP, WAKE = "sleep", "wake"
MINUTE = timedelta(minutes=1)
DRAIN_S = 20.0  # what is still in flight after that keeps it awake
WAKE_S = 120.0  # from the containers' start to the first answer
SOON_S = 3.0  # from the open port to the first answer
POLL_S = 0.03  # somebody waits
LOOK_S = 1.0  # how often the engine is asked: more would take the cores that Odoo starts with
LAST_LINES = 50


class Refused(Exception):
    """The instance isn't woken now. Says why, and when to try again."""


# --- begun by others --------------------------------------------------------------------------------------------------
def working(instance: Instance) -> QuerySet[Story]:
    """Stories of sleep and wake that go on or wait, about this instance."""
    return Story.objects.open().filter(subject=instance.name)


@transaction.atomic
def fall_asleep(instance: Instance) -> Story | None:
    """Begin to put an instance to sleep; None where something goes on with it already."""
    Instance.objects.select_for_update().get(pk=instance.pk)
    if working(instance).exists():
        return None
    return stories.begin(SLEEP, object_id=instance.pk, subject=instance.name)


@transaction.atomic
def wake(instance: Instance, *, by_hand: bool = False, even_locked: bool = False) -> Story | None:
    """Begin to wake an instance, once however many ask. None where it isn't asleep, or is locked. Raises Refused.

    Wake-ups of a host are bounded per minute. One whose start failed is started again by hand, or after a minute.
    """
    host = Host.objects.select_for_update().get(pk=instance.host_id)
    asleep = Instance.objects.filter(pk=instance.pk, door=Instance.Door.ASLEEP)
    if not (asleep if even_locked else asleep.filter(locked=False)).exists():
        return None
    begun = working(instance).filter(kind=WAKE).first()
    if begun is not None:
        return begun
    lately = Story.objects.filter(kind=WAKE, created_at__gt=clock.now() - MINUTE, created_at__lte=clock.now())
    if not by_hand and lately.filter(object_id=instance.pk, result=Result.FAILURE).exists():
        raise Refused("Its last start failed. It is tried again after a minute.")
    if lately.filter(object_id__in=host.instance_set.values("pk")).count() >= settings.BERTH_WAKES_PER_MINUTE:
        raise Refused("Too many databases were woken on this machine within a minute. Try again in a minute.")
    return stories.begin(WAKE, object_id=instance.pk, subject=instance.name)


class Rest(TextChoices):
    """How it stands with an instance."""

    AWAKE = "", "Awake"
    ASLEEP = "asleep", "Asleep"
    WAKING = "waking", "Waking up"


def rest(instance: Instance | None) -> Rest:
    if instance is None or instance.door != Instance.Door.ASLEEP:
        return Rest.AWAKE
    return Rest.WAKING if working(instance).filter(kind=WAKE).exists() else Rest.ASLEEP


def failed_wake(instance: Instance | None) -> Story | None:
    """The wake-up that failed, where the instance is asleep for that."""
    if instance is None or rest(instance) != Rest.ASLEEP:
        return None
    last = Story.objects.filter(kind=WAKE, object_id=instance.pk).order_by("-pk").first()
    return last if last is not None and last.result == Result.FAILURE else None


# --- the story of falling asleep --------------------------------------------------------------------------------------
class Knocked(Exception):
    """Somebody wants in."""


def open_again(instance: Instance, _telling: Telling) -> None:
    """Let requests in again, unless the containers were stopped already."""
    awake = Instance.objects.filter(pk=instance.pk, door=Instance.Door.ASLEEP, live_pool__state=Pool.State.LIVE)
    awake.update(door=Instance.Door.OPEN)
    routing.apply(instance)


@step("Close the door", undo=open_again)
def close_door(instance: Instance, telling: Telling) -> None:
    """The router first: from here on a request is held and wakes it, so none falls between."""
    with transaction.atomic():
        locked = Instance.objects.select_for_update().get(pk=instance.pk)
        used = locked.last_request_at is not None and locked.last_request_at > telling.story.created_at
        wanted = used and not locked.locked  # who asks for a locked one gets a page
        if locked.door == Instance.Door.OPEN and locked.live_pool is not None and not wanted:
            locked.door = Instance.Door.ASLEEP
            locked.save(update_fields=["door"])
    routing.apply(instance)


@step("Let requests finish")
def let_finish(instance: Instance, telling: Telling) -> None:
    """One that takes long, or one that comes meanwhile, means that it isn't idle."""
    pool = instance.live_pool
    if instance.door != Instance.Door.ASLEEP or pool is None or pool.state != Pool.State.LIVE:
        return

    def keep_going() -> None:
        telling.keep_going()
        if working(instance).filter(kind=WAKE).exists():
            raise Knocked

    try:
        left = switch.drain(pool, seconds=DRAIN_S, keep_going=keep_going)
        keep_going()
    except Knocked:
        left = 1
    if left:
        telling.say("It is used again, and stays awake.")
        open_again(instance, telling)


@step("Stop the containers")
def stop_pool(instance: Instance, telling: Telling) -> None:
    pool = instance.live_pool
    if instance.door != Instance.Door.ASLEEP or pool is None:
        return
    Pool.objects.filter(pk=pool.pk, state=Pool.State.LIVE).update(state=Pool.State.ASLEEP)
    if pool.cron_workers:
        pools.stop(pool, "cron", keep_going=telling.keep_going)
    pools.stop_web(pool, keep_going=telling.keep_going)
    routing.take_slot_back(pool)
    telling.say(f"{pool.name} sleeps. The next request wakes it.")


# --- the story of waking up -------------------------------------------------------------------------------------------
def lie_down(instance: Instance, telling: Telling) -> None:
    """What could not be woken sleeps on."""
    pool = instance.live_pool
    if instance.door == Instance.Door.ASLEEP and pool is not None:
        Pool.objects.filter(pk=pool.pk, state=Pool.State.LIVE).update(state=Pool.State.ASLEEP)
        pools.stop_web(pool, keep_going=telling.keep_going)
        routing.take_slot_back(pool)


@step("Start the containers", undo=lie_down)
def start_pool(instance: Instance, _telling: Telling) -> None:
    """Live from here on, so that the reconciler helps instead of stopping it; requests wait for the door."""
    with transaction.atomic():
        locked = Instance.objects.select_for_update().get(pk=instance.pk)
        pool = locked.live_pool
        if locked.door != Instance.Door.ASLEEP or pool is None:
            return
        Pool.objects.filter(pk=pool.pk, state=Pool.State.ASLEEP).update(state=Pool.State.LIVE)
    if not all(pools.start_while(pool, role, Pool.State.LIVE) for role in pool.web):
        return
    try:
        routing.lend_slot(pool)
    except routing.NoSlotLeft as error:
        raise PlatformError("No room at the router", str(error), "Tell the operator.") from error


@step("Wait for its first answer")
def wait_for_answer(instance: Instance, telling: Telling) -> None:
    """Odoo and its database answer. What ran before needs no whole proof; websockets come by themselves, later.

    Odoo listens before it has loaded its modules, and takes up then what waits at its port. Where that was quick the
    last time, requests wait there, and the first answer is one to a visitor.
    """
    pool = instance.live_pool
    if instance.door != Instance.Door.ASLEEP or pool is None:
        return
    telling.mask(instance.database_password, instance.admin_password)
    deadline = time.monotonic() + WAKE_S
    for listens in (partial(_database_answers, instance), partial(_listens, pool)):  # Odoo is the later one
        _wait_until(listens, pool, deadline, telling)
    began = time.monotonic()
    if pool.ready_after_s is not None and pool.ready_after_s < SOON_S:
        _let_in(instance, pool)
    try:
        _wait_until(partial(_answers, pool), pool, deadline, telling)
    except ProjectError:
        _shut_out(instance, pool)
        raise
    Pool.objects.filter(pk=pool.pk).update(ready_after_s=time.monotonic() - began)


def _wait_until(answers: Callable[[], bool], pool: Pool, deadline: float, telling: Telling) -> None:
    """Raises ProjectError where its containers die, or at the deadline."""
    looked = time.monotonic()
    while not answers():
        telling.keep_going()
        now = time.monotonic()
        if now > deadline or now - looked > LOOK_S and proof.died(pool):
            raise ProjectError(
                "It did not wake up",
                pools.last_words(pool, LAST_LINES),
                "Its log says why. It sleeps on, and its data is safe: wake it again, or rebuild the branch.",
            )
        looked = now if now - looked > LOOK_S else looked
        time.sleep(POLL_S)


def _listens(pool: Pool) -> bool:
    return all(probe.listens(address, 8069) for address in pool.web.values())


def _answers(pool: Pool) -> bool:
    host = pool.instance.hostname
    return all(probe.status(address, 8069, "/web/health", host) == 200 for address in pool.web.values())


def _database_answers(instance: Instance) -> bool:
    try:
        return machines.database(instance).parameter("database.uuid") is not None
    except DatabaseError:
        return False


def _let_in(instance: Instance, pool: Pool) -> None:
    """Held requests go on to this pool. A wake-up counts as a request: it doesn't fall asleep again at once."""
    awake = Instance.objects.filter(pk=instance.pk, door=Instance.Door.ASLEEP, live_pool=pool)
    awake.filter(live_pool__state=Pool.State.LIVE).update(door=Instance.Door.OPEN, last_request_at=clock.now())
    routing.apply(instance)


def _shut_out(instance: Instance, pool: Pool) -> None:
    """It did not come: who asks from now on is held again, and the next time until it answers."""
    Pool.objects.filter(pk=pool.pk).update(ready_after_s=None)
    open_ = Instance.objects.filter(pk=instance.pk, live_pool=pool, door=Instance.Door.OPEN)
    open_.update(door=Instance.Door.ASLEEP)
    routing.apply(instance)


@step("Open the door")
def open_door(instance: Instance, _telling: Telling) -> None:
    if instance.live_pool is not None:
        _let_in(instance, instance.live_pool)


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> Instance:
    related = ("host", "database_server", "live_pool__instance__host", "live_pool__instance__database_server")
    return Instance.objects.select_related(*related).get(pk=pk)


def _falling_asleep(_instance: Instance) -> tuple[StepSpec, ...]:
    return (close_door, let_finish, stop_pool)


def _waking_up(_instance: Instance) -> tuple[StepSpec, ...]:
    return (start_pool, wait_for_answer, open_door)


def register_stories() -> None:
    """Both are urgent: a wake-up waits for the end of falling asleep, so neither may stand behind a clean-up."""
    for name, steps in ((SLEEP, _falling_asleep), (WAKE, _waking_up)):
        register(Kind(name=name, queue="urgent", load=load, steps=steps))


def forget(older_than: timedelta) -> None:
    """Remove stories of sleep and wake that ended long ago: there are many, and nobody reads them."""
    ended = Story.objects.filter(kind__in=(SLEEP, WAKE), finished_at__lt=clock.now() - older_than)
    ended.delete()
