"""Calls of Berth's API, for bin/berth: with the standard library alone, so that it runs wherever Python does."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT = 60.0  # seconds, for one answer
TRIES, PAUSE = 4, 1.0  # of a request whose answer is lost; a write has a key, so it is done once
PASSING = {502, 503, 504}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Refused(Exception):
    """What the API says to a request, or why none was sent. The message is for people."""

    def __init__(self, message: str, status: int = 0, wait: float | None = None) -> None:
        self.status, self.wait = status, wait  # wait: seconds, where the API says how long
        super().__init__(message)


@dataclass(frozen=True)
class Account:
    """Where the API is, and who one is there."""

    url: str
    token: str


def account_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "berth" / "account.json"


def remember(account: Account) -> Path:
    """Write it down, readable by its owner alone."""
    file = account_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({"url": account.url, "token": account.token}, stream)
    new.replace(file)
    return file


def remembered() -> Account:
    """From BERTH_URL and BERTH_TOKEN, as CI gives them, or from the last login. Raises Refused."""
    url, token = os.environ.get("BERTH_URL", ""), os.environ.get("BERTH_TOKEN", "")
    if url and token:
        return Account(checked(url), token)
    try:
        saved = json.loads(account_file().read_text())
        return Account(checked(saved["url"]), saved["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused("Nobody is logged in. Run: bin/berth login URL (or set BERTH_URL and BERTH_TOKEN).") from error


def checked(url: str) -> str:
    """The portal's address. Raises Refused where a token would go over the network for all to read."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Refused(f"{url} is no address of a portal. Write it like https://berth.example.com.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Refused(f"{url} is not encrypted: a token sent there could be read on its way. Use https.")
    return f"{parts.scheme}://{parts.netloc}"


class Api:
    """The API of an account. Paths are below /api/v1/."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, query=query)

    def write(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Once, however often its answer is lost on the way."""
        return self._call(method, path, body={} if body is None else body, query=query, key=str(uuid.uuid4()))

    def rows(self, path: str, most: int, **query: Any) -> Iterator[dict[str, Any]]:
        """Up to `most` rows of a list, page by page."""
        query = {"limit": min(most, 100), **query}
        while most > 0:
            page = self.get(path, **query)
            yield from page["results"][:most]
            most -= len(page["results"])
            if not page["next"]:
                return
            path, query = page["next"].partition("/api/v1/")[2], {}

    def _call(self, method: str, path: str, *, query: Any, body: Any = None, key: str = "") -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self.account.url}/api/v1/{path}" + (f"?{urlencode(given)}" if given else "")
        headers = {"Authorization": f"Bearer {self.account.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if key:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        for turn in range(TRIES):
            try:
                return _read(request)
            except Refused as refusal:
                if refusal.status not in {0, 429, *PASSING} or turn == TRIES - 1:
                    raise
                time.sleep(PAUSE * 2**turn if refusal.wait is None else refusal.wait)
        raise AssertionError


class _Opener(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is for one address alone."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


_open = urllib.request.build_opener(_Opener).open


def _read(request: urllib.request.Request) -> Any:
    """The JSON of an answer; None of an empty one. Raises Refused."""
    try:
        with _open(request, timeout=TIMEOUT) as response:
            assert isinstance(response, HTTPResponse)
            content = response.read()
    except urllib.error.HTTPError as error:
        raise _refused(error) from error
    except (OSError, HTTPException) as error:
        where = urlsplit(request.full_url).netloc
        raise Refused(f"{where} does not answer: {getattr(error, 'reason', error)}") from error
    return json.loads(content) if content else None


def _refused(error: urllib.error.HTTPError) -> Refused:
    """A problem in words; with what to do."""
    try:
        problem = json.loads(error.read())
        parts = [problem["title"], problem.get("detail", ""), problem.get("remedy", "")]
        parts += [f"{each['name']}: {each['detail']}" for each in problem.get("errors", [])]
        message = " ".join(f"{part.rstrip('.')}." for part in parts if part)
    except (ValueError, KeyError, AttributeError, TypeError):
        message = f"The portal answered {error.code} {error.reason}."
    wait = error.headers.get("Retry-After", "")
    return Refused(message, error.code, float(wait) if wait.isdecimal() else None)
