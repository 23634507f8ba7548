"""Webhook bodies, in the shape of those that GitHub recorded (npm `@octokit/webhooks-examples`)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.fakehub import git, shapes
from tests.fakehub.git import ZERO
from tests.fakehub.store import Account, Hook, Repository

if TYPE_CHECKING:
    from tests.fakehub.hub import Hub

Payload = dict[str, Any]
COMMITS_TOLD = 2048  # at most; https://docs.github.com/en/webhooks/webhook-events-and-payloads#push


def account(hub: "Hub", someone: Account) -> Payload:
    return shapes.simple_user(hub, someone)


def for_ref(
    hub: "Hub",
    repository: Repository,
    ref: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    pusher: Account,
) -> Iterator[tuple[str, Payload]]:
    """The events of one ref that moved, given all refs as they were and as they are."""
    yield "push", push(hub, repository, ref, before, after, pusher)
    if ref not in before or ref not in after:
        kind, name = ref_kind(ref)
        payload = {"ref": name, "ref_type": kind, **_told_by(hub, repository, pusher), "pusher_type": "user"}
        if ref in after:
            yield (
                "create",
                {**payload, "master_branch": repository.default_branch, "description": repository.description},
            )
        else:
            yield "delete", payload


def ref_kind(ref: str) -> tuple[str, str]:
    return ("branch" if ref.startswith("refs/heads/") else "tag"), ref.split("/", 2)[2]


def push(
    hub: "Hub",
    repository: Repository,
    ref: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    pusher: Account,
) -> Payload:
    path = hub.path(repository.id)
    old, new = before.get(ref), after.get(ref)
    known = set(before.values())
    commits = _brought(path, old, new, known)
    fresh = git.distinct(path, new, known) if new else set()
    head = git.log(path, new, limit=1)[0] if new else None
    page = f"{hub.url}/{hub.full_name(repository)}"
    bases = sorted(name for name, sha in before.items() if sha == new and name != ref)
    return {
        "ref": ref,
        "before": old or ZERO,
        "after": new or ZERO,
        "repository": webhook_repository_of_push(hub, repository),
        "pusher": {"name": pusher.login, "email": pusher.email},
        "sender": shapes.simple_user(hub, pusher),
        "created": old is None,
        "deleted": new is None,
        "forced": bool(old and new and not git.is_ancestor(path, old, new)),
        "base_ref": bases[0] if bases and old is None else None,
        "compare": _compare(page, ref, old, new),
        "commits": [_commit(hub, page, each, distinct=each.sha in fresh) for each in commits],
        "head_commit": _commit(hub, page, head, distinct=head.sha in fresh) if head else None,
    }


def ping(hub: "Hub", repository: Repository, hook: Hook, sender: Account) -> Payload:
    about = {**shapes.hook(hub, repository, hook, last_response=None)}
    return {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": about, **_told_by(hub, repository, sender)}


def repository_changed(
    hub: "Hub", repository: Repository, action: str, changes: Mapping[str, object], sender: Account
) -> Payload:
    told = {"changes": dict(changes)} if changes else {}
    return {"action": action, **told, **_told_by(hub, repository, sender)}


def _told_by(hub: "Hub", repository: Repository, sender: Account) -> Payload:
    return {"repository": shapes.webhook_repository(hub, repository), "sender": shapes.simple_user(hub, sender)}


def webhook_repository_of_push(hub: "Hub", repository: Repository) -> Payload:
    """Pushes say some things about the repository differently: times in seconds, the owner's name and address."""
    owner = hub.owner(repository)
    about = shapes.webhook_repository(hub, repository)
    return {
        **about,
        "url": about["html_url"],
        "owner": {"name": owner.login, "email": owner.email, **about["owner"]},
        "created_at": _seconds(repository.created_at),
        "pushed_at": _seconds(repository.pushed_at),
        "stargazers": 0,
        "master_branch": repository.default_branch,
    }


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


def _brought(path: Any, old: str | None, new: str | None, known: set[str]) -> list[git.Commit]:
    """Commits of a push, oldest first: what the branch gained, or for a new branch what no other ref had."""
    if not new:
        return []
    excluded = [old] if old else sorted(known)
    newest_first = git.log(path, new, *(f"^{sha}" for sha in excluded), limit=COMMITS_TOLD)
    return newest_first[::-1]


def _compare(page: str, ref: str, old: str | None, new: str | None) -> str:
    if old:
        return f"{page}/compare/{old[:12]}...{(new or ZERO)[:12]}"
    return f"{page}/compare/{ref_kind(ref)[1]}"


def _commit(hub: "Hub", page: str, commit: git.Commit, *, distinct: bool) -> Payload:
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": distinct,
        "message": commit.message,
        "timestamp": commit.committed_at,
        "url": f"{page}/commit/{commit.sha}",
        "author": _person(hub, commit.author),
        "committer": _person(hub, commit.committer),
        "added": commit.added,
        "removed": commit.removed,
        "modified": commit.modified,
    }


def _person(hub: "Hub", person: git.Person) -> Payload:
    known = hub.store.first(Account, "email = ?", person.email)
    about = {"name": person.name, "email": person.email}
    return {**about, "username": known.login} if known else about
