"""What bin/up does by which words."""

import io
from pathlib import Path

import pytest

from deploy.progress import Progress
from deploy.up import NOT_AT_BOOT, parser, steps

VALUES = {"BERTH_INSTALLATION": "c0ffee"}


def test_a_reboot_waits_for_no_image_and_no_demo_but_for_all_that_runs() -> None:
    names = list(steps(Path("/srv/berth"), VALUES, Progress(io.StringIO())))
    left = [name for name in names if name not in NOT_AT_BOOT]
    assert set(names) >= NOT_AT_BOOT
    assert left.index("tenants' networks and firewall") < left.index("PostgreSQL") < left.index("router")
    assert left[-2:] == ["Berth's processes", "hosted databases"]


def test_an_installation_without_the_demo_waits_for_none() -> None:
    assert "demo" not in steps(Path("/srv/berth"), VALUES | {"BERTH_DEMO": "off"}, Progress(io.StringIO()))


def test_the_rules_alone_and_a_start_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--boot", "--walls"])
    assert "not allowed with" in capsys.readouterr().err
