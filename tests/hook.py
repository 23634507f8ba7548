"""The demo project's webhook address, called as GitHub does it, or as somebody who isn't GitHub would."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from cryptography.fernet import Fernet, MultiFernet

from tests.installation import Installation

ZERO = "0" * 40
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


class Hook:
    def __init__(self, installation: Installation) -> None:
        demo = installation.demo()
        (project,) = installation.query("SELECT * FROM projects_project WHERE slug = %s", demo["project"])
        keys = MultiFernet([Fernet(key) for key in installation.values["BERTH_FERNET_KEYS"].split(",")])
        self.project, self.repository = project["id"], project["repository"]
        self.provider_id = int(project["provider_id"])
        self.secret = keys.decrypt(project["webhook_secret"].encode())
        self.url = f"{demo['portal_url']}/hooks/{self.project}/"

    def push(self, branch: str, sha: str, before: str = ZERO, **changes: Any) -> bytes:
        """The body of a push event, as far as Berth reads it; `changes` replace members."""
        author = {"name": "Dev Deshpande", "email": "dev@example.com"}
        event = {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": sha,
            "created": before == ZERO,
            "deleted": sha == ZERO,
            "forced": False,
            "repository": {"id": self.provider_id, "full_name": self.repository},
            "pusher": {"name": "dev"},
            "commits": [],
            "head_commit": None if sha == ZERO else {"id": sha, "message": "Change something", "author": author},
        }
        return json.dumps(event | changes).encode()

    def sign(self, body: bytes, secret: bytes | None = None) -> str:
        return "sha256=" + hmac.new(secret or self.secret, body, hashlib.sha256).hexdigest()

    def send(
        self, body: bytes, headers: Mapping[str, str | bytes | None] | None = None, *, event: str = "push"
    ) -> Answer:
        """Signed and complete, unless `headers` say otherwise (None leaves one out)."""
        complete: dict[str, str | bytes | None] = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": self.sign(body),
        }
        sent = {name: value for name, value in (complete | dict(headers or {})).items() if value is not None}
        with requests.Session() as session:
            session.trust_env = False
            response = session.post(self.url, data=body, headers=sent, timeout=TIMEOUT_S)
            return Answer(response.status_code, response.text)
