"""The copy that is taken before an update: it goes back whole, or not at all, however often somebody died."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from hosting import databases
from hosting.engines.postgres import DatabaseMissing
from hosting.models import Instance
from tests.unit.fakes import Killed, World
from tests.unit.fakes.world import Container, Data
from tests.unit.hosting import rows


@pytest.fixture
def instance(world: World) -> Instance:
    instance = rows.instance()
    world.databases["hosted"][instance.database].rows = ("before",)
    return instance


def die_at(world: World, what: str) -> None:
    def die(event: str) -> None:
        if event == what:
            raise Killed

    world.before = die


def killed(world: World, what: str, call: Callable[[Instance, str], object], instance: Instance) -> None:
    die_at(world, what)
    with pytest.raises(Killed):
        call(instance, "b2")
    world.before = lambda _what: None


def held(world: World) -> dict[str, tuple[str, ...]]:
    return {name: data.rows for name, data in world.databases["hosted"].items() if data.finished}


def update(world: World, instance: Instance, *told: str) -> None:
    world.databases["hosted"][instance.database].rows += told


def test_an_update_that_fails_leaves_the_database_as_it_was(world: World, instance: Instance) -> None:
    databases.copy_aside(instance, "b2")
    update(world, instance, "updated")
    assert databases.put_back(instance, "b2")
    assert held(world) == {instance.database: ("before",)}
    assert not databases.put_back(instance, "b2")
    assert held(world) == {instance.database: ("before",)}


def test_an_update_that_was_interrupted_begins_from_the_state_before_it(world: World, instance: Instance) -> None:
    databases.copy_aside(instance, "b2")
    update(world, instance, "half of it")
    databases.copy_aside(instance, "b2")
    assert held(world) == {instance.database: ("before",), databases.aside(instance, "b2"): ("before",)}


@pytest.mark.parametrize("moment", ["copy database", "finish copy"])
def test_who_died_while_it_was_taken_takes_it_again(world: World, instance: Instance, moment: str) -> None:
    killed(world, moment, databases.copy_aside, instance)
    databases.copy_aside(instance, "b2")
    assert held(world) == {instance.database: ("before",), databases.aside(instance, "b2"): ("before",)}


@pytest.mark.parametrize("moment", ["copy database", "finish copy"])
def test_a_copy_that_was_never_finished_is_not_put_back_but_dropped(
    world: World, instance: Instance, moment: str
) -> None:
    """Nobody may connect to it, and the update that it stands before can't have begun."""
    killed(world, moment, databases.copy_aside, instance)
    assert not databases.put_back(instance, "b2")
    assert world.databases["hosted"] == {instance.database: Data(instance.database, rows=("before",))}


@pytest.mark.parametrize("moment", ["drop database", "copy database", "finish copy"])
def test_who_died_while_an_update_began_again_loses_nothing(world: World, instance: Instance, moment: str) -> None:
    databases.copy_aside(instance, "b2")
    update(world, instance, "half of it")
    killed(world, moment, databases.copy_aside, instance)
    assert databases.put_back(instance, "b2")
    assert held(world) == {instance.database: ("before",)}


@pytest.mark.parametrize("moment", ["exchange databases", "list databases", "drop database"])
def test_who_died_while_it_was_put_back_loses_nothing(world: World, instance: Instance, moment: str) -> None:
    databases.copy_aside(instance, "b2")
    update(world, instance, "half of it")
    killed(world, moment, databases.put_back, instance)
    assert databases.put_back(instance, "b2")
    assert held(world) == {instance.database: ("before",)}


@pytest.mark.parametrize("moment", ["ask for database", "exchange databases", "list databases", "drop database"])
def test_who_is_late_takes_nothing_from_who_put_it_back_meanwhile(
    world: World, instance: Instance, moment: str
) -> None:
    """One whose lease ended while he hung is not dead: he goes on where he was."""
    databases.copy_aside(instance, "b2")
    update(world, instance, "half of it")

    def hang(what: str) -> None:
        if what == moment:
            world.before = lambda _what: None
            databases.put_back(instance, "b2")

    world.before = hang
    with suppress(DatabaseMissing):
        databases.put_back(instance, "b2")
    assert held(world) == {instance.database: ("before",)}


@pytest.mark.parametrize("call", [databases.copy_aside, databases.put_back])
def test_what_a_dead_worker_started_is_ended_before_the_database_is_touched(
    world: World, instance: Instance, call: Callable[[Instance, str], object]
) -> None:
    databases.copy_aside(instance, "b2")
    name = databases.one_off_name(instance)
    world.containers[name] = Container(rows.one_off(instance))
    there: list[bool] = []
    touched = ("exchange databases", "drop database")
    world.before = lambda what: there.append(name in world.containers) if what in touched else None
    call(instance, "b2")
    assert set(there) == {False}


def test_starting_afresh_ends_what_a_dead_worker_started(world: World, instance: Instance) -> None:
    world.containers[databases.one_off_name(instance)] = Container(rows.one_off(instance))
    databases.start_afresh(instance)
    assert not world.containers
    assert held(world) == {instance.database: ()}
