"""Readers of the environment fail loudly, with the variable's name."""

from pathlib import Path

import pytest

from portal import environment
from portal.environment import BadEnvironment


@pytest.fixture(autouse=True)
def _nothing_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_file", {})


def test_a_missing_variable_is_named_with_what_to_do() -> None:
    with pytest.raises(BadEnvironment, match=r"BERTH_NOWHERE is not set.*bin/up"):
        environment.text("BERTH_NOWHERE")


def test_the_file_is_read_and_the_real_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("# BERTH_A=comment\nBERTH_A = from file\nBERTH_B=a=b=c\n\nnonsense\n")
    environment.load(tmp_path / ".env")
    monkeypatch.setenv("BERTH_C", "from environment")
    assert [environment.text(name) for name in ("BERTH_A", "BERTH_B", "BERTH_C")] == [
        "from file",
        "a=b=c",
        "from environment",
    ]
    monkeypatch.setenv("BERTH_A", "stronger")
    assert environment.text("BERTH_A") == "stronger"


def test_no_file_is_no_error(tmp_path: Path) -> None:
    environment.load(tmp_path / "nothing")


@pytest.mark.parametrize("value", ["", "brief", "please-change-this-secret", "CHANGEME-0123456789"])
def test_it_refuses_secrets_that_are_short_or_defaults(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BERTH_SECRET", value)
    with pytest.raises(BadEnvironment, match="BERTH_SECRET") as caught:
        environment.secret("BERTH_SECRET")
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "8o80", " 80"])
def test_it_refuses_what_is_no_whole_number(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BERTH_PORT", value)
    with pytest.raises(BadEnvironment, match="BERTH_PORT must be a whole number"):
        environment.number("BERTH_PORT", 1)


def test_numbers_and_flags_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.number("BERTH_PORT", 80) == 80
    assert environment.flag("BERTH_ON", True) is True
    monkeypatch.setenv("BERTH_ON", "No")
    assert environment.flag("BERTH_ON", True) is False


def test_it_refuses_a_flag_that_is_neither_on_nor_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_ON", "maybe")
    with pytest.raises(BadEnvironment, match="BERTH_ON must be on or off"):
        environment.flag("BERTH_ON", True)


def test_pairs_are_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_IMAGES", "18.0=odoo:18.0, 16.0 = odoo:16.0,")
    assert environment.pairs("BERTH_IMAGES", "") == {"18.0": "odoo:18.0", "16.0": "odoo:16.0"}


@pytest.mark.parametrize("value", ["18.0", "=odoo", "18.0="])
def test_it_refuses_pairs_with_a_side_missing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BERTH_IMAGES", value)
    with pytest.raises(BadEnvironment, match="BERTH_IMAGES must read like"):
        environment.pairs("BERTH_IMAGES", "")
