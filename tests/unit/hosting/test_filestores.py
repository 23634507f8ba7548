"""The filestore of a tenant, who may put anything there: nothing but regular files is taken, and no link followed."""

import hashlib
import os
from pathlib import Path

import pytest

from hosting import filestores, machines
from hosting.models import Instance
from tests.unit.fakes import World
from tests.unit.hosting import rows


def nothing() -> None:
    pass


@pytest.fixture
def instance(world: World) -> Instance:
    return rows.instance()


@pytest.fixture
def store(instance: Instance) -> Path:
    folder = machines.folder(instance) / "data" / "filestore" / instance.database
    folder.mkdir(parents=True)
    return folder


def put(store: Path, content: bytes) -> str:
    name = hashlib.sha1(content).hexdigest()
    (store / name[:2]).mkdir(exist_ok=True)
    (store / name[:2] / name).write_bytes(content)
    return f"{name[:2]}/{name}"


def test_files_are_linked_and_stay_when_odoo_removes_its_own(instance: Instance, store: Path, tmp_path: Path) -> None:
    first = put(store, b"first")
    target = tmp_path / "out"
    assert filestores.link(instance, target, keep_going=nothing) == 5
    (store / first).unlink()
    second = put(store, b"second")
    filestores.link(instance, target, keep_going=nothing)
    assert filestores.listed(target) == {first: 5, second: 6}
    assert (target / second).samefile(store / second)
    assert filestores.wrong(target, {first: 5, second: 6}, [first, second], keep_going=nothing) == []


def test_what_odoo_only_keeps_for_itself_is_left_out(instance: Instance, store: Path, tmp_path: Path) -> None:
    (store / "checklist" / "ab").mkdir(parents=True)
    (store / "checklist" / "ab" / ("ab" * 20)).touch()
    filestores.link(instance, tmp_path / "out", keep_going=nothing)
    assert filestores.listed(tmp_path / "out") == {}


@pytest.mark.parametrize("at", ["data", "filestore", "database", "shelf", "file"])
def test_no_link_is_followed(instance: Instance, store: Path, tmp_path: Path, at: str) -> None:
    """At whichever level it lies."""
    name = put(store, b"of the machine")
    path = {"file": store / name, "shelf": (store / name).parent, "database": store, "filestore": store.parent}
    link = path.get(at, store.parent.parent)
    link.rename(tmp_path / "secret")
    link.symlink_to(tmp_path / "secret")
    filestores.link(instance, tmp_path / "out", keep_going=nothing)
    assert filestores.listed(tmp_path / "out") == {}


def test_a_pipe_or_a_folder_is_no_file(instance: Instance, store: Path, tmp_path: Path) -> None:
    (store / "ab").mkdir()
    os.mkfifo(store / "ab" / ("ab" * 20))
    (store / "ab" / ("ac" * 20)).mkdir()
    filestores.link(instance, tmp_path / "out", keep_going=nothing)
    assert filestores.listed(tmp_path / "out") == {}


def test_there_may_be_none(instance: Instance, tmp_path: Path) -> None:
    assert filestores.link(instance, tmp_path / "out", keep_going=nothing) == 0
    assert filestores.wrong(tmp_path / "out", {}, [], keep_going=nothing) == []


def test_each_thing_that_is_wrong_is_said(instance: Instance, store: Path) -> None:
    fine, short, other, surplus = (put(store, content) for content in (b"fine", b"short", b"other", b"surplus"))
    (store / short).write_bytes(b"s")
    (store / other).write_bytes(b"oThEr")
    expected = {fine: 4, short: 5, other: 5, "aa/gone": 1}
    assert filestores.wrong(store, expected, [fine, "bb/never"], keep_going=nothing) == [
        "aa/gone is missing",
        f"{surplus} was not in the backup's list",
        *sorted([f"{short} has 1 bytes, not 5", f"{other} has another content than the one it is called after"]),
        "bb/never, which an attachment names, was not among production's files",
    ]
