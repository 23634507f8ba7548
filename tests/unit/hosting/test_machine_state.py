"""What is read off /proc and /sys."""

import os
from pathlib import Path

import pytest

from hosting import machine_state


def test_available_memory_is_what_the_kernel_reckons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_state, "PROC", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal:   100 kB\nMemFree:  10 kB\nMemAvailable:    70 kB\n")
    assert machine_state.available_memory() == 70 * 1024


def test_inotify_limits_are_raised_and_never_lowered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_state, "PROC", tmp_path)
    folder = tmp_path / "sys/fs/inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_watches").write_text("8192\n")
    (folder / "max_user_instances").write_text("9999\n")
    assert machine_state.raise_inotify() == {}
    assert (folder / "max_user_watches").read_text() == "524288\n"
    assert (folder / "max_user_instances").read_text() == "9999\n"


def test_limits_that_may_not_be_raised_are_returned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_state, "PROC", tmp_path)
    folder = tmp_path / "sys/fs/inotify"
    folder.mkdir(parents=True)
    for name in machine_state.INOTIFY:
        (folder / name).write_text("128\n")
    monkeypatch.setattr(machine_state, "_write", lambda _file, _value: False)
    assert machine_state.raise_inotify() == {
        "fs.inotify.max_user_watches": (128, 524_288),
        "fs.inotify.max_user_instances": (128, 1_024),
    }


def test_a_disk_is_encrypted_where_something_below_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_state, "SYS", tmp_path)
    device = tmp_path.stat().st_dev
    volume = tmp_path / f"dev/block/{os.major(device)}:{os.minor(device)}"
    below = volume / "slaves/dm-0/dm"
    below.mkdir(parents=True)
    (below / "uuid").write_text("LVM-abc\n")
    assert not machine_state.encrypted(tmp_path)
    (below / "uuid").write_text("CRYPT-LUKS2-abc\n")
    assert machine_state.encrypted(tmp_path)


def test_a_disk_has_no_more_room_than_its_size(tmp_path: Path) -> None:
    room = machine_state.room(tmp_path)
    assert 0 <= room.free <= room.size
