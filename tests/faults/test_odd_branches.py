"""Branches with names that Git takes, many at once, pushed over, deleted."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.clone import Clone
from tests.faults.changes import change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults

NAMES = ("semi;colon", "$(touch${IFS}owned)", "feature/deep/er", "🦑-and-ümlaut", "x" * 200)
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture
def clone(installation: Installation) -> Iterator[Clone]:
    """A clone whose branches, but `main`, are deleted afterwards."""
    clone = installation.clone()
    yield clone
    clone.fetch()
    others = [name for name in clone.branches() if name != "main"]
    if others:
        clone.delete(*others)
    assert installation.settled() == []


def test_five_odd_branches_pushed_at_once_are_all_built(installation: Installation, clone: Clone) -> None:
    commits = {name: clone.commit({STATIC_FILE: f"{name}\n"}, f"On {name}", name) for name in NAMES}
    clone.send(*NAMES)
    builds = {name: installation.wait_for_build(sha) for name, sha in commits.items()}
    answers = {name: installation.answer(f"/{STATIC_FILE}", build) for name, build in builds.items()}
    hosts = [installation.hostname(build) for build in builds.values()]
    with Portal(installation) as portal:
        pages = {name: portal.build_page(build) for name, build in builds.items()}
    assert {name: build.result for name, build in builds.items()} == dict.fromkeys(NAMES, "success")
    assert {name: (answer.commit, answer.text) for name, answer in answers.items()} == {
        name: (sha, f"{name}\n") for name, sha in commits.items()
    }
    assert all(LABEL.fullmatch(host.removesuffix(".localhost")) for host in hosts)
    assert len(set(hosts)) == len(NAMES)
    assert [name for name, page in pages.items() if name not in page] == []
    assert not list(installation.home.rglob("owned"))


def test_a_deleted_branch_is_gone_and_its_name_can_be_used_again(installation: Installation, clone: Clone) -> None:
    first = clone.push({STATIC_FILE: "first\n"}, "First", "short-lived")
    assert installation.wait_for_build(first).result == "success"
    clone.delete("short-lived")
    wait_until_deleted(installation, "short-lived")
    with Portal(installation) as portal:
        assert "short-lived" not in portal.page(f"/{installation.demo()['project']}/builds/")
    second = clone.push({STATIC_FILE: "second\n"}, "Second", "short-lived")
    assert installation.wait_for_build(second).result == "success"


def wait_until_deleted(installation: Installation, name: str, timeout: float = 300) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if installation.query("SELECT id FROM projects_branch WHERE name = %s AND deleted_at IS NOT NULL", name):
            return
        time.sleep(0.5)
    raise TimeoutError(f"{name} was not deleted within {timeout:.0f} s")


def test_a_branch_deleted_while_it_builds_ends_and_leaves_nothing(installation: Installation, clone: Clone) -> None:
    sha = clone.push({STATIC_FILE: "gone soon\n"}, "Gone soon", "gone-soon")
    installation.wait_for(sha, lambda build: build.state == "running")
    clone.delete("gone-soon")
    assert installation.wait_for_build(sha).state == "done"
    after = change_static_file(installation)
    assert installation.wait_for_build(after).result == "success"


def test_a_force_push_of_another_history_is_built(installation: Installation, clone: Clone) -> None:
    first = clone.push({STATIC_FILE: "before\n"}, "Before", "rewritten")
    assert installation.wait_for_build(first).result == "success"
    root = clone.commit_root({STATIC_FILE: "after\n"}, "Another beginning", "rewritten")
    clone.send("rewritten", force=True)
    build = installation.wait_for_build(root)
    assert build.result == "success", build
    assert installation.answer(f"/{STATIC_FILE}", build).text == "after\n"


def test_pushes_to_a_branch_that_builds_are_coalesced_to_the_newest(installation: Installation, clone: Clone) -> None:
    commits = []
    for number in range(4):
        commits.append(clone.push({STATIC_FILE: f"push {number}\n"}, f"Push {number}", "busy"))
        if number == 0:
            installation.wait_for(commits[0], lambda build: build.state == "running")
    last = installation.wait_for_build(commits[3])
    between = [installation.wait_for_build(sha) for sha in commits[1:3]]
    assert installation.wait_for_build(commits[0]).result == "success"
    assert [(build.result, build.verdict) for build in between] == [
        ("cancelled", "Skipped: a newer commit came before this one began")
    ] * 2
    assert last.result == "success", last
    assert installation.answer(f"/{STATIC_FILE}", last).text == "push 3\n"


def test_a_name_that_git_takes_and_berth_does_not_is_left_alone(installation: Installation, clone: Clone) -> None:
    sha = clone.commit({STATIC_FILE: "an option\n"}, "An option", "-rf")
    clone.send("-rf")
    after = change_static_file(installation)
    assert installation.wait_for_build(after).result == "success"
    assert installation.builds(sha) == []
