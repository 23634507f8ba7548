"""Tokens and keys that are wrong, on the real path: through the router, to a running portal."""

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest

from tests.installation import Installation

pytestmark = pytest.mark.faults


class Sender:
    def __init__(self, installation: Installation) -> None:
        self.installation, demo = installation, installation.demo()
        self.url, self.good = f"{demo['portal_url']}/api/v1", demo["api_token"]

    def send(self, method: str, path: str, body: Any = None, *, token: str | None = None, key: str = "") -> Any:
        """Status, answer and headers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {self.good if token is None else token}"} if token != "" else {}
        headers |= {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(f"{self.url}/{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"null"), response.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers

    def make(self, **fields: Any) -> tuple[int, str]:
        """A token, its number and itself."""
        status, made, _headers = self.send("POST", "tokens/", {"name": "misused", "scope": "read", **fields})
        assert status == 201, made
        return made["id"], made["token"]


@pytest.fixture
def sender(installation: Installation) -> Sender:
    return Sender(installation)


def test_an_expired_token_is_refused(sender: Sender) -> None:
    pk, token = sender.make(days=1)
    assert sender.send("GET", "me/", token=token)[0] == 200

    sender.installation.query("UPDATE portal_apitoken SET expires_at = now() - interval '1 s' WHERE id = %s", pk)

    status, problem, headers = sender.send("GET", "me/", token=token)
    assert (status, headers["Content-Type"]) == (401, "application/problem+json")
    assert "expired" in problem["detail"]


def test_a_revoked_token_is_refused_by_both_processes(sender: Sender) -> None:
    pk, token = sender.make()
    assert sender.send("DELETE", f"tokens/{pk}/")[0] == 204

    assert {sender.send("GET", "me/", token=token)[0] for _turn in range(8)} == {401}


def test_a_token_of_the_wrong_scope_begins_nothing(sender: Sender) -> None:
    _pk, token = sender.make()
    branch = sender.installation.branch()["id"]
    before = sender.installation.query("SELECT count(*) AS n FROM builds_build")

    status, problem, _headers = sender.send("POST", f"projects/demo/branches/{branch}/deploy/", token=token)

    assert status == 403
    assert "'deploy'" in problem["detail"]
    assert sender.installation.query("SELECT count(*) AS n FROM builds_build") == before


def test_a_token_of_another_project_finds_this_one_not(sender: Sender) -> None:
    pk, token = sender.make(project="demo", scope="admin")
    assert sender.send("GET", "projects/demo/", token=token)[0] == 200

    sender.installation.query("UPDATE portal_apitoken SET project_id = 0 WHERE id = %s", pk)

    assert sender.send("GET", "projects/demo/", token=token)[0] == 404
    assert sender.send("GET", "projects/", token=token)[1]["results"] == []


def test_a_token_in_an_address_is_refused_and_opens_nothing(sender: Sender) -> None:
    for token in (None, ""):
        status, problem, _headers = sender.send("GET", f"projects/?access_token={sender.good}", token=token)
        assert status == 400
        assert "revoke it" in problem["detail"]


def test_a_key_is_used_for_one_thing(sender: Sender) -> None:
    key, path = uuid.uuid4().hex, "projects/demo/"
    name = sender.send("GET", path)[1]["name"]

    first = sender.send("PATCH", path, {"name": name, "backup_hour": 3}, key=key)
    again = sender.send("PATCH", path, {"name": name, "backup_hour": 3}, key=key)
    other = sender.send("PATCH", path, {"name": name, "backup_hour": 4}, key=key)

    assert (first[0], again[0], other[0]) == (200, 200, 422)
    assert (first[1], again[2]["Idempotency-Replayed"]) == (again[1], "true")
    assert sender.send("GET", path)[1]["backup_hour"] == 3


def test_bodies_that_are_no_json_are_told_so(sender: Sender) -> None:
    deep = urllib.request.Request(
        f"{sender.url}/tokens/",
        data=b"[" * 200_000,
        headers={"Authorization": f"Bearer {sender.good}", "Content-Type": "application/json"},
    )

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(deep, timeout=30)

    assert refused.value.code == 400
    refused.value.close()
