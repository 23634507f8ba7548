import pytest

from hosting.odoo.floors import (
    MIB,
    granted_memory,
    memory_floor,
    memory_for_workers,
    memory_warning,
    workers_for_cpus,
    workers_for_users,
)


@pytest.mark.parametrize(
    ("major", "mib"), [(13, 1024), (14, 1024), (15, 1152), (16, 1280), (17, 1408), (18, 1536), (19, 2048), (20, 2048)]
)
def test_floors_rise_with_the_series(major: int, mib: int) -> None:
    assert memory_floor(major) == mib * MIB


def test_who_insists_on_less_gets_a_warning_and_padding() -> None:
    assert "at least 1536 MB; with 1024 MB" in memory_warning(1024 * MIB, 18)
    assert granted_memory(1024 * MIB, 18) == 1280 * MIB


def test_enough_memory_is_given_as_it_is() -> None:
    assert memory_warning(1536 * MIB, 18) == ""
    assert granted_memory(1536 * MIB, 18) == 1536 * MIB


@pytest.mark.parametrize(("cpus", "workers"), [(0.25, 1), (0.5, 2), (1, 3), (2, 5), (4, 9)])
def test_workers_for_cpus(cpus: float, workers: int) -> None:
    assert workers_for_cpus(cpus) == workers


@pytest.mark.parametrize(("users", "workers"), [(0, 1), (6, 1), (7, 2), (60, 10)])
def test_workers_for_users(users: int, workers: int) -> None:
    assert workers_for_users(users) == workers


def test_memory_for_workers_counts_one_heavy_request_of_five() -> None:
    assert memory_for_workers(1) == pytest.approx(325 * MIB, rel=0.01)
    assert memory_for_workers(4) == pytest.approx(4 * memory_for_workers(1), rel=0.01)
