"""A project's deploy keys and webhooks by the API: the same as on their pages."""

import json
import socket
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from portal.models import AuditEntry
from projects import outgoing
from projects.models import DeployKey, Hook, HookDelivery, Project, Stage
from projects.providers import Forbidden
from tests import cast
from tests.apis import Caller
from tests.unit.fakes import World
from tests.unit.fakes.github import FakeGitHub

URL = "git@github.com:acme/lib.git"
KEYS, HOOKS = "projects/demo/deploy-keys/", "projects/demo/webhooks/"
ADDRESS = "https://hooks.example/berth"


def look_up(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
    ip = "10.0.0.5" if host == "inside.example" else "140.82.121.4"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(outgoing, "async_task", lambda *_told, **_options: None)
    settings.BERTH_GIT_ALLOW_PRIVATE = settings.BERTH_WEBHOOKS_ALLOW_PRIVATE = False
    settings.BERTH_GITHUB_URL = "https://github.com"


@pytest.fixture
def project(people: SimpleNamespace, world: World) -> Project:
    world.repository = "acme/lib"
    people.alice.github_token = "gho_alice"
    people.alice.save()
    return cast.project("demo", people)


@pytest.fixture
def alice(people: SimpleNamespace, project: Project) -> Caller:
    return Caller(people.alice)


# --- deploy keys ------------------------------------------------------------------------------------------------------
def test_a_key_is_made_whose_private_half_is_in_no_answer(alice: Caller) -> None:
    answer = alice.send("post", KEYS, {"url": URL}, Idempotency_Key="k1")

    key = DeployKey.objects.get()
    assert answer.status_code == 201
    assert (answer.json()["public"], answer.json()["installed"]) == (key.public, False)
    for each in (answer, alice.send("get", KEYS), alice.send("get", f"{KEYS}{key.pk}/")):
        assert "PRIVATE" not in each.content.decode()
        assert "private" not in each.content.decode()


def test_it_is_installed_rotated_and_removed_at_the_provider(alice: Caller, world: World) -> None:
    number = alice.send("post", KEYS, {"url": URL}).json()["id"]
    first = DeployKey.objects.get().public

    assert alice.send("post", f"{KEYS}{number}/install/").json()["key"]["installed"]
    assert world.deploy_keys == [first]
    rotated = alice.send("post", f"{KEYS}{number}/rotate/").json()
    assert (rotated["left"], rotated["key"]["stale"]) == ("", False)
    assert world.deploy_keys == ["", DeployKey.objects.get().public]
    assert alice.send("delete", f"{KEYS}{number}/").json() == {"left": ""}
    assert set(world.deploy_keys) == {""}
    assert not DeployKey.objects.exists()


def test_what_the_provider_refuses_is_left_to_do_and_the_new_key_stays(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise Forbidden("GitHub did not do it.")

    number = alice.send("post", KEYS, {"url": URL}).json()["id"]
    alice.send("post", f"{KEYS}{number}/install/")
    before = DeployKey.objects.get().public
    monkeypatch.setattr(FakeGitHub, "delete_deploy_key", refuse)

    rotated = alice.send("post", f"{KEYS}{number}/rotate/", Idempotency_Key="k2").json()

    assert "could not be removed there" in rotated["left"]
    assert (rotated["key"]["installed"], rotated["key"]["stale"]) == (True, True)
    assert DeployKey.objects.get().public == rotated["key"]["public"] != before
    assert "by hand" in alice.send("delete", f"{KEYS}{number}/").json()["left"]


@pytest.mark.parametrize("url", ["ext::sh", "https://github.com/acme/lib.git", "git@inside.example:acme/lib.git"])
def test_an_address_that_no_key_can_be_for_is_refused(url: str, alice: Caller) -> None:
    assert alice.send("post", KEYS, {"url": url}).status_code == 409
    assert not DeployKey.objects.exists()


# --- webhooks ---------------------------------------------------------------------------------------------------------
def test_the_secret_is_shown_once(alice: Caller) -> None:
    body = {"url": ADDRESS, "events": ["deploy.failed", "deploy.done"]}

    answers = [alice.send("post", HOOKS, body, Idempotency_Key="h1") for _turn in range(2)]

    hook = Hook.objects.get()
    assert [each.json()["secret"] for each in answers] == [hook.secret, None]
    assert "secret" not in alice.send("get", f"{HOOKS}{hook.pk}/").json()
    renewed = alice.send("post", f"{HOOKS}{hook.pk}/secret/").json()["secret"]
    assert renewed != hook.secret
    hook.refresh_from_db()
    assert renewed == hook.secret


def test_a_webhook_changes_and_what_is_not_named_stays(alice: Caller) -> None:
    number = alice.send("post", HOOKS, {"url": ADDRESS, "events": ["deploy.done"]}).json()["id"]

    changed = alice.send("patch", f"{HOOKS}{number}/", {"events": ["backup.failed"]}).json()

    assert (changed["url"], changed["events"], changed["active"]) == (ADDRESS, ["backup.failed"], True)
    assert AuditEntry.objects.filter(verb="change webhook", after__events=["backup.failed"]).exists()
    assert alice.send("delete", f"{HOOKS}{number}/").status_code == 204
    assert not Hook.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://inside.example/", "events": ["deploy.done"]}, 409),
        ({"url": "ftp://hooks.example/", "events": ["deploy.done"]}, 409),
        ({"url": ADDRESS, "events": []}, 400),
        ({"url": ADDRESS, "events": ["moon"]}, 400),
        ({"url": ADDRESS, "events": "deploy.done"}, 400),
        ({"url": ADDRESS}, 400),
    ],
)
def test_one_that_could_hear_nothing_is_refused(body: dict[str, object], code: int, alice: Caller) -> None:
    assert alice.send("post", HOOKS, body).status_code == code
    assert not Hook.objects.exists()


def test_one_whose_host_is_gone_can_still_be_switched_off(alice: Caller, project: Project) -> None:
    hook = Hook.objects.create(project=project, url="https://inside.example/", events=["deploy.done"])

    assert alice.send("patch", f"{HOOKS}{hook.pk}/", {"active": False}).status_code == 200
    assert alice.send("patch", f"{HOOKS}{hook.pk}/", {"active": True}).status_code == 409
    hook.refresh_from_db()
    assert not hook.active


def test_what_was_sent_is_read_and_sent_once_more(alice: Caller) -> None:
    number = alice.send("post", HOOKS, {"url": ADDRESS, "events": ["deploy.done"]}).json()["id"]
    tried = alice.send("post", f"{HOOKS}{number}/try/")
    assert (tried.status_code, tried.json()["state"]) == (202, "waiting")
    HookDelivery.objects.update(state="delivered", request_headers={"X-Berth-Event": "ping"}, code=204)
    path = f"{HOOKS}{number}/deliveries/"

    one = alice.send("get", f"{path}{tried.json()['id']}/").json()
    again = alice.send("post", f"{path}{tried.json()['id']}/again/")

    assert (one["code"], one["request_headers"]) == (204, {"X-Berth-Event": "ping"})
    assert json.loads(one["body"])["event"] == "ping"
    assert (again.status_code, again.json()["asked_by"]) == (202, "alice")
    assert again.json()["guid"] != one["guid"]
    assert len(alice.send("get", path).json()["results"]) == 2


# --- the repository ---------------------------------------------------------------------------------------------------
def test_an_account_is_lent_and_the_webhook_mended(alice: Caller, world: World, project: Project) -> None:
    path = "projects/demo/github/"
    Project.objects.update(webhook_error="It is gone.", provider_id="id-shop")
    cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    before = alice.send("get", path).json()
    assert (before["account"], before["webhook_error"]) == (None, "It is gone.")
    assert alice.send("post", f"{path}webhook/").status_code == 409  # by nobody's account

    assert alice.send("post", f"{path}account/").json()["then"] == "The project uses your GitHub account now."
    assert "in order" in alice.send("post", f"{path}webhook/").json()["then"]
    assert "has the status" in alice.send("post", f"{path}statuses/").json()["then"]

    shown = alice.send("get", path)
    assert (shown.json()["account"], shown.json()["webhook_error"]) == ("alice", "")
    assert "gho_alice" not in shown.content.decode()
    assert world.statuses == [("a" * 40, "success")]
