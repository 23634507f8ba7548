"""Webhook deliveries: signed, sent in the background with a time limit of 10 s, recorded, and sent again on demand."""

import contextlib
import hashlib
import hmac
import json
import sqlite3
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import requests

from tests.fakehub.store import Delivery, Hook, Store, now

if TYPE_CHECKING:
    from tests.fakehub.hub import Faults

TIMEOUT = 10.0  # seconds; https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
KEPT = 500  # deliveries per hook; GitHub keeps three days of them


class Courier:
    def __init__(self, store: Store, faults: "Faults") -> None:
        self._store, self._faults = store, faults
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="fakehub-delivery")
        self._pending: set[Future[None]] = set()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def settle(self, seconds: float = TIMEOUT) -> None:
        """Wait until all that was sent so far has been answered."""
        wait(list(self._pending), timeout=seconds)

    def send(self, hook: Hook, event: str, payload: Mapping[str, object]) -> None:
        if not self._faults.drop_deliveries:
            self._post(hook, str(uuid.uuid4()), event, json.dumps(payload, ensure_ascii=False), redelivery=False)

    def send_again(self, hook: Hook, delivery: Delivery) -> None:
        """The same body under the same GUID, as GitHub does it."""
        self._post(hook, delivery.guid, delivery.event, delivery.request_body, redelivery=True)

    def _post(self, hook: Hook, guid: str, event: str, body: str, *, redelivery: bool) -> None:
        future = self._pool.submit(self._deliver, hook, guid, event, body, redelivery)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def _deliver(self, hook: Hook, guid: str, event: str, body: str, redelivery: bool) -> None:
        content = body if hook.content_type == "json" else urlencode({"payload": body})
        headers = request_headers(hook, guid, event, content.encode())
        started, sent_at = time.monotonic(), now()
        code, status, answer_headers, answer = _answer(hook.url, content.encode(), headers)
        with contextlib.suppress(sqlite3.IntegrityError):  # the hook was deleted meanwhile
            self._store.insert(
                "delivery",
                hook_id=hook.id,
                guid=guid,
                redelivery=redelivery,
                event=event,
                action=json.loads(body).get("action"),
                delivered_at=sent_at,
                duration=round(time.monotonic() - started, 2),
                status=status,
                status_code=code,
                request_headers=headers,
                request_body=body,
                response_headers=answer_headers,
                response_body=answer,
            )
        newest = "select id from delivery where hook_id = ? order by id desc limit ?"
        self._store.execute(f"delete from delivery where hook_id = ? and id not in ({newest})", hook.id, hook.id, KEPT)


def request_headers(hook: Hook, guid: str, event: str, body: bytes) -> dict[str, str]:
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers"""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json" if hook.content_type == "json" else "application/x-www-form-urlencoded",
        "User-Agent": "GitHub-Hookshot/fakehub",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(hook.repository_id),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
    }
    if hook.secret:
        for header, algorithm in (("X-Hub-Signature", "sha1"), ("X-Hub-Signature-256", "sha256")):
            digest = hmac.new(hook.secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()
            headers[header] = f"{algorithm}={digest}"
    return headers


def _answer(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, dict[str, str], str]:
    """(code, status text, headers, body) of the receiver; neither redirects nor the environment's proxies are used."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            got = session.post(url, data=body, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False)
        except requests.Timeout:
            return 504, "timed out", {}, ""
        except requests.RequestException:
            return 502, "failed to connect to host", {}, ""
        return (
            got.status_code,
            "OK" if got.ok else f"Invalid HTTP Response: {got.status_code}",
            dict(got.headers),
            got.text,
        )
