from pathlib import Path

import pytest

from projects.git import SubmoduleError
from projects.git.submodules import absolute_url, place


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x",
        "../x",
        "a/../../x",
        "a/./x",
        "a//x",
        "",
        ".",
        "a/",
        ".git",
        "a/.git/hooks",
        ".GIT/x",
        "link/x",
        "file/x",
    ],
)
def test_a_submodule_can_not_leave_its_place(tmp_path: Path, path: str) -> None:
    (tmp_path / "link").symlink_to("/tmp")
    (tmp_path / "file").touch()
    with pytest.raises(SubmoduleError):
        place(path, tmp_path)


def test_a_submodule_does_not_replace_a_link(tmp_path: Path) -> None:
    (tmp_path / "sub").symlink_to("/tmp")
    with pytest.raises(SubmoduleError, match="sub on its way is a link"):
        place("sub", tmp_path)


def test_a_submodule_does_not_mix_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other").touch()
    with pytest.raises(SubmoduleError, match="other files in its place"):
        place("sub", tmp_path)


def test_a_submodule_goes_to_its_path(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert place("a/b", tmp_path) == tmp_path / "a" / "b"
    assert place("empty", tmp_path) == tmp_path / "empty"


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://a.example/x.git", "https://b.example/o/n.git", "https://a.example/x.git"),
        ("../x.git", "https://b.example/o/n.git", "https://b.example/o/x.git"),
        ("../../p/x", "https://b.example/o/n/", "https://b.example/p/x"),
        ("./x", "https://b.example/o/n", "https://b.example/o/n/x"),
        ("../x.git", "git@b.example:o/n.git", "git@b.example:o/x.git"),
        ("../../../../x", "ssh://b.example/o/n", "ssh://b.example/x"),
        ("../../../x", "git@b.example:o/n", "git@b.example:x"),
    ],
)
def test_relative_addresses_count_from_the_repositorys_own(url: str, base: str, expected: str) -> None:
    assert absolute_url(url, base) == expected
