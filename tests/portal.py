"""The portal's pages as a browser without JavaScript gets them, signed in as the operator."""

import html
import re
from types import TracebackType
from typing import Any, Self

import requests

from tests.installation import Installation
from tests.rows import BuildRow

TIMEOUT_S = 60.0
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Portal:
    def __init__(self, installation: Installation) -> None:
        self._demo = installation.demo()
        self._session = requests.Session()
        self._session.trust_env = False
        self._token = ""

    def __enter__(self) -> Self:
        """Sign in."""
        self.status("/sign-in/")
        form = {"username": self._demo["operator"], "password": self._demo["operator_password"]}
        self.post("/sign-in/", **form)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def status(self, path: str) -> int:
        return self._get(path).status_code

    def page(self, path: str) -> str:
        """The page with its entities read, so that it says what a person sees. Raises HTTPError where it is refused."""
        response = self._get(path)
        response.raise_for_status()
        return html.unescape(response.text)

    def post(self, path: str, **form: str) -> str:
        """Send a form with the token of the page that was read last. Returns the page that answers, as `page` does.

        Raises HTTPError where it is refused.
        """
        form["csrfmiddlewaretoken"] = self._token
        response = self._session.post(self._demo["portal_url"] + path, data=form, timeout=TIMEOUT_S)
        response.raise_for_status()
        return html.unescape(response.text)

    def send(self, path: str, body: bytes) -> dict[str, Any]:
        """Send bytes, and return the JSON of the answer, whatever its status."""
        headers = {"X-CSRFToken": self._token, "Content-Type": "application/octet-stream"}
        response = self._session.post(self._demo["portal_url"] + path, data=body, headers=headers, timeout=TIMEOUT_S)
        found: dict[str, Any] = response.json()
        return found

    def ask(self, path: str, **form: str) -> dict[str, Any]:
        """Send a form, and return the JSON of the answer."""
        form["csrfmiddlewaretoken"] = self._token
        found: dict[str, Any] = self._session.post(self._demo["portal_url"] + path, data=form, timeout=TIMEOUT_S).json()
        return found

    def fetch(self, path: str, **headers: str) -> requests.Response:
        """What a download answers."""
        return self._session.get(self._demo["portal_url"] + path, headers=headers, timeout=TIMEOUT_S)

    def build_page(self, build: BuildRow) -> str:
        return self.page(f"/{self._demo['project']}/builds/{build.number}/")

    def _get(self, path: str) -> requests.Response:
        response = self._session.get(self._demo["portal_url"] + path, timeout=TIMEOUT_S)
        found = TOKEN.search(response.text)
        self._token = found[1] if found else self._token
        return response
