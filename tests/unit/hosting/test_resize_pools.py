"""Resizing in place: containers, rows and the files that Odoo reads at its next start agree."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hosting import machines, pools, resize
from hosting.engines.docker import EngineUnreachable, LimitRefused
from hosting.models import Instance, Pool
from hosting.odoo.floors import MIB
from hosting.reconcile import reconcile
from tests.unit.fakes import World
from tests.unit.fakes.engine import FakeEngine
from tests.unit.hosting import rows


@pytest.fixture
def instance(world: World) -> Instance:
    instance = rows.instance()
    rows.live(instance, world)
    return instance


def sizes(world: World) -> dict[str, tuple[float, float]]:
    """What each container has, by its role, in MB and cores."""
    found = {name.rpartition("-")[2]: container.spec for name, container in world.containers.items()}
    return {role: (spec.memory_bytes / MIB, spec.cpus) for role, spec in found.items()}


def hard_limit(instance: Instance, purpose: str) -> int:
    """Odoo's own, in MB, as its next start finds it."""
    text = (machines.folder(instance) / "g1" / f"{purpose}.conf").read_text()
    return int(text.split("limit_memory_hard = ")[1].split()[0]) // MIB


def test_it_gives_all_containers_another_size_and_restarts_none(world: World, instance: Instance) -> None:
    before = {name: id(container) for name, container in world.containers.items()}

    resize.resize(instance, memory_mb=2048, cpus=Decimal("1.5"))

    assert sizes(world) == {"web": (2048, 1.5), "cron": (2048, 1.5)}
    assert {name: id(container) for name, container in world.containers.items()} == before
    pool = Pool.objects.get()
    assert (pool.memory_mb, pool.cpus) == (2048, Decimal("1.5"))


def test_what_odoo_allows_itself_fits_from_its_next_start_on(world: World, instance: Instance) -> None:
    assert hard_limit(instance, "serve") == hard_limit(instance, "cron") == 1536

    resize.resize(instance, memory_mb=2048, cpus=Decimal(2))

    assert hard_limit(instance, "serve") == hard_limit(instance, "cron") == 2048


@pytest.mark.parametrize("state", [Pool.State.STARTING, Pool.State.STANDING_BY, Pool.State.DRAINING, Pool.State.KEPT])
def test_pools_that_may_get_traffic_later_are_resized_too(world: World, instance: Instance, state: Pool.State) -> None:
    other = rows.started(instance, world, "b2")
    Pool.objects.filter(pk=other.pk).update(state=state)

    resize.resize(instance, memory_mb=2048, cpus=Decimal(2))

    assert world.containers[other.container("web")].spec.memory_bytes == 2048 * MIB


def test_less_than_is_used_is_refused_and_nothing_is_changed(world: World, instance: Instance) -> None:
    world.used_bytes = 600 * MIB

    with pytest.raises(LimitRefused):
        resize.resize(instance, memory_mb=512, cpus=Decimal(2))

    assert sizes(world) == {"web": (1536, 2), "cron": (1536, 2)}
    assert Pool.objects.get().memory_mb == 1536
    assert hard_limit(instance, "serve") == 1536


def test_a_pool_that_never_serves_again_refuses_nothing(world: World, instance: Instance) -> None:
    other = rows.started(instance, world, "b2")
    Pool.objects.filter(pk=other.pk).update(state=Pool.State.RETIRING)

    resize.resize(instance, memory_mb=2048, cpus=Decimal(2))

    assert world.containers[other.container("web")].spec.memory_bytes == 1536 * MIB


def test_what_was_changed_before_a_refusal_is_changed_back(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeEngine.resize

    def only_crons(engine: FakeEngine, name: str, memory_bytes: int, cpus: float) -> object:
        if name.endswith("web"):
            raise LimitRefused("The web container uses more.")
        return real(engine, name, memory_bytes, cpus)

    monkeypatch.setattr(FakeEngine, "resize", only_crons)
    with pytest.raises(LimitRefused):
        resize.resize(instance, memory_mb=512, cpus=Decimal(1))

    assert world.seen["resize cron"] == 2
    assert sizes(world) == {"web": (1536, 2), "cron": (1536, 2)}


def test_a_start_a_moment_later_keeps_the_new_size(world: World, instance: Instance) -> None:
    """A deploy may have read its row before."""
    stale = Pool.objects.select_related("instance__host").get()
    resize.resize(instance, memory_mb=2048, cpus=Decimal(1))

    pools.start(stale, "cron")

    assert sizes(world)["cron"] == (2048, 1)


def test_the_reconciler_lets_what_serves_come_first(world: World, instance: Instance) -> None:
    name = Pool.objects.get().container("web")
    FakeEngine(world).weigh(name, later=True)

    assert f"gave container {name} its size again" in reconcile()
    assert not world.containers[name].spec.later
    assert reconcile() == []


def test_the_reconciler_gives_a_container_the_size_of_its_row(world: World, instance: Instance) -> None:
    Pool.objects.update(memory_mb=2048)
    name = Pool.objects.get().container("web")

    assert f"gave container {name} its size again" in reconcile()
    assert sizes(world) == {"web": (2048, 2), "cron": (2048, 2)}
    assert reconcile() == []


def test_the_reconciler_replaces_no_container_that_serves(world: World, instance: Instance) -> None:
    """A newer Berth would make another one of the same row: that waits for the next start."""
    container = world.containers[Pool.objects.get().container("web")]
    container.spec = replace(container.spec, argv=("odoo", "as an older Berth started it"), cpus=1.5)
    reconcile()
    assert world.containers[Pool.objects.get().container("web")] is container
    assert (container.spec.argv[1], container.spec.cpus) == ("as an older Berth started it", 2)


def test_an_engine_that_is_away_leaves_the_rows_as_they_were(
    world: World, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise EngineUnreachable("The engine gave no answer.")

    monkeypatch.setattr(FakeEngine, "resize", away)
    with pytest.raises(EngineUnreachable):
        resize.resize(instance, memory_mb=2048, cpus=Decimal(1))

    assert Pool.objects.get().memory_mb == 1536
