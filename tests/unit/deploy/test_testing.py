"""Which tests a run of bin/test chooses."""

import pytest

from deploy.testing import SPARE_ENGINE, UNIT, choose, parts, sample, worst

FAULTS = [f"tests/faults/test_kill.py::test_{number}" for number in range(7)]


def test_the_sample_rotates_until_every_fault_had_its_turn() -> None:
    seen = {name for day in range(3) for name in sample(FAULTS, day=day)}
    assert seen == set(FAULTS)
    assert len(sample(FAULTS, day=2)) == 3


def test_few_faults_are_all_tried_and_none_twice() -> None:
    assert sorted(sample(FAULTS[:2], day=5)) == FAULTS[:2]
    assert sample([], day=5) == []


def test_what_was_asked_for_goes_to_pytest_and_spares_the_engine() -> None:
    assert choose(["tests/unit", "-k", "webhook"], {}) == [*SPARE_ENGINE, "tests/unit", "-k", "webhook"]


def test_the_engine_is_restarted_where_a_mark_says_so() -> None:
    marks = [word for word in choose(["tests/faults", "-m", "restarts_engine"], {}) if "restarts_engine" in word]
    assert marks[-1] == "restarts_engine"  # pytest heeds the last


def test_all_means_the_faults_too_and_keeps_other_arguments() -> None:
    chosen = choose(["--all", "-x"], {})
    assert chosen[0] == "-x"
    assert {"tests/unit", "tests/engine", "tests/contract", "tests/e2e", "tests/faults"} <= set(chosen)


@pytest.mark.parametrize("named", ["tests/faults", "tests/faults/test_wake.py", "tests/faults/test_wake.py::test_x"])
def test_all_of_what_is_named_is_that_alone(named: str) -> None:
    arguments = [named, "--all", "--splits", "4", "--group", "1"]
    assert choose(arguments, {}) == [named, "--splits", "4", "--group", "1"]


def test_unit_tests_run_beside_one_another_and_apart_from_what_has_only_one_engine() -> None:
    beside, others = parts(choose(["--all", "--splits", "4", "--group", "1"], {}))
    assert beside[0] == "-n"
    assert int(beside[1]) >= 1
    assert beside[beside.index(UNIT) :] == [UNIT, "--splits", "4", "--group", "1"]
    assert UNIT not in others
    assert "-n" not in others
    assert {"tests/engine", "tests/faults", "--splits"} <= set(others)


@pytest.mark.parametrize("arguments", [["tests/unit/deploy", "-k", "x"], ["tests/engine"], ["-k", "webhook"]])
def test_what_else_was_asked_for_is_one_run_as_it_was_said(arguments: list[str]) -> None:
    assert parts(arguments) == [arguments]


def test_unit_tests_alone_are_one_run() -> None:
    (alone,) = parts([*SPARE_ENGINE, UNIT])
    assert alone[alone.index(UNIT) :] == [UNIT, *SPARE_ENGINE]


@pytest.mark.parametrize(
    ("codes", "said"), [([0, 0], 0), ([1, 0], 1), ([0, 2], 2), ([-9, 0], -9), ([5, 0], 0), ([5, 1], 1), ([5], 5)]
)
def test_no_run_hides_what_another_found(codes: list[int], said: int) -> None:
    assert worst(codes) == said
