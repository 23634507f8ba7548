from collections.abc import Iterator
from pathlib import Path

import pytest

from projects.git import (
    EscapingSymlink,
    GitError,
    Mirror,
    SubmoduleError,
    UrlPolicy,
    refuse_escaping_symlinks,
)
from projects.git.submodules import MAX_DEPTH
from tests.engine.git_server import Author, GitServer, serve

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "server").mkdir()
    with serve(tmp_path / "server") as running:
        yield running


class Desk:
    """Alice's repository and those beside it, and a way to check a commit out."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        self.folder, self.server = folder, server
        self.target = folder / "builds" / "b1" / "tree"
        self.mirror = Mirror(folder / "git" / "p1", UrlPolicy(allow_private=True, allow_http=True))
        self.alice = self.author("addons")

    def author(self, name: str) -> Author:
        return Author(self.folder, self.server, name)

    def checkout(self, sha: str, *, submodules: bool = True) -> tuple[str, ...]:
        url = self.server.url("addons")
        self.mirror.fetch(url, timeout=30)
        return self.mirror.checkout(sha, self.target, url=url, timeout=30, submodules=submodules).submodule_paths

    def text(self, path: str) -> str:
        return (self.target / path).read_text()


@pytest.fixture
def desk(tmp_path: Path, server: GitServer) -> Desk:
    return Desk(tmp_path, server)


def test_it_exports_the_files_of_a_commit_and_nothing_else(desk: Desk) -> None:
    desk.alice.write("one/__manifest__.py", "{}")
    desk.alice.write("run.sh", "#!/bin/sh")
    (desk.alice.folder / "run.sh").chmod(0o755)
    sha = desk.alice.commit()
    desk.alice.write("later.txt", "later")
    desk.alice.commit()
    assert desk.checkout(sha) == ()
    assert {str(path.relative_to(desk.target)) for path in desk.target.rglob("*")} == {
        "one",
        "one/__manifest__.py",
        "run.sh",
    }
    assert (desk.target / "run.sh").stat().st_mode & 0o100
    assert {path.name for path in desk.target.parent.iterdir()} == {"tree"}


def test_what_an_earlier_try_left_is_replaced(desk: Desk) -> None:
    sha = desk.alice.commit()
    desk.target.mkdir(parents=True)
    (desk.target / "left").touch()
    desk.checkout(sha)
    assert list(desk.target.iterdir()) == []


def test_a_commit_that_was_forced_away_can_still_be_built(desk: Desk) -> None:
    desk.alice.write("a.txt", "first")
    first = desk.alice.commit()
    desk.checkout(first)
    desk.alice.git("checkout", "-q", "--orphan", "again")
    desk.alice.commit("Forced")
    desk.checkout(first)
    assert desk.text("a.txt") == "first"


def test_a_commit_that_is_not_there_is_said(desk: Desk) -> None:
    desk.alice.commit()
    with pytest.raises(GitError, match="not in the repository"):
        desk.checkout("1" * 40)


def test_no_filter_attribute_or_hook_of_the_repository_is_run(desk: Desk) -> None:
    desk.alice.write(
        ".gitattributes", "*.txt text eol=crlf ident filter=evil working-tree-encoding=UTF-16 export-ignore\n"
    )
    desk.alice.git("-c", "core.attributesFile=/dev/null", "add", ".gitattributes")
    blob = desk.folder / "blob"
    blob.write_bytes(b"$Id$\nline\n")
    sha = desk.alice.git("hash-object", "-w", "--no-filters", str(blob)).strip()
    desk.alice.git("update-index", "--add", "--cacheinfo", f"100644,{sha},a.txt")
    commit = desk.alice.commit_index()
    desk.checkout(commit)
    assert (desk.target / "a.txt").read_bytes() == b"$Id$\nline\n"


def test_submodules_come_along_also_nested_ones(desk: Desk) -> None:
    inner = desk.author("inner")
    inner.write("deep.txt", "deep")
    inner_sha = inner.commit()
    outer = desk.author("outer")
    outer.write("outer.txt", "outer")
    outer.git("add", "--all")
    outer.add_submodule("lib/inner", "../inner.git", inner_sha)
    outer_sha = outer.commit_index()
    desk.alice.add_submodule("oca/outer", desk.server.url("outer"), outer_sha)
    assert desk.checkout(desk.alice.commit_index()) == ("oca/outer", "oca/outer/lib/inner")
    assert desk.text("oca/outer/outer.txt") == "outer"
    assert desk.text("oca/outer/lib/inner/deep.txt") == "deep"


def test_the_commit_of_a_submodule_need_not_be_a_branch(desk: Desk) -> None:
    outer = desk.author("outer")
    outer.write("a.txt", "pinned")
    pinned = outer.commit()
    outer.git("commit", "-q", "--amend", "--allow-empty", "-m", "Forced")
    outer.commit("Forced away")
    desk.alice.add_submodule("outer", desk.server.url("outer"), pinned)
    desk.checkout(desk.alice.commit_index())
    assert desk.text("outer/a.txt") == "pinned"


def test_a_submodule_that_is_here_already_is_not_fetched_again(desk: Desk) -> None:
    desk.alice.add_submodule("outer", desk.server.url("outer"), desk.author("outer").commit())
    sha = desk.alice.commit_index()
    desk.checkout(sha)
    desk.server.status["outer"] = 500
    desk.checkout(sha)


def test_submodules_can_be_left_out(desk: Desk) -> None:
    desk.alice.add_submodule("outer", "https://nowhere.example/x", "1" * 40)
    assert desk.checkout(desk.alice.commit_index(), submodules=False) == ()


def test_the_token_of_the_project_goes_to_no_submodule(desk: Desk) -> None:
    desk.server.private |= {"addons", "outer"}
    desk.alice.add_submodule("outer", desk.server.url("outer"), desk.author("outer").commit())
    sha = desk.alice.commit_index()
    desk.mirror.fetch(desk.server.url("addons"), token=desk.server.token, timeout=30)
    with pytest.raises(SubmoduleError, match="wants a sign-in") as raised:
        desk.mirror.checkout(sha, desk.target, url=desk.server.url("addons"), timeout=30)
    assert (raised.value.path, raised.value.url) == ("outer", desk.server.url("outer"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/x.git", "could not be reached"),
        ("file:///etc", "can't be used"),
        ("ext::sh -c reboot", "can't be used"),
        ("/srv/git/x", "can't be used"),
        ("-u", "can't be used"),
        ("https://user:secret@example.com/x", "user or a password"),
    ],
)
def test_a_submodule_that_can_not_be_had_is_named(desk: Desk, url: str, reason: str) -> None:
    desk.alice.add_submodule("oca/web", url, "1" * 40)
    sha = desk.alice.commit_index()
    with pytest.raises(SubmoduleError, match="The submodule oca/web") as raised:
        desk.checkout(sha)
    assert reason in str(raised.value)


def test_a_missing_commit_of_a_submodule_is_said(desk: Desk) -> None:
    desk.author("outer").commit()
    desk.alice.add_submodule("outer", desk.server.url("outer"), "1" * 40)
    sha = desk.alice.commit_index()
    with pytest.raises(SubmoduleError, match="not in the repository"):
        desk.checkout(sha)


def test_a_submodule_without_an_address_is_said(desk: Desk) -> None:
    desk.alice.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lost")
    sha = desk.alice.commit_index()
    with pytest.raises(SubmoduleError, match="lost can't be fetched. The file .gitmodules has no address"):
        desk.checkout(sha)


def test_a_gitmodules_file_that_can_not_be_read_is_said(desk: Desk) -> None:
    desk.alice.add_submodule("outer", "https://example.com/x", "1" * 40)
    desk.alice.write(".gitmodules", '[submodule "x')
    desk.alice.git("add", ".gitmodules")
    sha = desk.alice.commit_index()
    with pytest.raises(GitError, match=r"\.gitmodules can't be read"):
        desk.checkout(sha)


def test_submodules_are_not_nested_for_ever(desk: Desk) -> None:
    sha = desk.author("r0").commit()
    for number in range(1, MAX_DEPTH + 1):
        author = desk.author(f"r{number}")
        author.add_submodule("sub", f"../r{number - 1}.git", sha)
        sha = author.commit_index()
    desk.alice.add_submodule("sub", desk.server.url(f"r{MAX_DEPTH}"), sha)
    commit = desk.alice.commit_index()
    with pytest.raises(SubmoduleError, match=f"nested deeper than {MAX_DEPTH}"):
        desk.checkout(commit)


@pytest.mark.parametrize("destination", ["/etc/passwd", "../../outside", "../../../../../../etc", "loop/../../../x"])
def test_links_out_of_the_tree_are_refused(desk: Desk, destination: str) -> None:
    desk.alice.write("one/file.txt", "text")
    (desk.alice.folder / "one" / "link").symlink_to(destination)
    desk.checkout(desk.alice.commit())
    with pytest.raises(EscapingSymlink, match="one/link leads out of the repository") as raised:
        refuse_escaping_symlinks(desk.target)
    assert (raised.value.link, raised.value.destination) == ("one/link", destination)


def test_links_over_other_links_out_of_the_tree_are_refused(desk: Desk) -> None:
    desk.alice.write("a/file.txt", "text")
    (desk.alice.folder / "b").symlink_to("a/..")
    (desk.alice.folder / "c").symlink_to("b/../../outside")
    desk.checkout(desk.alice.commit())
    with pytest.raises(EscapingSymlink):
        refuse_escaping_symlinks(desk.target)


def test_links_within_the_tree_are_fine(desk: Desk) -> None:
    desk.alice.write("one/file.txt", "text")
    (desk.alice.folder / "link").symlink_to("one/file.txt")
    (desk.alice.folder / "one" / "up").symlink_to("..")
    (desk.alice.folder / "dangling").symlink_to("nothing")
    (desk.alice.folder / "loop").symlink_to("loop")
    desk.checkout(desk.alice.commit())
    refuse_escaping_symlinks(desk.target)
