"""Updates of production: rehearsed, then done while visitors wait, and taken back where anything fails."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from builds import preflight, rehearsal, updates
from builds.models import Build
from hosting import databases, hold, restored
from hosting.engines.docker import ContainerSpec
from hosting.engines.postgres import Column, Shape
from hosting.models import Instance, Pool, Stage
from portal import telling
from portal.commands import Output
from portal.models import LogChunk, Result, State, Story
from projects.models import Branch
from tests.unit.fakes import Killed
from tests.unit.fakes.cluster import FakeCluster, FakeDatabase
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.stage import NEW, OLD, Scenery, said
from tests.unit.fakes.world import Data

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "shop.localhost"
MOMENTS = [  # in the update itself: what happens, and how often it happened before
    ("stop cron", 0),
    ("hold", 0),
    ("ask for requests", 0),
    ("copy database", 0),
    ("finish copy", 0),
    ("update shop", 1),
    ("update till", 1),
    ("odoo ends", 2),
]


def at(stage: Scenery, moment: str, before: int, do: Callable[[], None]) -> None:
    """Do something when it happens that often, counted from now."""
    wanted = stage.world.seen[moment] + before + 1

    def look(what: str) -> None:
        if what == moment and stage.world.seen[moment] == wanted:
            do()

    stage.world.before = look


def die(stage: Scenery) -> Callable[[], None]:
    def dies() -> None:
        stage.world.dead = True
        raise Killed

    return dies


def cancel(stage: Scenery) -> Callable[[], None]:
    def cancels() -> None:
        assert stage.telling is not None
        stage.telling._cancelled.set()

    return cancels


def holds(instance: Instance) -> None:
    assert hold.begin(instance)


def answers(stage: Scenery) -> list[str]:
    """What clients of production get from now on, each answer once in a row."""
    got: list[str] = []

    def watch() -> None:
        answer = stage.world.answer(HOST)
        if got[-1:] != [answer]:
            got.append(answer)

    stage.world.watch = watch
    return got


def output(build: Build) -> str:
    return "".join(LogChunk.objects.filter(step__story=build.story_id).values_list("text", flat=True))


def production(stage: Scenery) -> Data:
    return stage.world.databases["hosted"][Instance.objects.get(stage=Stage.PRODUCTION).database]


def failing(monkeypatch: pytest.MonkeyPatch, *, only_live: bool) -> None:
    """The update's migration fails, on the rehearsal already or only on production."""
    real = FakeEngine._odoo

    def odoo(engine: FakeEngine, spec: ContainerSpec, data: Data, told: Output, keep_going: Callable[[], None]) -> int:
        ended = real(engine, spec, data, told, keep_going)
        rehearsed = data.parameters.get("database.is_neutralized") == "true"
        if any(word.startswith("--update") for word in spec.argv) and not (only_live and rehearsed):
            told("2026-11-21 20:56:29,859 11 CRITICAL db odoo.service.server: Failed to initialize database\n")
            return 255
        return ended

    monkeypatch.setattr(FakeEngine, "_odoo", odoo)


def in_lab(stage: Scenery) -> set[str]:
    """Databases, for rows and in fact."""
    rows = Instance.objects.exclude(state=Instance.State.REMOVED).exclude(stage=Stage.PRODUCTION)
    assert {row.database for row in rows} == set(stage.world.databases["lab"])
    return set(stage.world.databases["lab"])


def proven() -> set[str]:
    """The one that stays of the backup before the update."""
    return {backup.drill.database for backup in restored.kept() if backup.drill}


# --- the rehearsal ----------------------------------------------------------------------------------------------------
def test_an_update_is_rehearsed_on_a_neutralised_copy_that_is_removed(stage: Scenery) -> None:
    build = stage.update()
    seen: list[str] = []
    at(stage, "update shop", 0, lambda: seen.append(stage.world.answer(HOST)))
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert seen == [OLD], "visitors were served meanwhile"
    assert stage.world.seen["neutralize"] == 2, "the rehearsal and the proof of the backup"
    assert in_lab(stage) == proven()
    assert build.rehearsed_on is None
    assert build.rehearsal["modules"] == ["shop", "till"]


def test_what_was_predicted_and_what_it_took_are_kept(stage: Scenery) -> None:
    build = stage.tell(stage.update())
    parts = (build.rehearsal[f"{name}_seconds"] for name in ("update", "copy", "proof"))
    assert build.rehearsal["predicted_seconds"] == pytest.approx(sum(parts), abs=0.2)
    assert {"held_seconds", "actual_copy_seconds", "actual_update_seconds"} <= build.rehearsal.keys()
    assert "Visitors waited" in output(build)


def test_a_failing_rehearsal_never_touches_production(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.update()
    failing(monkeypatch, only_live=False)
    before, got = stage.world.summary(), answers(stage)
    build = stage.tell(build)
    assert said(build).startswith("The rehearsal failed: the modules could not be updated")
    assert got == [OLD]
    images = {"images"}
    assert {k: v for k, v in stage.world.summary().items() if k not in images} == before
    assert not stage.world.seen["hold"]


def test_a_build_without_an_update_rehearses_and_holds_nothing(stage: Scenery) -> None:
    build, got = stage.same(), answers(stage)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS
    assert build.rehearsal == {}
    assert got == [OLD, NEW]


@pytest.mark.parametrize("moment", ["create database", "start dump", "neutralize", "update till", "drop database"])
def test_who_dies_in_a_rehearsal_leaves_nothing(stage: Scenery, moment: str) -> None:
    build = stage.update()
    at(stage, moment, 0, die(stage))
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert in_lab(stage) == proven()


def test_who_lost_the_story_does_not_forget_the_copy_of_who_tells_it_now(stage: Scenery) -> None:
    build = stage.update()
    production = Instance.objects.get(stage=Stage.PRODUCTION)
    mine = rehearsal._new_copy(build, production)
    stale = Build.objects.select_related("rehearsed_on").get(pk=build.pk)
    build.rehearsed_on = None
    theirs = rehearsal._new_copy(build, production)
    rehearsal.undo_rehearsal(stale, None)  # type: ignore[arg-type]
    assert Build.objects.get(pk=build.pk).rehearsed_on == theirs
    assert Instance.objects.get(pk=mine.pk).state == Instance.State.REMOVED


def test_no_rehearsal_begins_without_room(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build, got = stage.update(), answers(stage)
    monkeypatch.setattr(FakeCluster, "size", lambda *_: 10**18)
    monkeypatch.setattr(preflight, "_databases", lambda _build: 0)  # the database has grown since
    assert said(stage.tell(build)).startswith("Not enough disk for the rehearsal")
    assert got == [OLD]


# --- too long ---------------------------------------------------------------------------------------------------------
def test_an_update_that_takes_too_long_is_put_off_with_the_numbers(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, got = stage.update(), answers(stage)
    monkeypatch.setattr(rehearsal, "PROOF_S", 200.0)
    build = stage.tell(build)
    assert said(build).startswith("The update takes longer than visitors may be kept waiting")
    assert "settings allow 25 s" in said(build)
    assert "maintenance page" in Story.objects.get(pk=build.story_id or 0).error_remedy
    assert build.rehearsal["predicted_seconds"] > 200
    assert got == [OLD]


@pytest.mark.parametrize("setting", [{"long_updates": "page"}, {"strategy": "in-turn"}])
def test_a_page_is_shown_where_the_branch_wants_it(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    build, got = stage.update(), answers(stage)
    Branch.objects.update(**setting)
    if "long_updates" in setting:
        monkeypatch.setattr(rehearsal, "PROOF_S", 200.0)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert got == [OLD, "updating", NEW]


def test_a_hold_that_took_longer_than_allowed_makes_the_build_yellow(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = stage.update()
    monkeypatch.setattr("builds.updates.too_long", lambda *_: True)
    assert stage.tell(build).result == Result.WARNING


# --- the hold ---------------------------------------------------------------------------------------------------------
def test_visitors_wait_for_the_update_and_are_answered_by_the_new_pool(stage: Scenery) -> None:
    build, got = stage.update(), answers(stage)
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert got == [OLD, "held", NEW]
    assert stage.world.wrongs == []
    assert production(stage).modules["shop"] == "18.0.1.1"


def test_the_order_is_listening_crons_hold_copy_update_proof_release(stage: Scenery) -> None:
    build = stage.update()
    order: list[str] = []
    wanted = ("start web", "stop cron", "hold", "copy database", "update till", "read build file", "release")
    stage.world.before = lambda what: order.append(what) if what in wanted and not rehearsing() else None

    def rehearsing() -> bool:
        return Build.objects.exclude(rehearsed_on=None).exists()

    stage.tell(build)
    since = order[order.index("start web") :]
    first = [what for number, what in enumerate(since) if what not in since[:number] and what != "release"]
    assert first == list(wanted[:-1])
    assert since.index("hold") < since.index("release", since.index("update till"))


@pytest.mark.parametrize(("moment", "before"), MOMENTS)
def test_who_cancels_an_update_gets_the_old_pool_and_database_back(stage: Scenery, moment: str, before: int) -> None:
    build = stage.update()
    was = stage.world.summary()
    at(stage, moment, before, cancel(stage))
    build = stage.tell(build)
    assert build.result == Result.CANCELLED, said(build)
    assert stage.world.summary() == was
    assert not Pool.objects.filter(crons_stopped=True).exists()


@pytest.mark.parametrize(("moment", "before"), MOMENTS)
def test_who_died_in_an_update_is_followed_by_the_whole_update(stage: Scenery, moment: str, before: int) -> None:
    """Not by what is still due in the half-updated database: its copy is put back first. Visitors wait all the time."""
    build, got = stage.update(), answers(stage)
    at(stage, moment, before, die(stage))
    build = stage.tell(build)
    assert build.result == Result.SUCCESS, said(build)
    assert production(stage).rows[-2:] == ("update shop 18.0.1.1", "update till 18.0.1.1")
    assert [row for row in production(stage).rows if row.startswith("update")] == list(production(stage).rows[-2:])
    assert got == [OLD, "held", NEW]
    assert stage.world.wrongs == []


def test_what_fails_only_live_is_taken_back(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.update()
    was, got = stage.world.summary(), answers(stage)
    failing(monkeypatch, only_live=True)
    build = stage.tell(build)
    assert said(build).startswith("The modules could not be updated")
    assert got == [OLD, "held", OLD]
    assert stage.world.summary() == was
    assert build.rehearsal["held_seconds"] >= 0


def test_undoing_ends_what_a_dead_worker_left_at_work(stage: Scenery) -> None:
    build = stage.update()
    at(stage, "update till", 1, die(stage))
    stage.look(build)
    one_off = databases.one_off_name(Instance.objects.get(stage=Stage.PRODUCTION))
    assert one_off in stage.world.containers
    Story.objects.filter(pk=build.story_id or 0).update(cancel_requested=True)
    assert stage.tell(build).result == Result.CANCELLED
    assert one_off not in stage.world.containers
    assert stage.world.answer(HOST) == OLD


def test_requests_that_never_end_put_the_update_off(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build = stage.update()
    was = stage.world.summary()
    monkeypatch.setattr(hold, "PATIENCE_S", 0.01)
    monkeypatch.setattr("builds.updates.BUSY_S", 0.0)
    monkeypatch.setattr(FakeRouter, "in_flight", lambda *_: (2, 0))
    build = stage.tell(build)
    assert said(build).startswith("Visitors' requests run too long for the update")
    assert stage.world.summary() == was


def test_an_update_neither_takes_nor_ends_the_hold_of_another(stage: Scenery) -> None:
    build = stage.update()
    instance = Instance.objects.get(stage=Stage.PRODUCTION)
    was = stage.world.summary()
    at(stage, "start web", 0, lambda: holds(instance))
    build = stage.tell(build)
    assert said(build).startswith("Visitors wait for something else")
    assert stage.world.answer(HOST) == "held"
    hold.release(instance)
    assert stage.world.summary() == was


def test_a_worker_that_died_after_the_switch_makes_the_wait_no_longer(stage: Scenery) -> None:
    build = stage.update()
    build = stage.tell(build)
    assert build.switched_at is not None
    held_at = build.switched_at - timedelta(seconds=7)
    build.rehearsal = {"held_at": held_at.isoformat()}
    updates._write_down_wait(build)
    assert build.rehearsal["held_seconds"] == 7.0


def test_a_new_pool_that_never_listens_holds_nobody(stage: Scenery, monkeypatch: pytest.MonkeyPatch) -> None:
    build, got = stage.update(), answers(stage)
    monkeypatch.setattr("hosting.proof.wait_for_ports", lambda *_arguments, **_named: False)
    build = stage.tell(build)
    assert said(build).startswith("The new pool did not become ready")
    assert got == [OLD]


# --- who may come back ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("required", "outdated"), [(True, True), (False, False)])
def test_old_code_is_outdated_where_it_can_not_run_on_what_was_made(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch, required: bool, outdated: bool
) -> None:
    build = stage.update()

    def shape(database: FakeDatabase) -> Shape:
        columns = {"shop.name": Column("text", required=False, default=False)}
        if database.data.modules["shop"] == "18.0.1.1":
            columns["shop.code"] = Column("text", required=required, default=False)
        return Shape(tables=frozenset({"shop"}), columns=columns)

    monkeypatch.setattr(FakeDatabase, "shape", shape)
    build = stage.tell(build)
    assert build.rehearsal["kind"] == ("hold" if required else "harmless")
    old = Pool.objects.get(instance=build.instance, generation=1)
    old.state = Pool.State.GONE
    assert build.pool is not None
    assert not build.pool.outdated
    assert old.outdated == outdated


def test_a_worker_that_shall_end_lets_nobody_wait_for_the_next_one(
    stage: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_handing_over", threading.Event())
    build = stage.update()
    at(stage, "copy database", 0, telling.hand_over)
    stage.look(build)
    story, instance = Story.objects.get(pk=build.story_id or 0), Instance.objects.get(hostname=HOST)
    assert (story.state, instance.door) == (State.QUEUED, Instance.Door.OPEN)
    assert stage.world.answer(HOST) == NEW
    assert not story.steps.filter(name="drain", state=State.DONE).exists(), "it was handed over after that"
