"""What becomes of the pool that served before: kept for a while, replaced by the next one, and gone in the end."""

from datetime import timedelta
from typing import Any

import pytest

from hosting import keep, machine_state, routing, switch
from hosting.models import Instance, Pool
from hosting.odoo.conf import REAL_SECONDS
from hosting.odoo.floors import MIB
from hosting.reconcile import reconcile
from portal import clock
from tests.unit.fakes import World
from tests.unit.fakes.router import FakeRouter
from tests.unit.hosting import rows

pytestmark = pytest.mark.django_db(transaction=True)


def go_on() -> None:
    """As a story that nobody wants to stop."""


def settle(instance: Instance, *, seconds: float = 0, minutes: int = 15) -> list[str]:
    said: list[str] = []
    keep.settle(instance, seconds=seconds, minutes=minutes, say=said.append, keep_going=go_on)
    return said


def state(pool: Pool) -> str:
    return Pool.objects.get(pk=pool.pk).state


def switched(world: World, label: str = "b2") -> tuple[Instance, Pool, Pool]:
    """An instance whose requests have just gone from a pool to the next one."""
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, label)
    switch.switch_to(new)
    return Instance.objects.get(pk=instance.pk), old, new


def requests(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(FakeRouter, "in_flight", lambda _router, _slot: (number, 0))


def test_it_is_kept_running_in_its_slot(world: World) -> None:
    instance, old, new = switched(world)
    said = settle(instance)
    old.refresh_from_db()
    assert old.state == Pool.State.KEPT
    assert old.kept_until is not None
    assert timedelta(minutes=14) < old.kept_until - clock.now() <= timedelta(minutes=15)
    assert world.containers[old.container("web")].running
    assert world.slots[old.slot.number] == routing.servers(old)
    assert "is kept until" in said[0]
    assert keep.former(instance) == old


def test_its_crons_end_before_those_of_the_new_one_begin(world: World) -> None:
    instance, old, new = switched(world)
    seen: list[set[str]] = []
    world.before = lambda _what: seen.append({name for name in world.using(instance.database) if "cron" in name})
    settle(instance)
    assert world.containers[new.container("cron")].running
    assert not world.containers[old.container("cron")].running
    assert max(len(crons) for crons in seen) == 1


def test_its_websockets_are_closed_before_its_requests_have_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their clients come back to the new pool at once, however long an export takes."""
    instance, _old, _new = switched(world)
    closed: list[int] = []
    monkeypatch.setattr(switch, "POLL_S", 0)
    left = iter([1, 1, 0])

    def in_flight(_router: FakeRouter, _slot: int) -> tuple[int, int]:
        closed.append(world.seen["close websockets"])
        return next(left), 0

    monkeypatch.setattr(FakeRouter, "in_flight", in_flight)
    settle(instance, seconds=20)
    assert closed == [1, 1, 1]


def test_requests_that_take_longer_run_on_in_the_kept_pool(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, old, _new = switched(world)
    requests(monkeypatch, 2)
    (said,) = settle(instance)
    assert said.endswith("Requests that still run on it: 2.")
    assert world.containers[old.container("web")].running


def test_settling_twice_changes_nothing(world: World) -> None:
    instance, _old, _new = switched(world)
    settle(instance)
    before = world.summary()
    assert settle(instance) == []
    assert world.summary() == before


def test_the_next_deploy_replaces_the_kept_one(world: World) -> None:
    instance, first, second = switched(world)
    settle(instance)
    switch.switch_to(rows.started(instance, world, "b3"))
    settle(instance)
    assert (state(first), state(second)) == (Pool.State.GONE, Pool.State.KEPT)
    assert keep.former(instance) == second


def test_one_whose_code_is_outdated_is_not_kept_and_says_why(world: World) -> None:
    instance, old, _new = switched(world)
    Pool.objects.filter(pk=old.pk).update(outdated=True)
    why = "its code can't run on the database as it is now"
    assert why in settle(instance)[0]
    old.refresh_from_db()
    assert (old.state, why in old.not_kept) == (Pool.State.GONE, True)
    assert old.container("web") not in world.containers


def test_one_with_jobs_is_kept_and_they_run_on_the_live_one_alone(world: World) -> None:
    instance, old, new = switched(world)
    Pool.objects.update(queue_job=True)
    settle(instance)
    assert (state(old), state(new)) == (Pool.State.KEPT, Pool.State.LIVE)
    running = {name for name, container in world.containers.items() if container.running}
    assert running == {old.container("web"), new.container("web"), new.container("cron")}


def test_none_is_kept_where_memory_is_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, old, _new = switched(world)
    monkeypatch.setattr(machine_state, "available_memory", lambda: old.memory_mb * MIB - 1)
    assert "the machine has 1535 MB of memory free" in settle(instance)[0]
    assert state(old) == Pool.State.GONE


def test_none_is_kept_where_the_settings_want_none(world: World) -> None:
    instance, old, _new = switched(world)
    settle(instance, minutes=0)
    assert state(old) == Pool.State.GONE
    assert keep.former(instance) is None


def test_one_that_was_stopped_for_an_update_is_not_kept(world: World) -> None:
    instance = rows.instance()
    old, new = rows.live(instance, world, "b1"), rows.started(instance, world, "b2")
    switch.pause(instance, seconds=0, keep_going=go_on)
    switch.switch_to(new)
    settle(instance)
    assert state(old) == Pool.State.GONE


# --- the end ----------------------------------------------------------------------------------------------------------
def test_it_is_due_when_its_time_is_up(world: World) -> None:
    instance, old, _new = switched(world)
    settle(instance)
    assert list(keep.due()) == []
    with clock.moved(timedelta(minutes=16)):
        assert list(keep.due()) == [old]


def test_one_with_requests_is_left_until_they_have_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, old, _new = switched(world)
    with monkeypatch.context() as patch:
        requests(patch, 1)
        settle(instance, minutes=0)
        assert (state(old), world.containers[old.container("web")].running) == (Pool.State.RETIRING, True)
        assert keep.former(instance) is None
        assert list(keep.due()) == [old]
    keep.let_go(old, say=print, keep_going=go_on)
    assert state(old) == Pool.State.GONE


def test_requests_do_not_hold_it_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odoo itself ends what takes longer than limit_time_real."""
    instance, old, _new = switched(world)
    requests(monkeypatch, 1)
    settle(instance, minutes=0)
    with clock.moved(timedelta(seconds=REAL_SECONDS + 1)):
        keep.let_go(Pool.objects.get(pk=old.pk), say=print, keep_going=go_on)
    assert state(old) == Pool.State.GONE


def test_one_that_serves_again_is_not_let_go(world: World) -> None:
    instance, old, _new = switched(world)
    settle(instance)
    switch.switch_to(Pool.objects.get(pk=old.pk))
    keep.let_go(old, say=print, keep_going=go_on)
    assert state(old) == Pool.State.LIVE
    assert world.containers[old.container("web")].running


def test_a_database_that_is_to_be_worked_on_is_left_by_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, old, new = switched(world)
    settle(instance)
    requests(monkeypatch, 1)
    keep.let_all_go(instance, say=print, keep_going=go_on)
    assert (state(old), state(new)) == (Pool.State.GONE, Pool.State.LIVE)


def test_one_that_waits_for_its_requests_runs_no_crons(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deploy before ended early and left them; the pool that serves now gets its own."""
    instance, first, _second = switched(world)
    switch.switch_to(rows.started(instance, world, "b3"))
    requests(monkeypatch, 1)
    settle(instance)
    assert state(first) == Pool.State.RETIRING
    assert {name for name in world.using(instance.database) if "cron" in name} == {
        Pool.objects.get(state=Pool.State.LIVE).container("cron")
    }


# --- next to a rollback -----------------------------------------------------------------------------------------------
def test_a_pool_that_serves_again_is_neither_kept_nor_disturbed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody rolls back while the deploy waits for the last requests of the pool that it replaced."""
    instance, old, new = switched(world)
    monkeypatch.setattr(switch, "POLL_S", 0)

    def in_flight(_router: FakeRouter, _slot: int) -> tuple[int, int]:
        if state(old) == Pool.State.DRAINING:
            switch.switch_to(Pool.objects.get(pk=old.pk))
        return 1, 0

    monkeypatch.setattr(FakeRouter, "in_flight", in_flight)
    assert settle(instance, seconds=60) == ["Another switch came between."]
    assert (state(old), state(new)) == (Pool.State.LIVE, Pool.State.DRAINING)
    assert world.seen["close websockets"] == 1


def test_a_rollback_meanwhile_leaves_nobody_on_a_database_that_is_to_be_worked_on(world: World) -> None:
    instance, old, new = switched(world)
    settle(instance)
    real = keep.let_go

    def let_go(pool: Pool, **named: Any) -> None:
        if state(old) == Pool.State.KEPT:
            switch.switch_to(Pool.objects.get(pk=old.pk))
        real(pool, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "let_go", let_go)
        keep.let_all_go(instance, say=print, keep_going=go_on)
    assert (state(old), state(new)) == (Pool.State.LIVE, Pool.State.GONE)
    assert instance.live_pool == old


def test_crons_of_a_pool_that_serves_no_longer_are_not_begun(world: World) -> None:
    instance, old, new = switched(world)

    def back(what: str) -> None:
        if what == "stop cron" and state(old) == Pool.State.DRAINING:
            switch.switch_to(Pool.objects.get(pk=old.pk))

    world.before = back
    settle(instance)
    assert new.container("cron") not in world.containers
    world.before = lambda _what: None
    settle(instance)
    assert world.containers[old.container("cron")].running


# --- and the reconciler -----------------------------------------------------------------------------------------------
def test_the_reconciler_starts_a_kept_one_again_without_its_crons(world: World) -> None:
    instance, old, new = switched(world)
    settle(instance)
    before = world.summary()
    world.containers[old.container("web")].running = False
    assert reconcile() == [f"started container {old.container('web')} of the kept pool"]
    assert world.summary() == before


def test_the_reconciler_lets_one_that_is_retired_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, old, _new = switched(world)
    requests(monkeypatch, 1)
    settle(instance, minutes=0)
    world.containers[old.container("web")].running = False
    assert reconcile() == []


# --- room for another -------------------------------------------------------------------------------------------------
def put_by(world: World, name: str, *, minutes_ago: int) -> Pool:
    """A kept pool, which was left so long ago."""
    instance = rows.instance(hostname=f"{name}.localhost")
    old = rows.live(instance, world, f"{name}1")
    switch.switch_to(rows.started(instance, world, f"{name}2"))
    settle(Instance.objects.get(pk=instance.pk))
    Pool.objects.filter(pk=old.pk).update(left_at=clock.now() - timedelta(minutes=minutes_ago))
    return old


def test_kept_pools_make_room_the_instances_own_first_then_the_oldest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [put_by(world, name, minutes_ago=ago) for name, ago in (("a", 3), ("b", 9), ("c", 6))]
    world.used_bytes = 400 * MIB
    there = [pool.container("web") for pool in kept]
    monkeypatch.setattr(
        machine_state, "available_memory", lambda: sum(name not in world.containers for name in there) * 400 * MIB
    )
    made = keep.make_room(kept[0].instance.host, 800 * MIB, instance=kept[0].instance, keep_going=go_on)
    assert made == [kept[0].name, kept[1].name]
    assert [state(pool) for pool in kept] == [Pool.State.GONE, Pool.State.GONE, Pool.State.KEPT]


def test_none_goes_where_there_is_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = put_by(world, "a", minutes_ago=3)
    monkeypatch.setattr(machine_state, "available_memory", lambda: 800 * MIB)
    assert keep.make_room(pool.instance.host, 800 * MIB, instance=None, keep_going=go_on) == []
    assert state(pool) == Pool.State.KEPT
