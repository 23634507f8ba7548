"""The units that bring an installation back after a reboot."""

import io
import shutil
from pathlib import Path

import pytest

from deploy import systemd
from deploy.progress import Progress
from portal.commands import Result, run

VALUES = {"BERTH_INSTALLATION": "c0ffee"}
HOME = Path("/srv/berth")
WALLS, BERTH = "berth-c0ffee-walls.service", "berth-c0ffee.service"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is asked of a systemd that runs, as none does."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_named: object) -> Result:
        asked.append(argv)
        return Result(0, "", 0.0)

    monkeypatch.setattr(systemd, "run", run)
    monkeypatch.setattr(systemd, "runs", lambda: True)
    return asked


def ensure(folder: Path) -> str:
    out = io.StringIO()
    systemd.ensure(HOME, VALUES, Progress(out), folder)
    return out.getvalue()


def test_the_walls_stand_before_the_engine_starts_containers_and_berth_comes_after_both() -> None:
    found = systemd.units(HOME, VALUES, Path("/opt/berth"))
    assert found[WALLS].splitlines()[3:] == [
        f"After={systemd.FIREWALLS}",
        f"Before=docker.service {BERTH}",
        "RequiresMountsFor=/srv/berth /opt/berth",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "Environment=BERTH_HOME=/srv/berth",
        "ExecStart=/opt/berth/bin/up --walls",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    assert f"After=docker.service network-online.target {WALLS}" in found[BERTH]
    assert "ExecStart=/opt/berth/bin/up --boot\nExecStop=/opt/berth/bin/down\n" in found[BERTH]


def test_odd_paths_are_quoted() -> None:
    found = systemd.units(Path('/srv/100% "x"'), VALUES, Path("/opt/my $berth"))[BERTH]
    assert 'Environment="BERTH_HOME=/srv/100%% \\"x\\""' in found
    assert 'ExecStart="/opt/my $berth/bin/up" --boot' in found
    assert 'RequiresMountsFor="/srv/100%% \\"x\\"" "/opt/my $berth"' in found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["plain", "100% odd $name"])
def test_systemd_can_read_them(tmp_path: Path, name: str) -> None:
    checkout = tmp_path / name
    (checkout / "bin").mkdir(parents=True)
    for program in ("up", "down"):
        (checkout / "bin" / program).touch(mode=0o755)
    for unit, text in systemd.units(checkout, VALUES, checkout).items():
        (tmp_path / unit).write_text(text)
    files = [str(tmp_path / unit) for unit in systemd.names(VALUES)]
    told = run(["systemd-analyze", "verify", "--man=no", *files], timeout=30, check=False).output
    assert not [line for line in told.splitlines() if "berth-c0ffee" in line]


def test_they_are_said_before_they_are_installed_and_only_once(commands: list[list[str]], tmp_path: Path) -> None:
    said = ensure(tmp_path)
    assert f"{WALLS}, {BERTH}" in said
    assert (tmp_path / BERTH).read_text() == systemd.units(HOME, VALUES)[BERTH]
    assert commands == [["systemctl", "daemon-reload"], ["systemctl", "enable", "--quiet", WALLS, BERTH]]
    assert ensure(tmp_path) == ""
    assert len(commands) == 2


def test_without_systemd_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "runs", lambda: False)
    assert ensure(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_purge_removes_them_and_those_of_no_other(commands: list[list[str]], tmp_path: Path) -> None:
    ensure(tmp_path)
    (tmp_path / "berth-abcdef.service").touch()
    commands.clear()
    systemd.remove(VALUES, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["berth-abcdef.service"]
    assert commands == [["systemctl", "disable", "--quiet", WALLS, BERTH], ["systemctl", "daemon-reload"]]
    systemd.remove(VALUES, tmp_path)
    assert len(commands) == 2
