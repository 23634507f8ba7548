"""The webhook's address: what isn't signed is nobody's, and each delivery is looked into once."""

import hashlib
import hmac
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from builds import deliveries
from builds.models import Build, Delivery
from portal import clock
from projects.models import Project, Stage
from tests import cast

pytestmark = pytest.mark.django_db

SHA = "b" * 40


@pytest.fixture
def project(people: SimpleNamespace) -> Project:
    project = cast.project("shop", people, provider_id="7")
    cast.branch(project, "main", Stage.PRODUCTION, head="a" * 40)
    return project


def body(**changes: Any) -> bytes:
    event = {
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": SHA,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": [],
        "head_commit": {"message": "Lend books", "author": {"name": "Dev"}},
        "repository": {"id": 7, "full_name": "acme/shop"},
        "pusher": {"name": "dev"},
    }
    return json.dumps(event | changes).encode()


def send(client: Client, project: Project, content: bytes, **headers: str) -> Any:
    signature = hmac.new(project.webhook_secret.encode(), content, hashlib.sha256).hexdigest()
    complete = {
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-GitHub-Delivery": "one",
        "X-GitHub-Event": "push",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/hooks/{project.pk}/", content, content_type="application/json", headers=complete)


def test_what_old_ones_said_goes_and_none_is_taken_again(client: Client, project: Project) -> None:
    send(client, project, body())
    Delivery.objects.create(project=project, guid="two", event="push", body=b"{}")  # not looked into yet
    with clock.moved(deliveries.KEPT + timedelta(hours=1)):
        deliveries.forget()
    assert {each.guid: bytes(each.body) for each in Delivery.objects.all()} == {"one": b"", "two": b"{}"}
    assert json.loads(send(client, project, body()).content) == {"delivery": "one", "new": False}


def test_a_push_is_stored_and_built(client: Client, project: Project) -> None:
    response: HttpResponse = send(client, project, body())
    assert (response.status_code, json.loads(response.content)) == (202, {"delivery": "one", "new": True})
    assert bytes(Delivery.objects.get().body) == body()
    assert Delivery.objects.get().outcome == "build 1"
    assert Build.objects.get().commit == SHA


def test_the_same_delivery_is_looked_into_once(client: Client, project: Project) -> None:
    news = [send(client, project, body()).json()["new"] for _ in range(3)]
    assert news == [True, False, False]
    assert Build.objects.count() == 1


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=00", "sha256=" + "0" * 64])
def test_what_is_not_signed_is_not_stored(client: Client, project: Project, signature: str) -> None:
    assert send(client, project, body(), X_Hub_Signature_256=signature).status_code == 401
    assert not Delivery.objects.exists()


def test_a_project_without_a_secret_signs_nothing(client: Client, project: Project) -> None:
    Project.objects.update(webhook_secret="")
    project.webhook_secret = ""
    assert send(client, project, body()).status_code == 401


def test_a_project_that_is_not_there_answers_like_a_bad_signature(client: Client, project: Project) -> None:
    project.pk = 999
    assert send(client, project, body()).status_code == 401


@pytest.mark.parametrize("guid", ["", "x" * 65])
def test_a_delivery_needs_its_number(client: Client, project: Project, guid: str) -> None:
    assert send(client, project, body(), X_GitHub_Delivery=guid).status_code == 400
    assert not Delivery.objects.exists()


def test_no_more_is_read_than_github_sends(client: Client, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it says that it is."""
    monkeypatch.setattr(deliveries, "LIMIT", len(body()) - 1)
    assert send(client, project, body()).status_code == 413
    assert send(client, project, body(), Content_Length="1").status_code in {400, 401, 413}
    assert not Delivery.objects.exists()


def test_only_post_is_answered(client: Client, project: Project) -> None:
    assert client.get(f"/hooks/{project.pk}/").status_code == 405


def test_what_breaks_us_is_acknowledged_and_kept_for_later(
    client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_delivery: Delivery) -> str:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(deliveries, "_act", broken)
    assert send(client, project, body()).status_code == 202
    assert Delivery.objects.get().outcome == ""


@pytest.mark.parametrize(
    ("event", "content", "outcome"),
    [
        ("ping", b"{}", "the webhook works"),
        ("issues", b"{}", "not of interest: issues"),
        ("push", b"[]", "refused: "),
        ("push", body(ref="refs/tags/v1"), "not a branch"),
        ("push", body(ref="refs/heads/-rf"), "refused: "),
        ("push", body(head_commit={"message": "m", "author": {"name": "Å" * 500}}), "build 1"),
    ],
)
def test_each_delivery_has_its_outcome(
    client: Client, project: Project, event: str, content: bytes, outcome: str
) -> None:
    assert send(client, project, content, X_GitHub_Event=event).status_code == 202
    assert Delivery.objects.get().outcome.startswith(outcome)


@pytest.mark.parametrize("action", ["renamed", "transferred", "deleted", "edited"])
def test_what_becomes_of_the_repository_is_asked_at_once(
    client: Client,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    action: str,
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(deliveries, "async_task", lambda *told, **_options: asked.append(told))
    with django_capture_on_commit_callbacks(execute=True):
        send(client, project, json.dumps({"action": action}).encode(), X_GitHub_Event="repository")
    assert asked == [("builds.rounds.ask", project.pk)]
    assert Delivery.objects.get().outcome == "GitHub is asked what became of the repository"
