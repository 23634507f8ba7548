"""When scheduled actions of staging and development run: twice a day for a bounded time, each instance at its own."""

from datetime import datetime, timedelta

from django.conf import settings

from hosting import machines, pools
from hosting.models import Host, Instance, Pool

HALF_DAY_MINUTES = 12 * 60
SPREAD = 277  # minutes between two instances; shares no factor with half a day, so that times repeat late
STOP_S = 30.0  # what a scheduled action gets to end when the time is up; it is begun again next time


def is_time(number: int, now: datetime) -> bool:
    """Whether scheduled actions of instance `number` run now. Times are UTC."""
    minute = (now.hour * 60 + now.minute) % HALF_DAY_MINUTES
    return (minute - number * SPREAD) % HALF_DAY_MINUTES < settings.BERTH_CRON_MINUTES


def next_time(number: int, now: datetime) -> datetime:
    """When they begin the next time, to the minute."""
    minute = now.replace(second=0, microsecond=0)
    wait = (number * SPREAD - (now.hour * 60 + now.minute)) % HALF_DAY_MINUTES
    return minute + timedelta(minutes=wait or HALF_DAY_MINUTES)


def keep_time(host: Host, instances: list[Instance], now: datetime) -> list[str]:
    """Start and stop the cron containers of these instances. Returns what was done, a line each.

    Asleep or awake is no matter; a pool that an update or a switch holds is.
    """
    running = {state.name for state in machines.engine(host).list() if state.running}
    done = []
    for instance in instances:
        pool = instance.live_pool
        if pool is None or pool.state not in (Pool.State.LIVE, Pool.State.ASLEEP) or pool.cron_workers:
            continue
        name, due = pool.container("cron"), is_time(instance.pk, now) and not instance.locked
        if due and name not in running and pools.start_while(pool, "cron", Pool.State.LIVE, Pool.State.ASLEEP):
            done.append(f"started {name}: it is its time")
        elif not due and name in running:
            machines.engine(host).stop(name, STOP_S, keep_going=lambda: None)
            done.append(f"stopped {name}: its time is up")
    return done
