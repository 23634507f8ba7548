"""Sleep and wake: pools of staging and development that nobody uses stop, and the next request starts them again.

While an instance is asleep its pool keeps its rows, addresses and stopped containers, but no slot. The router holds
requests meanwhile (hosting/engines/haproxy/router.lua), and tells the portal once (hosting/knock.py). Who falls asleep
when, builds/resting.py says.
"""

import time
from datetime import timedelta
from enum import StrEnum
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

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
def wake(instance: Instance, *, by_hand: bool = False) -> Story | None:
    """Begin to wake an instance, once however many ask. None where it isn't asleep. Raises Refused.

    Wake-ups of a host are bounded per minute. One whose start failed is started again by hand, or after a minute.
    """
    host = Host.objects.select_for_update().get(pk=instance.host_id)
    if not Instance.objects.filter(pk=instance.pk, door=Instance.Door.ASLEEP).exists():
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


class Rest(StrEnum):
    """How it stands with an instance, for people."""

    AWAKE = ""
    ASLEEP = "Asleep"
    WAKING = "Waking up"


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
        if locked.door == Instance.Door.OPEN and locked.live_pool is not None and not used:
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
    """Odoo and its database answer. What ran before needs no whole proof; websockets come by themselves, later."""
    pool = instance.live_pool
    if instance.door != Instance.Door.ASLEEP or pool is None:
        return
    telling.mask(instance.database_password, instance.admin_password)
    began, looks = time.monotonic(), 1
    for answers in (partial(_database_answers, instance), partial(_answers, pool)):  # Odoo is the later one
        while not answers():
            telling.keep_going()
            waited = time.monotonic() - began
            if waited > looks * LOOK_S and proof.died(pool) or waited > WAKE_S:
                raise ProjectError(
                    "It did not wake up",
                    pools.last_words(pool, LAST_LINES),
                    "Its log says why. It sleeps on, and its data is safe: wake it again, or rebuild the branch.",
                )
            looks = int(waited / LOOK_S) + 1
            time.sleep(POLL_S)


def _answers(pool: Pool) -> bool:
    host = pool.instance.hostname
    return all(probe.status(address, 8069, "/web/health", host) == 200 for address in pool.web.values())


def _database_answers(instance: Instance) -> bool:
    try:
        return machines.database(instance).parameter("database.uuid") is not None
    except DatabaseError:
        return False


@step("Open the door")
def open_door(instance: Instance, _telling: Telling) -> None:
    """Held requests go on. A wake-up counts as a request: it doesn't fall asleep again at once."""
    with transaction.atomic():
        locked = Instance.objects.select_for_update().get(pk=instance.pk)
        pool = locked.live_pool
        if locked.door == Instance.Door.ASLEEP and pool is not None and pool.state == Pool.State.LIVE:
            locked.door, locked.last_request_at = Instance.Door.OPEN, clock.now()
            locked.save(update_fields=["door", "last_request_at"])
    routing.apply(instance)


# --- what the runner wants to know ------------------------------------------------------------------------------------
def load(pk: int) -> Instance:
    related = ("host", "database_server", "live_pool__instance__host", "live_pool__instance__database_server")
    return Instance.objects.select_related(*related).get(pk=pk)


def _falling_asleep(_instance: Instance) -> tuple[StepSpec, ...]:
    return (close_door, let_finish, stop_pool)


def _waking_up(_instance: Instance) -> tuple[StepSpec, ...]:
    return (start_pool, wait_for_answer, open_door)


def _nothing(_instance: Instance, _story: Story) -> None:
    """The rows say it all."""


def register_stories() -> None:
    """Both are urgent: a wake-up waits for the end of falling asleep, so neither may stand behind a clean-up."""
    for name, steps in ((SLEEP, _falling_asleep), (WAKE, _waking_up)):
        register(Kind(name=name, queue="urgent", load=load, steps=steps, started=_nothing, finished=_nothing))


def forget(older_than: timedelta) -> None:
    """Remove stories of sleep and wake that ended long ago: there are many, and nobody reads them."""
    ended = Story.objects.filter(kind__in=(SLEEP, WAKE), finished_at__lt=clock.now() - older_than)
    ended.delete()
