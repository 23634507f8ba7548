"""A database made beside an instance takes the place of its own, and what was there can be put back, whatever a tenant
or a death in the middle left.
"""

from pathlib import Path

import pytest

from hosting import databases, filestores, machines, swaps
from hosting.models import Instance
from tests.unit.fakes import World
from tests.unit.fakes.world import Data
from tests.unit.hosting import rows

LABEL = "r1"


@pytest.fixture
def instance(world: World) -> Instance:
    instance = rows.instance()
    world.databases["hosted"][instance.database].rows = ("before",)
    store(instance).mkdir(parents=True)
    (store(instance) / "before").touch()
    return instance


@pytest.fixture
def beside(world: World, instance: Instance) -> Instance:
    made = rows.instance(hostname="restore.localhost")
    world.databases["hosted"][made.database] = Data(made.database, rows=("after",))
    store(made).mkdir(parents=True)
    (store(made) / "after").touch()
    return made


def store(instance: Instance) -> Path:
    return machines.folder(instance) / "data" / "filestore" / instance.database


def held(world: World, instance: Instance) -> tuple[tuple[str, ...], list[str]]:
    return world.databases["hosted"][instance.database].rows, [path.name for path in store(instance).iterdir()]


def test_what_was_there_can_be_put_back(world: World, instance: Instance, beside: Instance) -> None:
    swaps.swap_in(instance, beside, LABEL)
    assert held(world, instance) == (("after",), ["after"])
    assert swaps.swap_back(instance, LABEL)
    assert held(world, instance) == (("before",), ["before"])


def test_a_tenant_who_marks_its_database_as_half_made_loses_nothing(
    world: World, instance: Instance, beside: Instance
) -> None:
    """Its owner may give a database any connection limit, also that of a copy which Berth has not finished."""
    world.databases["hosted"][instance.database].finished = False
    swaps.swap_in(instance, beside, LABEL)
    assert swaps.is_aside(instance, LABEL)
    assert swaps.swap_back(instance, LABEL)
    assert held(world, instance) == (("before",), ["before"])


def test_files_that_odoo_makes_after_a_death_do_not_keep_the_old_ones_away(
    world: World, instance: Instance, beside: Instance
) -> None:
    """Who put them back died after the first of his two moves; the old pool runs, and writes one of its caches."""
    swaps.swap_in(instance, beside, LABEL)
    store(instance).rename(swaps.aside_folder(instance, LABEL) / filestores.PUT_BY)
    store(instance).mkdir()
    (store(instance) / "cache").touch()
    swaps.swap_back(instance, LABEL)
    assert held(world, instance) == (("before",), ["before"])
    assert not swaps.aside_folder(instance, LABEL).exists()
    assert databases.aside(instance, LABEL) not in world.databases["hosted"]
