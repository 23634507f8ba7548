"""The stand-in as tests use it: `with FakeHub.start(tmp_path) as hub: hub.commit("alice/addons", files={...})`."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fakehub import git, seed
from tests.fakehub.git import Content
from tests.fakehub.hub import Hub
from tests.fakehub.server import running
from tests.fakehub.store import Account, Delivery, Hook, Repository, Status


class FakeHub:
    """A running stand-in with the cast (alice, tom, dev, oscar). Repositories are named `owner/name`."""

    def __init__(self, core: Hub) -> None:
        self.core, self.faults = core, core.faults
        self.url, self.api_url = core.url, core.api
        self.client_id, self.client_secret = core.client_id, core.client_secret

    @classmethod
    @contextlib.contextmanager
    def start(cls, root: Path, port: int = 0) -> Iterator["FakeHub"]:
        """Run one in a thread of this process on a free port of 127.0.0.1, with its state under `root`."""
        with running(root, port) as core:
            seed.people(core)
            yield cls(core)

    def create_user(self, login: str, name: str = "", email: str = "") -> Account:
        return self.core.create_account(login, name, email)

    def token(self, login: str, scopes: str | None = None) -> str:
        """The user's own token, or with `scopes` a new one that has only these (`"user:email"`)."""
        account = self._account(login)
        return self.core.standing_token(account) if scopes is None else self.core.new_token(account, scopes)

    def revoke(self, token: str) -> None:
        self.core.store.execute("delete from token where value = ?", token)

    def create_repo(
        self, full_name: str, files: Mapping[str, Content] | None = None, *, private: bool = False, branch: str = "main"
    ) -> Repository:
        """A repository, with `files` as its first commit on `branch`, or empty."""
        owner, name = full_name.split("/")
        made = self.core.create_repository(self._account(owner), name, private=private, default_branch=branch)
        if files:
            self.commit(full_name, branch, files)
        return made

    def commit(
        self,
        full_name: str,
        branch: str = "main",
        files: Mapping[str, Content] | None = None,
        message: str = "Change something",
        *,
        author: str | None = None,
        onto: str | None = None,
    ) -> str:
        """Commit as if it was pushed, and return the hash.

        Its parent is the branch, else the default branch; or `onto` (a branch or hash), which may be a force-push.
        """
        repository = self.repo(full_name)
        account = self._account(author) if author else self.core.owner(repository)
        with self.core.changing(repository, account) as path:
            start = onto or branch
            parent = git.resolve(path, start) or git.resolve(path, repository.default_branch)
            who = git.Person(account.name, account.email)
            return git.commit(path, branch, files or {}, message, who, parent)

    def point(self, full_name: str, branch: str, target: str | None) -> None:
        """Move a branch to what `target` names (making it where it is missing), or with None delete it."""
        repository = self.repo(full_name)
        with self.core.changing(repository, self.core.owner(repository)) as path:
            git.move(path, f"refs/heads/{branch}", git.resolve(path, target) if target else None)

    def head(self, full_name: str, branch: str = "main") -> str | None:
        return git.refs(self.core.path(self.repo(full_name).id)).get(f"refs/heads/{branch}")

    def push_url(self, full_name: str, login: str | None = None) -> str:
        """A Git remote with credentials of `login` (the owner, unless told)."""
        login = login or full_name.split("/")[0]
        return f"http://{login}:{self.token(login)}@{self.url.split('://')[1]}/{full_name}.git"

    def rename(self, full_name: str, name: str) -> None:
        repository = self.repo(full_name)
        self.core.rename(repository, name, self.core.owner(repository))

    def allow(self, full_name: str, login: str, right: str | None) -> None:
        """Give a user read, write or admin on a repository, or with None nothing."""
        self.core.set_permission(self.repo(full_name), self._account(login), right)

    @contextlib.contextmanager
    def drop_deliveries(self) -> Iterator[None]:
        """Lose every webhook delivery of this block, without a trace."""
        self.faults.drop_deliveries = True
        try:
            yield
        finally:
            self.faults.drop_deliveries = False

    def answer_next(self, *codes: int) -> None:
        """Give these HTTP codes to the next API calls instead of an answer."""
        self.faults.answers.extend(codes)

    def settle(self) -> None:
        """Wait until every delivery so far has been answered."""
        self.core.courier.settle()

    def deliveries(self, full_name: str, event: str | None = None) -> list[Delivery]:
        """What was delivered to the repository's webhooks, oldest first, once all of it is answered."""
        self.settle()
        hooks = self.core.store.select(Hook, "repository_id = ?", self.repo(full_name).id)
        rows = [row for hook in hooks for row in self.core.store.select(Delivery, "hook_id = ? order by id", hook.id)]
        return [row for row in rows if event in (None, row.event)]

    def statuses(self, full_name: str, sha: str) -> list[Status]:
        """Commit statuses, oldest first."""
        where = "repository_id = ? and sha = ? order by id"
        return self.core.store.select(Status, where, self.repo(full_name).id, sha)

    def repo(self, full_name: str) -> Repository:
        found = self.core.repository(*full_name.split("/"))
        if not found:
            raise LookupError(f"no repository {full_name}")
        return found

    def _account(self, login: str) -> Account:
        return self.core.store.one(Account, "login = ?", login)
