"""What GitHub sends: who signed it, and what a push says."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from projects.providers import ValidationFailed
from projects.providers.github import parse_push, verify_signature

SECRET = b"s3cret"
ZERO = "0" * 40


def push(**changed: Any) -> bytes:
    """A push of two commits to main, as GitHub tells it (without the many members that nobody reads)."""
    body: dict[str, Any] = {
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": "b" * 40,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": [{"id": "c" * 40}, {"id": "b" * 40}],
        "head_commit": {"id": "b" * 40, "message": "Lend books", "author": {"name": "Alice Archer", "email": "a@b.c"}},
        "repository": {"id": 186853002, "full_name": "alice/demo-addons"},
        "pusher": {"name": "alice", "email": "alice@example.com"},
    }
    return json.dumps({**body, **changed}).encode()


def signature(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_it_accepts_githubs_own_example() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify_signature(b"It's a Secret to Everybody", b"Hello, World!", header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        signature(b"another body"),
        signature(b"{}", b"another secret"),
        signature(b"{}").removeprefix("sha256="),
        signature(b"{}").replace("sha256", "sha1"),
        signature(b"{}").upper(),
        "sha256=é",
    ],
)
def test_it_rejects_a_signature_that_does_not_fit(header: str | None) -> None:
    assert verify_signature(SECRET, b"{}", signature(b"{}"))
    assert not verify_signature(SECRET, b"{}", header)


def test_an_empty_secret_signs_nothing() -> None:
    assert not verify_signature(b"", b"{}", signature(b"{}", b""))


def test_a_push_is_read() -> None:
    read = parse_push(push())
    assert (read.full_name, read.provider_id, read.branch) == ("alice/demo-addons", "186853002", "main")
    assert (read.before, read.after, read.commits) == ("a" * 40, "b" * 40, 2)
    assert (read.author, read.message, read.pusher) == ("Alice Archer", "Lend books", "alice")
    assert (read.created, read.deleted, read.forced) == (False, False, False)


def test_a_branch_name_keeps_its_slashes() -> None:
    assert parse_push(push(ref="refs/heads/feature/refs/heads/x")).branch == "feature/refs/heads/x"


def test_a_deleted_branch_has_no_head() -> None:
    read = parse_push(push(deleted=True, after=ZERO, head_commit=None, commits=[]))
    assert (read.deleted, read.author, read.message) == (True, "", "")


def test_a_tag_is_no_branch() -> None:
    assert parse_push(push(ref="refs/tags/v1", created=True, head_commit=None)).branch is None


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"ref": None}, "ref"),
        ({"ref": ["refs/heads/main"]}, "ref"),
        ({"before": "abc"}, "before"),
        ({"after": "B" * 40}, "after"),
        ({"after": "b" * 40 + "\n"}, "after"),
        ({"deleted": 0}, "deleted"),
        ({"forced": "no"}, "forced"),
        ({"commits": {}}, "commits"),
        ({"head_commit": None}, "head_commit.author.name"),
        ({"head_commit": {"author": {"name": 7}}}, "head_commit.author.name"),
        ({"repository": {"full_name": "alice/demo-addons"}}, "repository.id"),
        ({"repository": {"full_name": "alice/demo-addons", "id": True}}, "repository.id"),
        ({"repository": "alice/demo-addons"}, "repository.full_name"),
        ({"pusher": {}}, "pusher.name"),
        ({"pusher": {"name": "a\0b"}}, "pusher.name"),
        ({"pusher": {"name": "\ud800"}}, "pusher.name"),
    ],
)
def test_it_names_the_member_that_is_wrong(changed: dict[str, Any], member: str) -> None:
    with pytest.raises(ValidationFailed, match=rf"\b{member}\b"):
        parse_push(push(**changed))


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe", b"[]", b'"push"', b"null"])
def test_it_rejects_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(ValidationFailed, match="JSON"):
        parse_push(body)


def test_it_survives_json_that_nests_without_end() -> None:
    with pytest.raises(ValidationFailed):
        parse_push(b"[" * 1_000_000)
