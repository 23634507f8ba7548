"""REST: a repository's webhooks and their deliveries."""

import json
from urllib.parse import urlsplit

from starlette.responses import Response

from tests.fakehub import events, git, shapes
from tests.fakehub.rest import Address, Call, Refusal, cursor_page, invalid, json_answer, not_found, nothing, page
from tests.fakehub.store import Delivery, Hook, Repository, now

SCOPE = "admin:repo_hook"


def _repository(call: Call) -> Repository:
    """Who may not manage hooks is told that there are none."""
    try:
        return call.repository("admin", SCOPE)
    except Refusal as refusal:
        raise (not_found() if refusal.status == 403 else refusal) from None


def _hook(call: Call) -> tuple[Repository, Hook]:
    repository = _repository(call)
    hook = call.hub.store.first(Hook, "repository_id = ? and id = ?", repository.id, call.path("hook_id"))
    if not hook:
        raise not_found()
    return repository, hook


def _shape(call: Call, repository: Repository, hook: Hook) -> shapes.Shape:
    last = call.hub.store.first(Delivery, "hook_id = ? order by id desc limit 1", hook.id)
    return shapes.hook(call.hub, repository, hook, last)


def _config(call: Call, current: Hook | None) -> dict[str, str]:
    given = call.body.get("config") or {}
    url = str(given.get("url") or (current.url if current else ""))
    if not url:
        raise invalid("Hook", "url", "missing_field", "url cannot be blank")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise invalid(
            "Hook", "url", "custom", "url is not supported because it isn't reachable over the public Internet"
        )
    content_type = str(given.get("content_type") or (current.content_type if current else "form"))
    if content_type not in {"json", "form"}:
        raise invalid("Hook", "content_type", "invalid")
    secret = given.get("secret", current.secret if current else "")
    insecure = given.get("insecure_ssl", current.insecure_ssl if current else "0")
    return {"url": url, "content_type": content_type, "secret": str(secret or ""), "insecure_ssl": str(insecure)}


def list_hooks(call: Call) -> Response:
    repository = _repository(call)
    hooks = call.hub.store.select(Hook, "repository_id = ? order by id", repository.id)
    return page(call, hooks, lambda hook: _shape(call, repository, hook))


def create_hook(call: Call) -> Response:
    repository = _repository(call)
    config = _config(call, None)
    events_wanted = call.body.get("events") or ["push"]
    for other in call.hub.store.select(Hook, "repository_id = ? and url = ?", repository.id, config["url"]):
        if set(other.events) == set(events_wanted):
            raise Refusal(
                422,
                "Validation Failed",
                [{"resource": "Hook", "code": "custom", "message": "Hook already exists on this repository"}],
            )
    stamp = now()
    hook_id = call.hub.store.insert(
        "hook",
        repository_id=repository.id,
        events=events_wanted,
        active=bool(call.body.get("active", True)),
        created_at=stamp,
        updated_at=stamp,
        **config,
    )
    hook = call.hub.store.one(Hook, "id = ?", hook_id)
    if hook.active:
        call.hub.ping(hook, call.account)
    return json_answer(_shape(call, repository, hook), 201)


def get_hook(call: Call) -> Response:
    return json_answer(_shape(call, *_hook(call)))


def update_hook(call: Call) -> Response:
    repository, hook = _hook(call)
    wanted = set(call.body.get("events") or hook.events) | set(call.body.get("add_events") or [])
    wanted -= set(call.body.get("remove_events") or [])
    call.hub.store.update(
        "hook",
        hook.id,
        events=sorted(wanted),
        active=bool(call.body.get("active", hook.active)),
        updated_at=now(),
        **_config(call, hook),
    )
    return json_answer(_shape(call, repository, call.hub.store.one(Hook, "id = ?", hook.id)))


def delete_hook(call: Call) -> Response:
    _, hook = _hook(call)
    call.hub.store.execute("delete from hook where id = ?", hook.id)
    return nothing()


def ping_hook(call: Call) -> Response:
    _, hook = _hook(call)
    call.hub.ping(hook, call.account)
    return nothing()


def test_hook(call: Call) -> Response:
    """Tells of the latest push to the default branch once more."""
    repository, hook = _hook(call)
    ref, refs = f"refs/heads/{repository.default_branch}", git.refs(call.hub.path(repository.id))
    if ref in refs and "push" in hook.events:
        body = events.push(call.hub, repository, ref, refs, refs, call.account)
        call.hub.courier.send(hook, "push", body)
    return nothing()


def list_deliveries(call: Call) -> Response:
    repository, hook = _hook(call)
    rows = call.hub.store.select(Delivery, "hook_id = ? order by id desc", hook.id)
    return cursor_page(call, rows, lambda row: row.id, lambda row: shapes.delivery_item(repository, row))


def _delivery(call: Call, hook: Hook) -> Delivery:
    row = call.hub.store.first(Delivery, "hook_id = ? and id = ?", hook.id, call.path("delivery_id"))
    if not row:
        raise not_found()
    return row


def get_delivery(call: Call) -> Response:
    repository, hook = _hook(call)
    row = _delivery(call, hook)
    url = f"{shapes.hook(call.hub, repository, hook, None)['deliveries_url']}/{row.id}"
    sent = {"headers": row.request_headers, "payload": json.loads(row.request_body)}
    got = {"headers": row.response_headers, "payload": row.response_body}
    return json_answer({**shapes.delivery_item(repository, row), "url": url, "request": sent, "response": got})


def redeliver(call: Call) -> Response:
    _, hook = _hook(call)
    call.hub.courier.send_again(hook, _delivery(call, hook))
    return json_answer({}, 202)


REPOSITORY_ADDRESSES = [
    Address("GET", "/hooks", list_hooks),
    Address("POST", "/hooks", create_hook),
    Address("GET", "/hooks/{hook_id:int}", get_hook),
    Address("PATCH", "/hooks/{hook_id:int}", update_hook),
    Address("DELETE", "/hooks/{hook_id:int}", delete_hook),
    Address("POST", "/hooks/{hook_id:int}/pings", ping_hook),
    Address("POST", "/hooks/{hook_id:int}/tests", test_hook),
    Address("GET", "/hooks/{hook_id:int}/deliveries", list_deliveries),
    Address("GET", "/hooks/{hook_id:int}/deliveries/{delivery_id:int}", get_delivery),
    Address("POST", "/hooks/{hook_id:int}/deliveries/{delivery_id:int}/attempts", redeliver),
]
