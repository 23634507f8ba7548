"""The GitHub stand-in against what GitHub published: an OpenAPI description, webhook schemas, recorded webhooks."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.fakehub import api_accounts, api_repositories
from tests.fakehub.app import UNDER_A_REPOSITORY
from tests.fakehub.published import description, recorded_webhooks, webhook_problems
from tests.fakehub.receiver import Receiver
from tests.fakehub.store import Delivery, Hook
from tests.fakehub.testing import FakeHub

pytestmark = pytest.mark.engine

REPO = "/repos/{owner}/{repo}"
EVENTS = {"ping", "push", "create", "delete", "repository"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@dataclass(frozen=True)
class Answer:
    method: str
    template: str
    status: int
    body: Any


@dataclass
class Tour:
    """Calls the stand-in and notes each answer with the path as GitHub's description writes it."""

    hub: FakeHub
    answers: list[Answer] = field(default_factory=list)

    def __call__(
        self, method: str, template: str, status: int, body: object = None, token: str | None = "", **names: object
    ) -> Any:
        names = {"owner": "alice", "repo": "addons", **names}
        path = re.sub(r"{(\w+)}", lambda match: str(names[match[1]]), template)
        token = self.hub.token("alice") if token == "" else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        got = requests.request(method, self.hub.api_url + path, json=body, headers=headers, timeout=10)
        assert got.status_code == status, (method, path, got.status_code, got.text)
        answer = Answer(method, template, status, got.json() if got.content else None)
        self.answers.append(answer)
        return answer.body


def visit_accounts(tour: Tour) -> None:
    tour("GET", "/user", 200)
    tour("GET", "/user", 401, token=None)
    tour("GET", "/user", 401, token="made-up")
    tour("GET", "/user/emails", 200)
    tour("GET", "/user/emails", 404, token=tour.hub.token("tom", "public_repo"))
    tour("GET", "/users/{username}", 200, username="tom")
    tour("GET", "/users/{username}", 404, username="nobody")


def visit_repositories(tour: Tour) -> None:
    tour("POST", "/user/repos", 201, {"name": "addons", "description": "Ours", "auto_init": True})
    tour("POST", "/user/repos", 422, {"name": "addons"})
    tour("POST", "/user/repos", 422, {"name": "not a name"})
    tour("POST", "/user/repos", 201, {"name": "secret", "private": True})
    tour("GET", "/user/repos", 200)
    tour("GET", REPO, 200)
    tour("GET", REPO, 404, repo="secret", token=tour.hub.token("oscar"))
    tour("PATCH", REPO, 200, {"description": "Ours alone"})
    tour("PATCH", REPO, 403, {"description": "Mine"}, token=tour.hub.token("oscar"))
    tour("PATCH", REPO, 422, {"default_branch": "nowhere"})
    tour("POST", "/user/repos", 201, {"name": "going"})
    tour("POST", f"{REPO}/transfer", 202, {"new_owner": "tom"}, repo="going")
    tour("DELETE", REPO, 204, owner="tom", repo="going", token=tour.hub.token("tom"))


def visit_collaborators(tour: Tour) -> None:
    one = f"{REPO}/collaborators/{{username}}"
    tour("PUT", one, 204, {"permission": "push"}, username="dev")
    tour("GET", f"{REPO}/collaborators", 200)
    tour("GET", one, 204, username="dev")
    tour("GET", one, 404, username="oscar")
    tour("GET", f"{one}/permission", 200, username="dev")
    tour("GET", f"{one}/permission", 404, username="nobody")
    tour("DELETE", one, 204, username="dev")


def visit_keys(tour: Tour) -> None:
    made = tour("POST", f"{REPO}/keys", 201, {"title": "berth", "key": KEY, "read_only": True})
    tour("POST", f"{REPO}/keys", 422, {"title": "berth", "key": KEY})
    tour("POST", f"{REPO}/keys", 422, {"title": "berth", "key": "not a key"})
    tour("GET", f"{REPO}/keys", 200)
    tour("GET", f"{REPO}/keys/{{key_id}}", 200, key_id=made["id"])
    tour("DELETE", f"{REPO}/keys/{{key_id}}", 204, key_id=made["id"])
    tour("GET", f"{REPO}/keys/{{key_id}}", 404, key_id=made["id"])


def visit_hooks(tour: Tour, receiver: Receiver) -> None:
    one = f"{REPO}/hooks/{{hook_id}}"
    config = {"url": receiver.url, "content_type": "json", "secret": "s3cret"}
    wanted = {"name": "web", "config": config, "events": ["push", "create", "delete", "repository"]}
    hook = tour("POST", f"{REPO}/hooks", 201, wanted)["id"]
    tour("POST", f"{REPO}/hooks", 422, wanted)
    tour("POST", f"{REPO}/hooks", 422, {"config": {"url": "not an address"}})
    tour("POST", f"{REPO}/hooks", 404, wanted, token=tour.hub.token("oscar"))
    tour("PATCH", one, 200, {"active": True, "config": config}, hook_id=hook)
    tour("POST", f"{one}/pings", 204, hook_id=hook)
    tour("POST", f"{one}/tests", 204, hook_id=hook)
    tour.hub.settle()
    tour("GET", f"{REPO}/hooks", 200)
    tour("GET", one, 200, hook_id=hook)
    delivered = tour("GET", f"{one}/deliveries", 200, hook_id=hook)
    names = {"hook_id": hook, "delivery_id": delivered[0]["id"]}
    tour("GET", f"{one}/deliveries/{{delivery_id}}", 200, **names)
    tour("GET", f"{one}/deliveries/{{delivery_id}}", 404, hook_id=hook, delivery_id=10**6)
    tour("POST", f"{one}/deliveries/{{delivery_id}}/attempts", 202, **names)
    made = tour("POST", f"{REPO}/hooks", 201, {"config": {"url": "http://127.0.0.1:1/"}, "active": False})
    tour("DELETE", one, 204, hook_id=made["id"])
    tour("GET", one, 404, hook_id=made["id"])


def visit_files(tour: Tour) -> None:
    contents, text = f"{REPO}/contents/{{path}}", base64.b64encode(b"one\n").decode()
    made = tour("PUT", contents, 201, {"message": "Add", "content": text}, path="a/b.txt")
    tour("PUT", contents, 422, {"message": "Again", "content": text}, path="a/b.txt")
    tour("PUT", contents, 409, {"message": "Again", "content": text, "sha": "0" * 40}, path="a/b.txt")
    again = {"message": "Change", "content": base64.b64encode(b"two\n").decode(), "sha": made["content"]["sha"]}
    changed = tour("PUT", contents, 200, again, path="a/b.txt")
    tour("GET", contents, 200, path="a/b.txt")
    tour("GET", contents, 200, path="a")
    tour("GET", contents, 200, path="")
    tour("GET", contents, 404, path="nothing")
    tour("DELETE", contents, 200, {"message": "Remove", "sha": changed["content"]["sha"]}, path="a/b.txt")


def visit_branches(tour: Tour) -> None:
    head = tour("GET", f"{REPO}/branches", 200)[0]["commit"]["sha"]
    tour("POST", f"{REPO}/git/refs", 201, {"ref": "refs/heads/feature/x", "sha": head})
    tour("POST", f"{REPO}/git/refs", 422, {"ref": "refs/heads/feature/x", "sha": head})
    tour("POST", f"{REPO}/git/refs", 422, {"ref": "refs/heads/..", "sha": head})
    tour("GET", f"{REPO}/git/ref/{{ref}}", 200, ref="heads/feature/x")
    tour("GET", f"{REPO}/git/ref/{{ref}}", 404, ref="heads/none")
    tour("GET", f"{REPO}/branches/{{branch}}", 200, branch="feature/x")
    tour("GET", f"{REPO}/branches/{{branch}}", 404, branch="none")
    tip = tour.hub.commit("alice/addons", "feature/x", {"x": "1"})
    tour("POST", f"{REPO}/merges", 201, {"base": "main", "head": "feature/x"})
    tour("POST", f"{REPO}/merges", 204, {"base": "main", "head": "feature/x"})
    tour("POST", f"{REPO}/merges", 404, {"base": "main", "head": "none"})
    tour.hub.commit("alice/addons", "feature/x", {"x": "2"})
    tour.hub.commit("alice/addons", "main", {"x": "3"})
    tour("POST", f"{REPO}/merges", 409, {"base": "main", "head": "feature/x"})
    tour("GET", f"{REPO}/compare/{{basehead}}", 200, basehead="main...feature/x")
    tour("GET", f"{REPO}/compare/{{basehead}}", 404, basehead="main...none")
    tour("PATCH", f"{REPO}/git/refs/{{ref}}", 422, {"sha": tip}, ref="heads/feature/x")
    tour("PATCH", f"{REPO}/git/refs/{{ref}}", 200, {"sha": tip, "force": True}, ref="heads/feature/x")
    tour("DELETE", f"{REPO}/git/refs/{{ref}}", 204, ref="heads/feature/x")
    tour("DELETE", f"{REPO}/git/refs/{{ref}}", 422, ref="heads/feature/x")


def visit_commits(tour: Tour) -> None:
    head = tour("GET", f"{REPO}/commits", 200)[0]["sha"]
    tour("GET", f"{REPO}/commits", 409, repo="secret")
    tour("GET", f"{REPO}/commits/{{ref}}", 200, ref="main")
    tour("GET", f"{REPO}/commits/{{ref}}", 422, ref="none")
    tour("GET", f"{REPO}/commits/{{ref}}/status", 200, ref=head)
    body = {"state": "success", "context": "ci/berth (dev)", "target_url": "http://127.0.0.1/", "description": "Fine"}
    tour("POST", f"{REPO}/statuses/{{sha}}", 201, body, sha=head)
    tour("POST", f"{REPO}/statuses/{{sha}}", 422, {"state": "splendid"}, sha=head)
    tour("POST", f"{REPO}/statuses/{{sha}}", 403, body, sha=head, token=tour.hub.token("oscar"))
    tour("GET", f"{REPO}/commits/{{ref}}/status", 200, ref="main")
    tour("GET", f"{REPO}/commits/{{ref}}/statuses", 200, ref="main")


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    with Receiver.start() as receiver, FakeHub.start(tmp_path_factory.mktemp("fakehub")) as hub:
        tour = Tour(hub)
        visit_accounts(tour)
        visit_repositories(tour)
        visit_collaborators(tour)
        visit_keys(tour)
        visit_hooks(tour, receiver)
        visit_files(tour)
        visit_branches(tour)
        visit_commits(tour)
        hub.rename("alice/addons", "renamed")
        yield tour


@pytest.fixture(scope="module")
def deliveries(tour: Tour) -> list[Delivery]:
    tour.hub.settle()
    (hook,) = tour.hub.core.store.select(Hook)
    return tour.hub.core.store.select(Delivery, "hook_id = ? order by id", hook.id)


@pytest.mark.parametrize("published", ["api.github.com", "ghes-3.19"])
def test_every_answer_fits_githubs_description(tour: Tour, published: str) -> None:
    problems = [
        problem
        for answer in tour.answers
        for problem in description(published).problems(answer.method, answer.template, answer.status, answer.body)
    ]
    assert not problems, "\n".join(problems)


def test_the_tour_visits_every_address(tour: Tour) -> None:
    plain = [(a.method, a.path) for a in [*api_accounts.ADDRESSES, *api_repositories.ADDRESSES]]
    below = [(a.method, REPO + a.path) for a in UNDER_A_REPOSITORY]
    served = {(method, re.sub(r"{[^}]*}", "{}", path)) for method, path in plain + below}
    visited = {(a.method, re.sub(r"{[^}]*}", "{}", a.template)) for a in tour.answers}
    assert served - visited - {("GET", "/repos/{}/{}/contents")} == set()


def test_every_webhook_fits_githubs_schemas(deliveries: list[Delivery]) -> None:
    problems = [
        f"{row.event}{problem}"
        for row in deliveries
        for problem in webhook_problems(row.event, json.loads(row.request_body))
    ]
    assert not problems, "\n".join(problems)
    assert {row.event for row in deliveries} == EVENTS


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_webhooks_are_shaped_like_recorded_ones(deliveries: list[Delivery], event: str) -> None:
    """They hold what every recorded one of that event holds, of a type that a recorded one has there."""
    bodies = [json.loads(row.request_body) for row in deliveries if row.event == event]
    actions = {body.get("action") for body in bodies}
    recorded = [_types(_of_a_person(body)) for body in recorded_webhooks(event) if body.get("action") in actions]
    always = set.intersection(*(set(types) for types in recorded if "repository" in types))
    assert bodies
    for types in map(_types, bodies):
        for path in always:
            known = {each[path] for each in recorded if path in each}
            assert _type_at(path, types) in {*known, "NoneType"} or known == {"NoneType"}, (event, path)


def _of_a_person(body: dict[str, Any]) -> dict[str, Any]:
    """Without what only organizations and apps are told."""
    return {name: value for name, value in body.items() if name not in {"organization", "installation"}}


def _types(body: dict[str, Any], path: str = "") -> dict[str, str]:
    """Dotted path -> type of every member of a body; lists are not looked into."""
    found: dict[str, str] = {}
    for name, value in body.items():
        found[path + name] = type(value).__name__
        if isinstance(value, dict):
            found |= _types(value, f"{path}{name}.")
    return found


def _type_at(path: str, types: dict[str, str]) -> str:
    """The type at a path; NoneType also where a member on the way to it is null; else `missing`."""
    parents = [path.rsplit(".", count)[0] for count in range(1, path.count(".") + 1)]
    return types.get(path) or ("NoneType" if "NoneType" in map(types.get, parents) else "missing")


def test_a_wrong_answer_would_be_noticed(tour: Tour) -> None:
    answer = next(answer for answer in tour.answers if answer.template == REPO and answer.status == 200)
    without_id = {name: value for name, value in answer.body.items() if name != "id"}
    assert description("ghes-3.19").problems("GET", REPO, 200, {**answer.body, "private": "no"})
    assert description("ghes-3.19").problems("GET", REPO, 200, without_id)


def test_a_wrong_webhook_would_be_noticed(deliveries: list[Delivery]) -> None:
    body = json.loads(next(row for row in deliveries if row.event == "push").request_body)
    assert webhook_problems("push", {**body, "before": None})
