"""GitHub and a Git mirror in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from projects.git import Checkout, Commit, GitError
from projects.providers import BranchHead, CommitState, Repository, Webhook
from tests.unit.fakes.world import World


class FakeGitHub:
    def __init__(self, world: World) -> None:
        self.world = world

    def repository(self, full_name: str) -> Repository:
        url = f"https://github.com/{self.world.repository}"
        return Repository(
            full_name=self.world.repository,
            clone_url=f"{url}.git",
            ssh_url=f"git@github.com:{self.world.repository}.git",
            html_url=url,
            private=False,
            default_branch="main",
            provider_id="id-shop",
        )

    def repositories(self) -> Sequence[Repository]:
        return [self.repository(self.world.repository)]

    def repository_by_id(self, provider_id: str) -> Repository:
        self.world.happen("ask for the repository")
        return self.repository(self.world.repository)

    def branches(self, full_name: str) -> Sequence[BranchHead]:
        self.world.happen("list branches")
        return [BranchHead(name, sha) for name, sha in self.world.heads.items()]

    def merge(self, full_name: str, *, base: str, head: str, message: str) -> str | None:
        self.world.happen("merge")
        if self.world.heads[base] == self.world.heads[head]:
            return None
        self.world.merges.append((head, base, message))
        self.world.heads[base] = "e" * 40
        return self.world.heads[base]

    def set_commit_status(self, full_name: str, sha: str, state: CommitState, **_told: str) -> None:
        self.world.happen("set commit status")
        self.world.statuses.append((sha, state))

    def ensure_webhook(self, full_name: str, url: str, secret: str) -> int:
        self.world.happen("install webhook")
        self.world.webhook = Webhook(1, url, active=True, events=("push",), last_code=None, last_message="")
        return 1

    def webhook_state(self, full_name: str, url: str) -> Webhook | None:
        self.world.happen("look at the webhook")
        return self.world.webhook

    def ping_webhook(self, full_name: str, webhook_id: int) -> None:
        self.world.happen("try the webhook")

    def add_deploy_key(self, full_name: str, title: str, public_key: str) -> int:
        self.world.happen("install deploy key")
        self.world.deploy_keys.append(public_key)
        return len(self.world.deploy_keys)

    def delete_deploy_key(self, full_name: str, key_id: int) -> None:
        self.world.happen("remove deploy key")
        self.world.deploy_keys[key_id - 1] = ""


class FakeMirror:
    """Each commit holds the modules that the world knows of."""

    def __init__(self, world: World) -> None:
        self.world = world

    def ask(self, url: str, **options: Any) -> None:
        self.world.happen("ask the repository")
        options["keep_going"]()

    def size(self) -> int:
        return 1

    def fetch(self, url: str, **options: Any) -> None:
        self.world.happen("fetch")
        options["keep_going"]()

    def commit(self, sha: str) -> Commit:
        if sha not in self.world.commits:
            raise GitError(f"{sha} is not in the repository")
        return Commit(sha, "Dev", "dev@example.com", "Change something", datetime.now(UTC))

    def checkout(self, sha: str, target: Path, **options: Any) -> Checkout:
        self.world.happen("checkout")
        for name, version in self.world.commits[sha].items():
            folder = target / name
            folder.mkdir(parents=True, exist_ok=True)
            manifest = {"name": name, "version": version, "depends": ["base"], "license": "LGPL-3"}
            (folder / "__manifest__.py").write_text(repr(manifest))
            (folder / "__init__.py").write_text("")
        return Checkout(sha, ())
