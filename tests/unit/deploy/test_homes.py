"""Where an installation lies, also where other users may not pass to the folder that was named."""

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy import homes
from deploy.progress import Progress, SetupError


@pytest.fixture
def progress() -> Progress:
    return Progress(StringIO())


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short and open to all, unlike pytest's own."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def closed(folder: Path) -> Path:
    """A folder that only its owner enters, as /root is."""
    (folder / "root").mkdir(mode=0o700)
    return folder / "root"


@pytest.fixture(autouse=True)
def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(homes, "ELSEWHERE", folder / "lib")
    return folder / "lib"


def test_an_open_place_is_used_as_it_is(folder: Path, progress: Progress) -> None:
    home = homes.prepare(folder / "var", progress)
    assert home == folder / "var"
    assert not home.is_symlink()
    assert (home / "run").is_dir()


def test_below_a_closed_folder_it_is_a_link_to_an_open_one(closed: Path, elsewhere: Path, progress: Progress) -> None:
    home = homes.prepare(closed / "var", progress)
    assert home.parent == elsewhere
    assert (closed / "var").resolve() == home
    assert homes.unfit(home) == ""


def test_the_second_time_it_is_the_same_place(closed: Path, progress: Progress) -> None:
    assert homes.prepare(closed / "var", progress) == homes.prepare(closed / "var", progress)


def test_an_installation_that_lies_behind_a_closed_folder_is_not_moved(closed: Path, progress: Progress) -> None:
    (closed / "var").mkdir()
    (closed / "var" / ".env").write_text("BERTH_INSTALLATION=abc123\n")
    with pytest.raises(SetupError, match="lets no other user pass"):
        homes.prepare(closed / "var", progress)
    assert [file.name for file in (closed / "var").iterdir()] == [".env"]


def test_removing_takes_the_link_away_too(closed: Path, progress: Progress) -> None:
    home = homes.prepare(closed / "var", progress)
    homes.remove(closed / "var")
    assert not home.exists()
    assert not os.path.lexists(closed / "var")


def test_a_path_too_long_for_sockets_becomes_a_link_too(folder: Path, elsewhere: Path, progress: Progress) -> None:
    home = homes.prepare(folder / ("x" * 80) / "var", progress)
    assert home.parent == elsewhere
    assert (folder / ("x" * 80) / "var" / "run").is_dir()


def test_two_set_ups_do_not_work_at_once(folder: Path, progress: Progress) -> None:
    home = homes.prepare(folder / "var", progress)
    with homes.alone(home), pytest.raises(SetupError, match="at work"), homes.alone(home):
        raise AssertionError("the second one went on")
