"""The GitHub stand-in: clone and push by a real Git, and what webhooks hear of it."""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from portal.commands import CommandError, run
from tests.fakehub.receiver import Receiver
from tests.fakehub.testing import FakeHub

pytestmark = pytest.mark.engine

NAME = "alice/addons"
ZERO = "0" * 40
GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    **{f"GIT_{role}_NAME": "Alice Archer" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "alice@example.com" for role in ("AUTHOR", "COMMITTER")},
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub.start(tmp_path / "hub") as hub:
        hub.create_repo(NAME, {"addon/__manifest__.py": "{}"})
        yield hub


@pytest.fixture
def receiver(hub: FakeHub) -> Iterator[Receiver]:
    with Receiver.start() as receiver:
        hook = {"config": {"url": receiver.url, "content_type": "json", "secret": "s3cret"}, "events": ["*"]}
        headers = {"Authorization": f"token {hub.token('alice')}"}
        made = requests.post(f"{hub.api_url}/repos/{NAME}/hooks", json=hook, headers=headers, timeout=10)
        assert made.status_code == 201
        hub.settle()
        receiver.received.clear()
        yield receiver


def git(folder: Path, *arguments: str) -> str:
    return run(["git", "-C", str(folder), *arguments], timeout=30, env=GIT_ENVIRONMENT).output.strip()


def clone(hub: FakeHub, folder: Path, login: str = "alice") -> Path:
    run(["git", "clone", "--quiet", hub.push_url(NAME, login), str(folder)], timeout=30, env=GIT_ENVIRONMENT)
    return folder


def change(folder: Path, name: str, text: str = "x\n") -> str:
    (folder / name).write_text(text)
    git(folder, "add", name)
    git(folder, "commit", "--quiet", "--message", f"Change {name}")
    return git(folder, "rev-parse", "HEAD")


def heard(hub: FakeHub, receiver: Receiver, event: str = "push") -> list[dict[str, Any]]:
    hub.settle()
    return [json.loads(each.body) for each in receiver.received if each.headers["x-github-event"] == event]


def test_a_push_arrives_and_is_told_with_its_commits(hub: FakeHub, receiver: Receiver, tmp_path: Path) -> None:
    before = hub.head(NAME)
    work = clone(hub, tmp_path / "work")
    first, second = change(work, "one.txt"), change(work, "two.txt")
    git(work, "push", "--quiet", "origin", "main")
    assert hub.head(NAME) == second
    (push,) = heard(hub, receiver)
    assert (push["ref"], push["before"], push["after"]) == ("refs/heads/main", before, second)
    assert (push["created"], push["deleted"], push["forced"]) == (False, False, False)
    assert [commit["id"] for commit in push["commits"]] == [first, second]
    assert push["head_commit"]["added"] == ["two.txt"]
    assert push["head_commit"]["author"]["username"] == "alice"
    assert push["pusher"]["name"] == "alice"


def test_deliveries_are_signed_and_say_what_they_are(hub: FakeHub, receiver: Receiver) -> None:
    hub.commit(NAME, files={"x": "1"})
    hub.settle()
    (received,) = receiver.received
    signature = hmac.new(b"s3cret", received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-hub-signature-256"] == f"sha256={signature}"
    assert received.headers["x-github-event"] == "push"
    assert len(received.headers["x-github-delivery"]) == 36
    assert received.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert received.headers["content-type"] == "application/json"


def test_a_new_branch_a_force_push_and_a_deletion_are_told_apart(
    hub: FakeHub, receiver: Receiver, tmp_path: Path
) -> None:
    work = clone(hub, tmp_path / "work")
    git(work, "checkout", "--quiet", "-b", "feature/x")
    first = change(work, "x.txt")
    git(work, "push", "--quiet", "origin", "feature/x")
    git(work, "commit", "--quiet", "--amend", "--message", "Otherwise")
    second = git(work, "rev-parse", "HEAD")
    git(work, "push", "--quiet", "--force", "origin", "feature/x")
    git(work, "push", "--quiet", "origin", "--delete", "feature/x")
    pushes = heard(hub, receiver)
    kinds = {(p["before"], p["after"]): (p["created"], p["forced"], p["deleted"]) for p in pushes}
    assert kinds == {
        (ZERO, first): (True, False, False),
        (first, second): (False, True, False),
        (second, ZERO): (False, False, True),
    }
    assert {push["ref"] for push in pushes} == {"refs/heads/feature/x"}
    assert [body["ref"] for body in heard(hub, receiver, "create")] == ["feature/x"]
    assert [body["ref"] for body in heard(hub, receiver, "delete")] == ["feature/x"]


def test_several_branches_of_one_push_are_told_one_by_one(hub: FakeHub, receiver: Receiver, tmp_path: Path) -> None:
    work = clone(hub, tmp_path / "work")
    names = [f"b{number}" for number in range(5)]
    git(work, "push", "--quiet", "origin", *(f"HEAD:refs/heads/{name}" for name in names))
    pushes = heard(hub, receiver)
    assert sorted(push["ref"] for push in pushes) == [f"refs/heads/{name}" for name in names]
    assert all(push["commits"] == [] and push["head_commit"]["id"] == hub.head(NAME) for push in pushes)


@pytest.mark.parametrize("name", ["a;b", "$(id)", "feature/x/y", "-lead", "w" * 200, "🚢/harbour", "100%", "a'b\"c"])
def test_it_takes_every_branch_name_that_git_takes(hub: FakeHub, receiver: Receiver, tmp_path: Path, name: str) -> None:
    git(clone(hub, tmp_path / "work"), "push", "--quiet", "origin", f"HEAD:refs/heads/{name}")
    tip = hub.commit(NAME, name, {"x": "1"})
    assert [push["ref"] for push in heard(hub, receiver)] == [f"refs/heads/{name}"] * 2
    answer = requests.get(f"{hub.api_url}/repos/{NAME}/branches/{quote(name)}", timeout=10)
    assert answer.json()["commit"]["sha"] == tip


def test_a_push_that_changes_nothing_is_not_told(hub: FakeHub, receiver: Receiver, tmp_path: Path) -> None:
    git(clone(hub, tmp_path / "work"), "push", "--quiet", "origin", "main")
    assert heard(hub, receiver) == []


def test_dropped_deliveries_leave_no_trace(hub: FakeHub, receiver: Receiver) -> None:
    with hub.drop_deliveries():
        hub.commit(NAME, files={"x": "1"})
    hub.commit(NAME, files={"x": "2"})
    assert len(heard(hub, receiver)) == 1
    assert len(hub.deliveries(NAME, "push")) == 1


def test_a_failed_delivery_is_recorded(hub: FakeHub, receiver: Receiver) -> None:
    receiver.code = 500
    hub.commit(NAME, files={"x": "1"})
    (delivery,) = hub.deliveries(NAME, "push")
    assert (delivery.status_code, delivery.redelivery) == (500, False)


def test_public_repositories_are_cloned_without_a_name(hub: FakeHub, tmp_path: Path) -> None:
    for number, address in enumerate([f"{hub.url}/{NAME}.git", f"{hub.url}/{NAME}"]):
        run(["git", "clone", "--quiet", address, str(tmp_path / str(number))], timeout=30, env=GIT_ENVIRONMENT)
        assert (tmp_path / str(number) / "addon" / "__manifest__.py").read_text() == "{}"


def test_it_refuses_a_push_by_somebody_without_the_right(hub: FakeHub, tmp_path: Path) -> None:
    work = clone(hub, tmp_path / "work", "oscar")
    change(work, "x.txt")
    with pytest.raises(CommandError, match="denied to oscar"):
        git(work, "push", "--quiet", "origin", "main")
    hub.allow(NAME, "oscar", "write")
    git(work, "push", "--quiet", "origin", "main")
    assert hub.head(NAME) == git(work, "rev-parse", "HEAD")


def test_it_hides_a_private_repository(hub: FakeHub, tmp_path: Path) -> None:
    hub.create_repo("alice/secret", {"x": "1"}, private=True)
    outsider = hub.push_url("alice/secret", "oscar")
    with pytest.raises(CommandError, match="not found"):
        run(["git", "ls-remote", outsider], timeout=30, env=GIT_ENVIRONMENT)
    with pytest.raises(CommandError, match="could not read Username"):
        run(["git", "ls-remote", f"{hub.url}/alice/secret.git"], timeout=30, env=GIT_ENVIRONMENT)
    assert "refs/heads/main" in run(["git", "ls-remote", hub.push_url("alice/secret")], timeout=30).output


def test_a_former_name_leads_to_the_renamed_repository(hub: FakeHub, receiver: Receiver, tmp_path: Path) -> None:
    work = clone(hub, tmp_path / "work")
    hub.rename(NAME, "renamed")
    tip = change(work, "x.txt")
    git(work, "push", "--quiet", "origin", "main")
    assert hub.head("alice/renamed") == tip
    hub.settle()
    bodies = [json.loads(each.body) for each in receiver.received]
    assert bodies[0]["changes"]["repository"]["name"]["from"] == "addons"
    assert bodies[1]["repository"]["full_name"] == "alice/renamed"


def test_nobodys_git_configuration_has_a_say(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Somebody Else\n[transfer]\n\thideRefs = refs/heads\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    hub.commit(NAME, files={"x": "1"}, author="tom")
    assert "refs/heads/main" in run(["git", "ls-remote", f"{hub.url}/{NAME}"], timeout=30, env=GIT_ENVIRONMENT).output


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with FakeHub.start(tmp_path) as hub, Receiver.start() as receiver:
        hub.create_repo(NAME, {"x": "1"})
        token, client, head = hub.token("alice"), hub.client_secret, hub.head(NAME)
        body = {"config": {"url": receiver.url, "content_type": "json"}}
        headers = {"Authorization": f"token {token}"}
        requests.post(f"{hub.api_url}/repos/{NAME}/hooks", json=body, headers=headers, timeout=10).raise_for_status()
        hub.settle()
    with FakeHub.start(tmp_path) as hub:
        assert (hub.token("alice"), hub.client_secret, hub.head(NAME)) == (token, client, head)
        assert [delivery.event for delivery in hub.deliveries(NAME)] == ["ping"]
