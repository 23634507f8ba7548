"""Calling the API in tests."""

from typing import Any

from django.test import Client

from portal import apitokens
from portal.models import Scope, User


class Caller(Client):
    """A client that sends a token of somebody."""

    def __init__(self, user: User, scope: Scope = Scope.ADMIN, **fields: Any) -> None:
        self.token, self.plain = apitokens.make(user=user, name="test", scope=scope, **fields)
        super().__init__(headers={"Authorization": f"Bearer {self.plain}"})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response, to JSON that is sent, to bytes, or to no body: Django's client would post a form."""
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        content = {} if method == "get" else {"data": "" if body is None else body, "content_type": kind}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return getattr(self, method)(f"/api/v1/{path}", headers=named, **content)
