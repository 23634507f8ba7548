"""Log folders stay small, whatever the tenant puts there."""

import logging
import os
from collections.abc import Iterator
from logging.handlers import WatchedFileHandler
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting import logrotation
from hosting.logrotation import Item, excess
from hosting.models import Instance, Stage
from tests import cast

MIB = logrotation.MIB


@pytest.fixture
def instance(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    settings.BERTH_HOME = tmp_path
    (tmp_path / "instances" / "i0" / "log").mkdir(parents=True)
    monkeypatch.setattr(logrotation, "FULL", 100)
    monkeypatch.setattr(logrotation, "FOLDER_FULL", 1 * MIB)
    return Instance(pk=0)  # no row ever has that


@pytest.fixture
def folder(instance: Instance, tmp_path: Path) -> Path:
    return tmp_path / "instances" / "i0" / "log"


@pytest.fixture
def handler(folder: Path) -> Iterator[WatchedFileHandler]:
    """As Odoo holds its log file open."""
    made = WatchedFileHandler(folder / "odoo-g1-serve.log")
    yield made
    made.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_full_file_is_rotated_and_its_server_goes_on_in_a_new_one(
    instance: Instance, folder: Path, handler: WatchedFileHandler
) -> None:
    written = []
    for number in range(5):
        handler.emit(logging.makeLogRecord({"msg": f"{number}" * 100}))
        logrotation.tidy(instance)
        written.append(names(folder))
    handler.emit(logging.makeLogRecord({"msg": "last"}))
    assert written[0] == ["odoo-g1-serve.log.1"]
    assert written[-1] == ["odoo-g1-serve.log.1", "odoo-g1-serve.log.2"]
    assert [path.read_text()[:4] for path in sorted(folder.iterdir())] == ["last", "4444", "3333"]


def test_a_file_that_is_not_full_is_let_be(instance: Instance, folder: Path) -> None:
    (folder / "odoo.log").write_text("x" * 99)
    logrotation.tidy(instance)
    assert names(folder) == ["odoo.log"]


def test_a_link_out_of_the_folder_is_neither_rotated_nor_followed(
    instance: Instance, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "odoo.log").write_bytes(b"x" * 2 * MIB)
    (folder / "odoo-g1-serve.log").symlink_to(outside / "odoo.log")
    (folder / "more").symlink_to(outside)
    logrotation.tidy(instance)
    assert names(folder) == ["more", "odoo-g1-serve.log"]
    monkeypatch.setattr(logrotation, "ENTRIES_FULL", 0)
    logrotation.tidy(instance)
    assert names(folder) == []
    assert (outside / "odoo.log").stat().st_size == 2 * MIB


def test_the_folder_itself_may_not_be_a_link(instance: Instance, folder: Path, tmp_path: Path) -> None:
    folder.rmdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "odoo.log").write_text("x" * 200)
    folder.symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="log"):
        logrotation.tidy(instance)
    assert names(tmp_path / "outside") == ["odoo.log"]


def test_a_folder_that_is_too_big_is_cut_down(instance: Instance, folder: Path) -> None:
    (folder / "inner" / "deeper").mkdir(parents=True)
    (folder / "inner" / "deeper" / "ballast").write_bytes(b"x" * 2 * MIB)
    (folder / "odoo-g1-serve.log").write_bytes(b"x" * 99)
    logrotation.tidy(instance)
    assert names(folder) == ["odoo-g1-serve.log"]


def test_a_removed_file_that_is_held_open_gives_its_space_back(instance: Instance, folder: Path) -> None:
    with (folder / "odoo-g1-serve.log.1").open("ab") as held:
        held.write(b"x" * 2 * MIB)
        held.flush()
        logrotation.tidy(instance)
        assert names(folder) == []
        assert os.fstat(held.fileno()).st_blocks == 0


def test_a_pipe_in_the_way_is_not_waited_for(instance: Instance, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "odoo-g1-serve.log")
    monkeypatch.setattr(logrotation, "ENTRIES_FULL", 0)
    logrotation.tidy(instance)
    assert names(folder) == []


def test_what_is_no_log_goes_first_and_then_the_oldest_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logrotation, "FOLDER_FULL", 250)
    items = [
        Item("odoo-g2-serve.log", False, True, 100, 1, changed_at=30.0),
        Item("odoo-g1-serve.log", False, True, 100, 1, changed_at=10.0),
        Item("odoo-g2-serve.log.1", False, True, 100, 1, changed_at=20.0),
        Item("core", False, False, 100, 1, changed_at=40.0),
    ]
    assert [item.name for item in excess(items)] == ["core", "odoo-g1-serve.log"]
    assert excess(items[:2]) == []


def test_one_folder_that_can_not_be_tidied_keeps_no_other(
    db: None, instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, silent, fine = (cast.instance(Stage.DEVELOPMENT, f"{n}.localhost") for n in ("broken", "silent", "fine"))
    for each in (broken, fine):
        (tmp_path / "instances" / each.name).mkdir()
    (tmp_path / "instances" / broken.name / "log").write_text("no folder")
    (tmp_path / "instances" / fine.name / "log").mkdir()
    (tmp_path / "instances" / fine.name / "log" / "odoo.log").write_text("x" * 100)
    logrotation.tidy_all()
    assert silent.name not in names(tmp_path / "instances")
    assert names(tmp_path / "instances" / fine.name / "log") == ["odoo.log.1"]
