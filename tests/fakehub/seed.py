"""Who and what there is on a fresh stand-in of the demo."""

from pathlib import Path
from typing import Any

from tests.fakehub import git
from tests.fakehub.hub import Hub
from tests.fakehub.store import Account

CAST = {"alice": "Alice Archer", "tom": "Tom Tester", "dev": "Dev Deshpande", "oscar": "Oscar Outsider"}
DEMO = Path(__file__).parent / "demo"
REPOSITORY = "demo-addons"


def people(hub: Hub) -> None:
    """Make those of the cast that are missing."""
    for login, name in CAST.items():
        if not hub.account(login):
            hub.create_account(login, name)


def access(hub: Hub) -> dict[str, Any]:
    """What a script needs to know: addresses, the OAuth client, each account's token."""
    tokens = {account.login: hub.standing_token(account) for account in hub.store.select(Account, "true order by id")}
    client = {"client_id": hub.client_id, "client_secret": hub.client_secret}
    return {"url": hub.url, "api_url": hub.api, **client, "tokens": tokens}


def demo(hub: Hub) -> dict[str, Any]:
    """Make the cast and `alice/demo-addons`, where missing; returns `access` with the repository's `push_url`."""
    people(hub)
    alice = hub.store.one(Account, "login = 'alice'")
    repository = hub.repository("alice", REPOSITORY)
    repository = repository or hub.create_repository(alice, REPOSITORY, description="Two small Odoo addons")
    with hub.changing(repository, alice) as path:
        if not git.refs(path):
            author = git.Person(alice.name, alice.email)
            git.commit(path, repository.default_branch, demo_files(), "Two small addons to begin with", author, None)
    about = access(hub)
    host = hub.url.split("://", 1)[1]
    push_url = f"http://alice:{about['tokens']['alice']}@{host}/alice/{REPOSITORY}.git"
    return {**about, "repository": f"alice/{REPOSITORY}", "push_url": push_url}


def demo_files() -> dict[str, git.Content]:
    """The files of the demo's repository, by their path in it; what tools left beside them is not part of it."""
    paths = {path.relative_to(DEMO): path for path in sorted(DEMO.rglob("*")) if path.is_file()}
    return {str(name): path.read_bytes() for name, path in paths.items() if not any(map(is_left, name.parts))}


def is_left(part: str) -> bool:
    """Whether a folder or file is what Python or a checker left."""
    return part == "__pycache__" or part.startswith(".") and part.endswith("_cache")
