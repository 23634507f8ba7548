"""What the stand-in's images are called, and how they are made."""

from pathlib import Path

import pytest

from hosting.odoo import series
from images import build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "program").write_text("print()")
    return tmp_path


def test_the_same_content_has_the_same_hash(folder: Path) -> None:
    before = build.content_hash(folder)
    (folder / "inner" / "program").touch()
    (folder / "inner" / "__pycache__").mkdir()
    (folder / "inner" / "__pycache__" / "program.pyc").write_bytes(b"compiled")
    (folder / ".ruff_cache").mkdir()
    (folder / ".ruff_cache" / "1").write_bytes(b"checked")
    assert build.content_hash(folder) == before
    assert len(before) == 12


def test_there_is_a_stand_in_for_each_series_that_berth_runs() -> None:
    assert tuple(series.SERIES) == build.SERIES


@pytest.mark.parametrize("change", ["content", "name", "executable", "more", "seed"])
def test_any_change_gives_another_hash(folder: Path, change: str) -> None:
    before = build.content_hash(folder)
    program = folder / "inner" / "program"
    if change == "content":
        program.write_text("print(1)")
    elif change == "name":
        program.rename(folder / "inner" / "other")
    elif change == "executable":
        program.chmod(0o755)
    elif change == "more":
        (folder / "empty").touch()
    assert build.content_hash(folder, seed="base" if change == "seed" else "") != before


@pytest.mark.parametrize("tag", ["15.0", "saas-18.1", "odoo:latest", ""])
def test_it_refuses_a_series_that_it_does_not_play(tag: str) -> None:
    with pytest.raises(build.ImageError, match=r"choose one of 16\.0, 17\.0, 18\.0, 19\.0"):
        build.ensure_stand_in(tag)


def test_debian_is_made_from_the_machines_own_mirror() -> None:
    argv = build._mmdebstrap_argv(Path("/tmp/tree.tar"))
    assert argv[0] == "mmdebstrap"
    assert argv[-2:] == ["bookworm", "/tmp/tree.tar"]
    assert not any("://" in word for word in argv)


def test_the_image_is_labelled_as_a_stand_in() -> None:
    argv = build._build_argv("berth-mockodoo:16.0-x", "16.0", "berth-base:y")
    assert argv[argv.index("--label") + 1] == "berth.stand-in=1"
    assert {"BASE=berth-base:y", "ODOO_SERIES=16.0"} <= set(argv)
