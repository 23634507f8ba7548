"""The GitHub stand-in as the demo runs it: a program with a seed, found again after a restart."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from portal.commands import run

pytestmark = pytest.mark.engine

PROJECT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def demo(root: Path, port: int, **environment: str) -> Iterator[dict[str, Any]]:
    """Run the program until it has said where its access file is; yields what is in it."""
    argv = [sys.executable, "-m", "tests.fakehub", "--port", str(port), "--root", str(root), "--seed", "demo"]
    process = subprocess.Popen(argv, cwd=PROJECT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            assert str(root / "access.json") in process.stdout.readline()
            yield json.loads((root / "access.json").read_text())
        finally:
            process.terminate()
            assert process.wait(timeout=10) in {0, -15}


def wait_until_it_answers(url: str) -> requests.Response:
    deadline = time.monotonic() + 10
    while True:
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_demos_repository_can_be_cloned_and_pushed_to(tmp_path: Path) -> None:
    with demo(tmp_path / "hub", free_port()) as access:
        wait_until_it_answers(access["url"])
        work = tmp_path / "work"
        run(["git", "clone", "--quiet", access["push_url"], str(work)], timeout=30)
        assert (work / "berth_hello" / "static" / "src" / "version.txt").read_text() == "version 1\n"
        assert (work / "berth_library" / "__manifest__.py").exists()
        (work / "berth_hello" / "static" / "src" / "version.txt").write_text("version 2\n")
        identity = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]
        run(["git", "-C", str(work), *identity, "commit", "--quiet", "--all", "--message", "Version 2"], timeout=30)
        run(["git", "-C", str(work), "push", "--quiet"], timeout=30)
        commits = requests.get(f"{access['api_url']}/repos/{access['repository']}/commits", timeout=5).json()
        assert [commit["commit"]["message"] for commit in commits] == ["Version 2", "Two small addons to begin with"]


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, port) as first:
        wait_until_it_answers(first["url"])
    with demo(tmp_path, port) as second:
        wait_until_it_answers(second["url"])
    assert first == second
    assert sorted(first["tokens"]) == ["alice", "dev", "oscar", "tom"]
    assert (tmp_path / "access.json").stat().st_mode & 0o777 == 0o600


def test_the_oauth_client_may_be_given(tmp_path: Path) -> None:
    given = {"BERTH_GITHUB_CLIENT_ID": "berth", "BERTH_GITHUB_CLIENT_SECRET": "s3cret"}
    with demo(tmp_path, free_port(), **given) as access:
        assert (access["client_id"], access["client_secret"]) == ("berth", "s3cret")


def test_every_page_says_what_it_is(tmp_path: Path) -> None:
    with demo(tmp_path, free_port()) as access:
        wait_until_it_answers(access["url"])
        repository = f"{access['url']}/{access['repository']}"
        head = requests.get(f"{access['api_url']}/repos/{access['repository']}/branches", timeout=5).json()[0]["commit"]
        commit = f"{repository}/commit/{head['sha']}"
        pages = {
            path: requests.get(path, timeout=5) for path in (access["url"], repository, commit, f"{repository}/no")
        }
        assert [page.status_code for page in pages.values()] == [200, 200, 200, 404]
        for page in pages.values():
            assert "It is not GitHub" in page.text
