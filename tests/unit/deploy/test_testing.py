"""Which tests a run of bin/test chooses."""

from deploy.testing import choose, sample

FAULTS = [f"tests/faults/test_kill.py::test_{number}" for number in range(7)]


def test_the_sample_rotates_until_every_fault_had_its_turn() -> None:
    seen = {name for day in range(3) for name in sample(FAULTS, day=day)}
    assert seen == set(FAULTS)
    assert len(sample(FAULTS, day=2)) == 3


def test_few_faults_are_all_tried_and_none_twice() -> None:
    assert sorted(sample(FAULTS[:2], day=5)) == FAULTS[:2]
    assert sample([], day=5) == []


def test_what_was_asked_for_goes_to_pytest_as_it_is() -> None:
    assert choose(["tests/unit", "-k", "webhook"], {}) == ["tests/unit", "-k", "webhook"]


def test_all_means_the_faults_too_and_keeps_other_arguments() -> None:
    chosen = choose(["--all", "-x"], {})
    assert chosen[0] == "-x"
    assert {"tests/unit", "tests/engine", "tests/contract", "tests/e2e", "tests/faults"} <= set(chosen)
