"""Webhook deliveries that GitHub would not send, on the address that GitHub calls."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hook import ZERO, Hook
from tests.installation import STATIC_FILE, Installation

pytestmark = pytest.mark.faults

SHA = "1" * 40
MIB = 1024 * 1024
NAMES = {
    "dots": "a/../../etc",
    "option": "-rf",
    "space": "two words",
    "control": "bell\x07",
    "long": "x" * 201,
    "lock": "main.lock",
    "empty": "",
}


@pytest.fixture(scope="module")
def hook(installation: Installation) -> Hook:
    return Hook(installation)


@pytest.fixture
def nothing_begun(installation: Installation) -> Iterator[None]:
    """Neither a build nor a branch comes of the test."""
    before = begun(installation)
    yield
    assert begun(installation) == before


def begun(installation: Installation) -> tuple[Any, ...]:
    (row,) = installation.query("SELECT (SELECT count(*) FROM builds_build), (SELECT count(*) FROM projects_branch)")
    return tuple(row.values())


def deliveries(installation: Installation) -> int:
    (row,) = installation.query("SELECT count(*) FROM builds_delivery")
    return int(row["count"])


@pytest.mark.parametrize("signature", [None, "", "sha256=", "sha1=00", "sha256=" + "0" * 64, "sha256=é"])
def test_what_is_not_signed_is_not_stored(
    installation: Installation, hook: Hook, nothing_begun: None, signature: str | None
) -> None:
    before = deliveries(installation)
    answer = hook.send(hook.push("forged", SHA), {"X-Hub-Signature-256": signature and signature.encode("latin-1")})
    assert (answer.status, "signature" in answer.body) == (401, True)
    assert deliveries(installation) == before


def test_the_signature_of_another_secret_or_another_body_does_not_fit(hook: Hook, nothing_begun: None) -> None:
    body = hook.push("forged", SHA)
    other_secret = hook.send(body, {"X-Hub-Signature-256": hook.sign(body, b"not-the-secret")})
    other_body = hook.send(body, {"X-Hub-Signature-256": hook.sign(hook.push("main", SHA))})
    assert [other_secret.status, other_body.status] == [401, 401]


def test_what_is_too_large_is_refused(installation: Installation, hook: Hook, nothing_begun: None) -> None:
    before = deliveries(installation)
    answer = hook.send(hook.push("large", SHA, padding="x" * 25 * MIB))
    assert (answer.status, "25 MB" in answer.body) == (413, True)
    assert deliveries(installation) == before


def test_a_replayed_delivery_is_looked_into_once(installation: Installation, hook: Hook) -> None:
    head = installation.clone().head()
    assert head
    name = f"replayed-{secrets.token_hex(3)}"
    body, headers = hook.push(name, head), {"X-GitHub-Delivery": name}
    answers = [json.loads(hook.send(body, headers).body)["new"] for _ in range(3)]
    assert answers == [True, False, False]
    builds = installation.query(
        "SELECT b.id FROM builds_build b JOIN projects_branch r ON r.id = b.branch_id WHERE r.name = %s", name
    )
    assert len(builds) == 1
    hook.send(hook.push(name, ZERO, head))
    assert installation.wait_for_build(head).state == "done"


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"ref": 1}', b"[" * 100_000])
def test_nonsense_that_is_signed_does_nothing(hook: Hook, nothing_begun: None, body: bytes) -> None:
    assert hook.send(body).status == 202


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_branch_can_have_is_refused(
    installation: Installation, hook: Hook, nothing_begun: None, name: str
) -> None:
    guid = f"bad-name-{name}-{len(NAMES[name])}-{deliveries(installation)}"
    answer = hook.send(hook.push(NAMES[name], SHA), {"X-GitHub-Delivery": guid})
    assert answer.status == 202
    (row,) = installation.query("SELECT outcome FROM builds_delivery WHERE guid = %s", guid)
    assert row["outcome"].startswith("refused: ")
    assert "Nothing was changed. Rename the branch." in row["outcome"]


def test_a_push_of_another_repository_is_refused(installation: Installation, hook: Hook, nothing_begun: None) -> None:
    guid = f"other-repository-{deliveries(installation)}"
    repository = {"id": hook.provider_id + 1000, "full_name": "oscar/evil"}
    assert hook.send(hook.push("main", SHA, repository=repository), {"X-GitHub-Delivery": guid}).status == 202
    (row,) = installation.query("SELECT outcome FROM builds_delivery WHERE guid = %s", guid)
    assert row["outcome"] == "refused: the push is for repository oscar/evil"


def test_production_outlives_its_branch(installation: Installation, hook: Hook, nothing_begun: None) -> None:
    head = installation.clone().head()
    assert head
    before = installation.answer(f"/{STATIC_FILE}")
    assert hook.send(hook.push("main", ZERO, head)).status == 202
    assert installation.answer(f"/{STATIC_FILE}") == before
    assert (before.status, before.commit) == (200, head)
