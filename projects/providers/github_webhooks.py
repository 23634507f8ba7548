"""What GitHub sends us: checked for who sent it, and read strictly.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import hashlib
import hmac
import json
import re
from typing import Any, TypeVar

from projects.providers import Push, ValidationFailed

SHA = re.compile(r"[0-9a-f]{40}")
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # JSON can say these, PostgreSQL and UTF-8 can't
Kind = TypeVar("Kind", str, int, bool, list[Any])


def verify_signature(secret: bytes, body: bytes, header: str | None) -> bool:
    """Whether `header` (X-Hub-Signature-256) is the body's HMAC under `secret`. An empty secret signs nothing."""
    if not secret or not header:
        return False
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), header.encode())


def parse_push(body: bytes) -> Push:
    """The body of a `push` event. Raises ValidationFailed, which names the member that is wrong."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValidationFailed(f"The push event is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise ValidationFailed("The push event is not a JSON object.")
    ref, deleted = _member(data, str, "ref"), _member(data, bool, "deleted")
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    headless = deleted or branch is None  # a tag may be of something else than a commit
    return Push(
        full_name=_member(data, str, "repository", "full_name"),
        provider_id=str(_member(data, int, "repository", "id")),
        branch=branch,
        before=_sha(data, "before"),
        after=_sha(data, "after"),
        created=_member(data, bool, "created"),
        deleted=deleted,
        forced=_member(data, bool, "forced"),
        commits=len(_member(data, list, "commits")),
        author="" if headless else _member(data, str, "head_commit", "author", "name"),
        message="" if headless else _member(data, str, "head_commit", "message"),
        pusher=_member(data, str, "pusher", "name"),
    )


def _member(data: dict[str, Any], kind: type[Kind], *path: str) -> Kind:
    """The value at a path of names, which must be of that kind (a bool is no int here)."""
    value: Any = data
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise ValidationFailed(f"The push event has no {'.'.join(path)}.")
        value = value[name]
    if isinstance(value, str) and NO_TEXT.search(value):
        raise ValidationFailed(f"The push event's {'.'.join(path)} holds characters that no text has.")
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValidationFailed(f"The push event's {'.'.join(path)} is not of type {kind.__name__}.")


def _sha(data: dict[str, Any], name: str) -> str:
    value = _member(data, str, name)
    if not SHA.fullmatch(value):
        raise ValidationFailed(f"The push event's {name} is not a commit hash of 40 hex digits.")
    return value
