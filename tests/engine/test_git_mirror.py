import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal import commands
from portal.commands import discard
from projects.git import GitError, Mirror, UrlPolicy
from tests.engine.git_server import Author, GitServer, serve

pytestmark = pytest.mark.engine

LOOPBACK = UrlPolicy(allow_private=True, allow_http=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "server").mkdir()
    with serve(tmp_path / "server") as running:
        yield running


@pytest.fixture
def alice(tmp_path: Path, server: GitServer) -> Author:
    return Author(tmp_path, server, "addons")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "git" / "p1", LOOPBACK)


def test_it_follows_new_forced_and_deleted_branches(server: GitServer, alice: Author, mirror: Mirror) -> None:
    first = alice.commit("First")
    alice.commit("Other", branch="feature/ä-🚀")
    mirror.fetch(server.url("addons"), timeout=30)
    assert set(mirror.heads()) == {"main", "feature/ä-🚀"}
    alice.git("push", "-q", "origin", ":feature/ä-🚀")
    alice.git("checkout", "-q", "--orphan", "again")
    forced = alice.commit("Forced")
    mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {"main": forced}
    assert mirror.commit(first).message == "First"


def test_a_branch_can_take_the_place_of_a_folder(server: GitServer, alice: Author, mirror: Mirror) -> None:
    alice.commit(branch="topic/one")
    mirror.fetch(server.url("addons"), timeout=30)
    alice.git("push", "-q", "origin", ":topic/one")
    alice.commit(branch="topic")
    mirror.fetch(server.url("addons"), timeout=30)
    assert set(mirror.heads()) == {"topic"}


@pytest.mark.parametrize(
    "branch", ["a;reboot", "$(reboot)", "`reboot`", "a'b\"c", "x" * 200, "🚀" * 50, "%2e", "--x/-y"]
)
def test_odd_branch_names_are_only_names(server: GitServer, alice: Author, mirror: Mirror, branch: str) -> None:
    sha = alice.commit(branch=branch)
    mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {branch: sha}


def test_it_reads_a_commit(server: GitServer, alice: Author, mirror: Mirror) -> None:
    sha = alice.commit("Fix the thing\n\nIt was <b>broken</b>.")
    mirror.fetch(server.url("addons"), timeout=30)
    commit = mirror.commit(sha)
    assert (commit.author_name, commit.author_email) == ("Alice Ärger", "alice@example.com")
    assert commit.message == "Fix the thing\n\nIt was <b>broken</b>."
    assert commit.committed_at == datetime(2026, 11, 21, 19, tzinfo=UTC)


@pytest.mark.parametrize("sha", ["0" * 40, "main", "--help", "HEAD", "0" * 39, "A" * 40])
def test_it_reads_no_commit_that_is_not_there(server: GitServer, alice: Author, mirror: Mirror, sha: str) -> None:
    alice.commit()
    mirror.fetch(server.url("addons"), timeout=30)
    with pytest.raises(GitError, match="not in the repository|is no commit"):
        mirror.commit(sha)


def test_the_token_opens_a_private_repository_and_is_shown_nowhere(
    server: GitServer, alice: Author, mirror: Mirror
) -> None:
    alice.commit()
    server.private.add("addons")
    output: list[str] = []
    with pytest.raises(GitError, match="wants a sign-in"):
        mirror.fetch(server.url("addons"), timeout=30)
    with pytest.raises(GitError, match="wants a sign-in") as raised:
        mirror.fetch(server.url("addons"), token="ghs_wrong", timeout=30, output=output.append)
    mirror.fetch(server.url("addons"), token=server.token, timeout=30, output=output.append)
    assert "main" in mirror.heads()
    assert "ghs_" not in "".join(output) + str(raised.value) + raised.value.output
    stored = b"".join(path.read_bytes() for path in mirror.path.rglob("*") if path.is_file())
    assert server.token.encode() not in stored


def test_the_token_is_in_no_argument_list(
    server: GitServer, alice: Author, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.commit()
    seen: list[str] = []

    def spy(argv: list[str], **options: object) -> object:
        seen.extend(argv)
        return commands.run(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("projects.git.program.run", spy)
    mirror.fetch(server.url("addons"), token="ghs_anything", timeout=30)
    assert "fetch" in seen
    assert not [argument for argument in seen if "ghs_" in argument or "Authorization" in argument]


@pytest.mark.parametrize(
    ("status", "text", "transient"),
    [(404, "no such repository", False), (503, "could not be reached", True), (301, "moved", False)],
)
def test_it_says_what_the_server_refused(
    server: GitServer, alice: Author, mirror: Mirror, status: int, text: str, transient: bool
) -> None:
    alice.commit()
    server.status["addons"] = status
    with pytest.raises(GitError, match=text) as raised:
        mirror.fetch(server.url("addons"), timeout=30)
    assert raised.value.transient is transient


def test_an_unreachable_server_is_worth_another_try(mirror: Mirror) -> None:
    with pytest.raises(GitError, match="could not be reached") as raised:
        mirror.fetch("http://127.0.0.1:1/addons.git", timeout=30)
    assert raised.value.transient


def test_a_failed_fetch_leaves_the_branches_as_they_were(server: GitServer, alice: Author, mirror: Mirror) -> None:
    sha = alice.commit()
    mirror.fetch(server.url("addons"), timeout=30)
    server.status["addons"] = 500
    with pytest.raises(GitError):
        mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {"main": sha}


def test_locks_and_pieces_of_a_killed_fetch_do_no_harm(server: GitServer, alice: Author, mirror: Mirror) -> None:
    alice.commit()
    mirror.fetch(server.url("addons"), timeout=30)
    sha = alice.commit("Second")
    for name in ("packed-refs.lock", "config.lock", "HEAD.lock", "shallow.lock", "refs/heads/main.lock"):
        (mirror.path / name).touch()
    (mirror.path / "objects" / "pack" / "tmp_pack_abc").write_bytes(b"half")
    mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {"main": sha}
    assert not list(mirror.path.rglob("tmp_pack_*"))


def test_it_recovers_from_kills_at_any_moment(server: GitServer, alice: Author, mirror: Mirror) -> None:
    for number in range(50):
        alice.write(f"file-{number}.txt", f"{number}" * 10_000)
    sha = alice.commit()
    program = (
        "import sys; from pathlib import Path; from projects.git import Mirror, UrlPolicy;"
        "Mirror(Path(sys.argv[1]), UrlPolicy(True, True)).fetch(sys.argv[2], timeout=30)"
    )
    for delay in (0.12, 0.14, 0.16, 0.18, 0.2, 0.25):
        victim = subprocess.Popen([sys.executable, "-c", program, str(mirror.path), server.url("addons")])
        time.sleep(delay)
        victim.kill()
        victim.wait()
    mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {"main": sha}


@pytest.mark.parametrize("harm", ["HEAD", "config", "objects", "refs"])
def test_a_half_made_or_damaged_mirror_is_made_anew(
    server: GitServer, alice: Author, mirror: Mirror, harm: str
) -> None:
    sha = alice.commit()
    mirror.fetch(server.url("addons"), timeout=30)
    broken = mirror.path / harm
    if broken.is_file():
        broken.write_text("[[[broken")
    else:
        broken.rename(mirror.path / "gone")
    mirror.fetch(server.url("addons"), timeout=30)
    assert mirror.heads() == {"main": sha}
    assert mirror.commit(sha).sha == sha


def test_damaged_objects_are_noticed_and_fetched_again(
    server: GitServer, alice: Author, mirror: Mirror, tmp_path: Path
) -> None:
    alice.write("file.txt", "content")
    sha = alice.commit()
    mirror.fetch(server.url("addons"), timeout=30)
    blob = alice.git("rev-parse", "HEAD:file.txt").strip()
    place = mirror.path / "objects" / blob[:2] / blob[2:]
    place.chmod(0o600)
    place.write_bytes(b"")
    with pytest.raises(GitError, match="damaged"):
        mirror.checkout(sha, tmp_path / "tree", url=server.url("addons"), timeout=30)
    mirror.fetch(server.url("addons"), timeout=30)
    mirror.checkout(sha, tmp_path / "tree", url=server.url("addons"), timeout=30)
    assert (tmp_path / "tree" / "file.txt").read_text() == "content"


def test_two_fetches_of_one_mirror_wait_for_each_other(server: GitServer, alice: Author, mirror: Mirror) -> None:
    sha = alice.commit()
    failures: list[Exception] = []

    def fetch() -> None:
        try:
            mirror.fetch(server.url("addons"), timeout=30)
        except GitError as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert mirror.heads() == {"main": sha}


def test_a_fetch_can_be_cancelled(server: GitServer, alice: Author, mirror: Mirror) -> None:
    alice.commit()

    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        mirror.fetch(server.url("addons"), timeout=30, keep_going=cancel)
    mirror.fetch(server.url("addons"), timeout=30)
    assert "main" in mirror.heads()


def test_it_gives_up_after_the_time_limit(mirror: Mirror) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(GitError, match="was still running after 1 s") as raised:
            mirror.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/addons.git", timeout=1)
    assert time.monotonic() - started < 10
    assert raised.value.transient


@pytest.mark.parametrize(
    "url", ["ext::sh -c reboot", "file:///etc", "/etc", "--upload-pack=reboot", "fd::17", "git://127.0.0.1/x"]
)
def test_it_fetches_from_no_forbidden_address(mirror: Mirror, url: str) -> None:
    with pytest.raises(GitError, match="can't be used"):
        mirror.fetch(url, timeout=30)
    assert not mirror.path.exists()


def test_the_configuration_of_the_machine_is_not_read(
    server: GitServer, alice: Author, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = alice.commit()
    (tmp_path / ".gitconfig").write_text(f'[url "file:///nowhere"]\n\tinsteadOf = {server.url("addons")}\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    mirror.fetch(server.url("addons"), timeout=30, output=discard)
    assert mirror.heads() == {"main": sha}
    assert os.environ["GIT_DIR"] == str(tmp_path)
