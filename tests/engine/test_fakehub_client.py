"""`projects.providers.github` and the GitHub stand-in, each against the other."""

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from projects.providers import (
    Forbidden,
    MergeConflict,
    NotFound,
    Provider,
    ProviderError,
    TokenRefused,
    Unreachable,
    ValidationFailed,
)
from projects.providers.github import GitHub, parse_push, verify_signature
from tests.fakehub import git
from tests.fakehub.receiver import Receiver
from tests.fakehub.testing import FakeHub

pytestmark = pytest.mark.engine

NAME = "alice/addons"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub.start(tmp_path) as hub:
        hub.create_repo(NAME, {"README.md": "Addons\n"})
        yield hub


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.start() as receiver:
        yield receiver


def speaking_as(hub: FakeHub, login: str) -> Provider:
    return GitHub(hub.token(login), hub.api_url)


@pytest.fixture
def alice(hub: FakeHub) -> Provider:
    return speaking_as(hub, "alice")


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def test_it_tells_whose_token_it_has(alice: Provider) -> None:
    account = alice.account()
    assert (account.login, account.name, account.email) == ("alice", "Alice Archer", "alice@example.com")


def test_it_lists_what_the_person_may_see(hub: FakeHub, alice: Provider) -> None:
    hub.create_repo("alice/secret", private=True)
    hub.create_repo("tom/shared", private=True)
    hub.create_repo("tom/closed", private=True)
    hub.allow("tom/shared", "alice", "read")
    assert {each.full_name for each in alice.repositories()} == {NAME, "alice/secret", "tom/shared"}


def test_it_lists_more_than_one_page(hub: FakeHub, alice: Provider) -> None:
    head = str(hub.head(NAME))
    with hub.core.changing(hub.repo(NAME), hub.core.owner(hub.repo(NAME))) as path:
        for number in range(120):
            git.move(path, f"refs/heads/branch-{number}", head)
    heads = alice.branches(NAME)
    assert len(heads) == 121
    assert {each.sha for each in heads} == {head}


def test_it_shows_a_repository(hub: FakeHub, alice: Provider) -> None:
    shown = alice.repository(NAME)
    assert (shown.full_name, shown.default_branch, shown.private) == (NAME, "main", False)
    assert shown.clone_url == f"{hub.url}/{NAME}.git"
    assert shown.provider_id == str(hub.repo(NAME).id)


def test_a_former_name_leads_to_the_renamed_repository(hub: FakeHub, alice: Provider) -> None:
    hub.rename(NAME, "renamed")
    assert alice.repository(NAME).full_name == "alice/renamed"
    assert [head.name for head in alice.branches(NAME)] == ["main"]


def test_a_renamed_and_transferred_repository_is_found_by_its_id_whoever_took_its_name(
    hub: FakeHub, alice: Provider
) -> None:
    there = alice.repository(NAME).provider_id
    hub.rename(NAME, "store")
    hub.create_repo(NAME, {"README.md": "Another\n"})
    assert alice.repository_by_id(there).full_name == "alice/store"
    assert alice.repository(NAME).provider_id != there
    repository = hub.repo("alice/store")
    hub.core.transfer(repository, hub.create_user("acme"), hub.core.owner(repository))
    found = alice.repository_by_id(there)
    assert (found.full_name, found.clone_url) == ("acme/store", f"{hub.url}/acme/store.git")
    hub.core.delete_repository(repository, hub.core.owner(repository))
    with pytest.raises(NotFound):
        alice.repository_by_id(there)


def test_what_may_not_be_seen_is_not_found(hub: FakeHub) -> None:
    hub.create_repo("alice/secret", private=True)
    for name in ("alice/secret", "alice/nothing"):
        with pytest.raises(NotFound, match=name):
            speaking_as(hub, "oscar").repository(name)


def test_it_tells_who_may_do_what(hub: FakeHub, alice: Provider) -> None:
    hub.allow(NAME, "dev", "write")
    assert [alice.permission(NAME, login) for login in ("alice", "dev", "oscar")] == ["admin", "write", "read"]
    with pytest.raises(NotFound):
        alice.permission(NAME, "nobody")


def test_a_new_repository_takes_its_first_file(hub: FakeHub, alice: Provider) -> None:
    made = alice.create_repository("starter", private=True, description="A start")
    assert made.private
    sha = alice.create_file(made.full_name, "addon/__manifest__.py", "{}\n", message="Begin", branch="main")
    assert hub.head("alice/starter") == sha
    with pytest.raises(ValidationFailed, match="already exists"):
        alice.create_repository("starter", private=True)


def test_it_merges_a_branch(hub: FakeHub, alice: Provider) -> None:
    hub.commit(NAME, "feature", {"feature.txt": "1"})
    merged = alice.merge(NAME, base="main", head="feature", message="Take the feature")
    assert merged == hub.head(NAME)
    assert alice.merge(NAME, base="main", head="feature", message="Again") is None


def test_it_reports_a_conflict_and_changes_nothing(hub: FakeHub, alice: Provider) -> None:
    hub.commit(NAME, "feature", {"README.md": "Feature\n"})
    before = hub.commit(NAME, "main", {"README.md": "Main\n"})
    with pytest.raises(MergeConflict, match="feature and main change the same lines"):
        alice.merge(NAME, base="main", head="feature", message="Take the feature")
    assert hub.head(NAME) == before


def test_a_webhook_is_installed_once(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    first = alice.ensure_webhook(NAME, receiver.url, "one")
    assert alice.ensure_webhook(NAME, receiver.url, "two") == first
    hub.commit(NAME, files={"x": "1"})
    hub.settle()
    pushes = [each for each in receiver.received if each.headers["x-github-event"] == "push"]
    assert len(pushes) == 1
    assert verify_signature(b"two", pushes[0].body, pushes[0].headers["x-hub-signature-256"])


def test_a_push_is_understood(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    alice.ensure_webhook(NAME, receiver.url, "s3cret")
    before = hub.head(NAME)
    after = hub.commit(NAME, files={"x": "1"}, message="Lend books", author="dev")
    hub.settle()
    push = parse_push(receiver.received[-1].body)
    assert (push.full_name, push.branch, push.before, push.after) == (NAME, "main", before, after)
    assert (push.commits, push.message, push.author, push.pusher) == (1, "Lend books", "Dev Deshpande", "dev")
    assert push.provider_id == alice.repository(NAME).provider_id


def test_the_webhooks_state_is_told(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    assert alice.webhook_state(NAME, receiver.url) is None
    webhook_id = alice.ensure_webhook(NAME, receiver.url, "s3cret")
    hub.settle()
    state = alice.webhook_state(NAME, receiver.url)
    assert state is not None
    assert (state.id, state.muted, state.last_code) == (webhook_id, False, 202)
    hub.core.store.update("hook", webhook_id, active=False)
    muted = alice.webhook_state(NAME, receiver.url)
    assert muted is not None
    assert muted.muted


def test_a_webhook_that_fails_works_again_after_it_was_tried(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    webhook_id = alice.ensure_webhook(NAME, receiver.url, "s3cret")
    receiver.code = 500
    hub.commit(NAME)
    hub.settle()
    failing = alice.webhook_state(NAME, receiver.url)
    assert failing
    assert failing.last_code == 500
    receiver.code = 202
    alice.ping_webhook(NAME, webhook_id)
    hub.settle()
    working = alice.webhook_state(NAME, receiver.url)
    assert working
    assert working.last_code == 202


def test_a_webhook_is_deleted_however_often(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    webhook_id = alice.ensure_webhook(NAME, receiver.url, "s3cret")
    alice.delete_webhook(NAME, webhook_id)
    alice.delete_webhook(NAME, webhook_id)
    assert alice.webhook_state(NAME, receiver.url) is None


def test_a_failed_delivery_is_found_and_delivered_again(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    webhook_id = alice.ensure_webhook(NAME, receiver.url, "s3cret")
    hub.settle()
    receiver.code = 503
    hub.commit(NAME, files={"x": "1"})
    hub.settle()
    (failed,) = [each for each in alice.deliveries(NAME, webhook_id, an_hour_ago()) if not each.arrived]
    assert (failed.event, failed.status_code) == ("push", 503)
    receiver.code = 202
    alice.redeliver(NAME, webhook_id, failed.id)
    hub.settle()
    again = {each.guid: each for each in alice.deliveries(NAME, webhook_id, an_hour_ago())}
    assert len(again) == 2
    assert again[failed.guid].arrived
    first, second = [each for each in receiver.received if each.headers["x-github-event"] == "push"]
    assert first.headers["x-github-delivery"] == second.headers["x-github-delivery"] == failed.guid
    assert first.body == second.body


def test_old_deliveries_are_not_listed(hub: FakeHub, alice: Provider, receiver: Receiver) -> None:
    webhook_id = alice.ensure_webhook(NAME, receiver.url, "s3cret")
    hub.settle()
    assert len(alice.deliveries(NAME, webhook_id, an_hour_ago())) == 1
    assert alice.deliveries(NAME, webhook_id, datetime.now(UTC) + timedelta(minutes=1)) == []


def test_a_commit_status_is_set_and_its_text_cut(hub: FakeHub, alice: Provider) -> None:
    sha = hub.commit(NAME, files={"x": "1"})
    context = "ci/berth (dev)"
    alice.set_commit_status(NAME, sha, "pending", context=context, description="Building", target_url=hub.url)
    alice.set_commit_status(NAME, sha, "success", context=context, description="x" * 200, target_url=hub.url)
    first, second = hub.statuses(NAME, sha)
    assert (first.state, first.description, first.target_url) == ("pending", "Building", hub.url)
    assert (second.state, second.context, len(second.description or "")) == ("success", context, 140)


def test_a_commit_that_is_not_there_gets_no_status(alice: Provider) -> None:
    with pytest.raises(ValidationFailed, match="No commit found"):
        alice.set_commit_status(NAME, "f" * 40, "error", context="c", description="d", target_url="")


def test_a_deploy_key_is_installed_once(hub: FakeHub, alice: Provider) -> None:
    assert alice.add_deploy_key(NAME, "berth", KEY) == alice.add_deploy_key(NAME, "berth", f"{KEY} berth@example")
    hub.create_repo("alice/other")
    with pytest.raises(ValidationFailed, match="already in use"):
        alice.add_deploy_key("alice/other", "berth", KEY)


def test_a_deploy_key_is_removed_however_often(hub: FakeHub, alice: Provider) -> None:
    key = alice.add_deploy_key(NAME, "Berth", KEY)
    alice.delete_deploy_key(NAME, key)
    alice.delete_deploy_key(NAME, key)
    assert alice.add_deploy_key(NAME, "Berth", KEY) != key


def test_it_tells_who_lacks_the_right(hub: FakeHub) -> None:
    oscar = speaking_as(hub, "oscar")
    with pytest.raises(Forbidden, match="doesn't carry that right"):
        oscar.set_commit_status(NAME, str(hub.head(NAME)), "success", context="c", description="d", target_url="")
    with pytest.raises(NotFound, match="install the webhook"):
        oscar.ensure_webhook(NAME, "http://127.0.0.1:1/", "s3cret")


def test_a_revoked_token_is_told(hub: FakeHub) -> None:
    token = hub.token("tom", "repo")
    hub.revoke(token)
    with pytest.raises(TokenRefused, match="sign in with GitHub again"):
        GitHub(token, hub.api_url).account()


@pytest.mark.parametrize("codes", [(502,), (503, 500)])
def test_it_tries_again_after_a_servers_error(hub: FakeHub, alice: Provider, codes: tuple[int, ...]) -> None:
    hub.answer_next(*codes)
    alice.set_commit_status(
        NAME, str(hub.head(NAME)), "success", context="c", description="d", target_url="http://127.0.0.1/"
    )
    assert len(hub.statuses(NAME, str(hub.head(NAME)))) == 1


def test_it_gives_up_in_time(hub: FakeHub, alice: Provider) -> None:
    hub.answer_next(*[502] * 20)
    started = datetime.now(UTC)
    with pytest.raises(Unreachable, match="a few minutes"):
        alice.account()
    assert datetime.now(UTC) - started < timedelta(seconds=15)


def test_what_may_have_been_done_is_not_tried_twice(hub: FakeHub, alice: Provider) -> None:
    hub.answer_next(502)
    with pytest.raises(Unreachable):
        alice.create_repository("starter", private=False)
    with pytest.raises(NotFound):
        alice.repository("alice/starter")


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that fails, and tells everything that it was told: the address of its API."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"message": f"You said {self.headers['Authorization']}"}).encode()
            self.send_response(418)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_token_is_in_no_error_and_no_log(echo: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    github = GitHub("ghp_verysecret", echo)
    with pytest.raises(ProviderError, match="You said") as caught:
        github.account()
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(github)
    assert "ghp_verysecret" not in told
