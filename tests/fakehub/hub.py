"""The stand-in's acts: accounts, repositories, and what a change of branches sets off.

Whatever moves a branch - a push over HTTP, a merge by the API, a commit made by a test - goes through `Hub.changing`,
so that each of them is told to the webhooks in the same way.
"""

import secrets
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakehub import events, git
from tests.fakehub.delivery import Courier
from tests.fakehub.store import Account, Collaborator, Hook, Repository, Store, Token, now

ALL_SCOPES = "repo,admin:repo_hook,user:email"


@dataclass
class Faults:
    """What a test may break. `answers` are HTTP codes given, one a call, to the next API calls."""

    drop_deliveries: bool = False
    answers: list[int] = field(default_factory=list)


class Hub:
    def __init__(self, root: Path, url: str, client_id: str = "", client_secret: str = "") -> None:
        """The OAuth client is the given one, or one made at the first start."""
        self.root, self.url = root, url.rstrip("/")
        self.ssh_port = 0  # while Git is served over SSH
        self.faults = Faults()
        (root / "git").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(root / "state.sqlite3")
        self.courier = Courier(self.store, self.faults)
        self.client_id = client_id or self.store.setting("client_id", f"Ov23li{secrets.token_hex(7)}")
        self.client_secret = client_secret or self.store.setting("client_secret", secrets.token_hex(20))
        self._locks: defaultdict[int, threading.RLock] = defaultdict(threading.RLock)

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    def close(self) -> None:
        self.courier.close()
        self.store.close()

    # Accounts

    def create_account(self, login: str, name: str = "", email: str = "") -> Account:
        values = {"name": name or login.title(), "email": email or f"{login}@example.com", "created_at": now()}
        return self.account_by_id(self.store.insert("account", login=login, **values))

    def account_by_id(self, account_id: int) -> Account:
        return self.store.one(Account, "id = ?", account_id)

    def account(self, login: str) -> Account | None:
        return self.store.first(Account, "login = ?", login)

    def new_token(self, account: Account, scopes: str = ALL_SCOPES) -> str:
        value = f"gho_{secrets.token_hex(18)}"
        self.store.insert("token", value=value, account_id=account.id, scopes=scopes)
        return value

    def standing_token(self, account: Account) -> str:
        """The account's own token for `git push`, the same at every start."""
        value = self.store.setting(f"token:{account.login}", f"ghp_{secrets.token_hex(18)}")
        if not self.store.first(Token, "value = ?", value):
            self.store.insert("token", value=value, account_id=account.id, scopes=ALL_SCOPES)
        return value

    # Repositories

    def create_repository(
        self, owner: Account, name: str, *, private: bool = False, default_branch: str = "main", description: str = ""
    ) -> Repository:
        """Raises sqlite3.IntegrityError where the owner has one of that name."""
        stamp = now()
        repository_id = self.store.insert(
            "repository",
            owner_id=owner.id,
            name=name,
            private=private,
            default_branch=default_branch,
            description=description or None,
            created_at=stamp,
            pushed_at=stamp,
        )
        self._forget_former_name(owner.login, name)
        git.create(self.path(repository_id), default_branch)
        return self.repository_by_id(repository_id)

    def repository_by_id(self, repository_id: int) -> Repository:
        return self.store.one(Repository, "id = ?", repository_id)

    def repository(self, owner: str, name: str) -> Repository | None:
        where = "name = ? and owner_id = (select id from account where login = ?)"
        return self.store.first(Repository, where, name, owner)

    def moved_to(self, owner: str, name: str) -> Repository | None:
        """The repository that had this name before it was renamed or transferred."""
        where = "id = (select repository_id from former_name where owner_login = ? and name = ?)"
        return self.store.first(Repository, where, owner, name)

    def owner(self, repository: Repository) -> Account:
        return self.account_by_id(repository.owner_id)

    def full_name(self, repository: Repository) -> str:
        return f"{self.owner(repository).login}/{repository.name}"

    def path(self, repository_id: int) -> Path:
        return self.root / "git" / f"{repository_id}.git"

    def permission(self, repository: Repository, account: Account | None) -> str:
        """admin, write, read or none."""
        if account and account.id == repository.owner_id:
            return "admin"
        where = "repository_id = ? and account_id = ?"
        row = self.store.first(Collaborator, where, repository.id, account.id) if account else None
        return row.permission if row else ("none" if repository.private else "read")

    def rename(self, repository: Repository, name: str, sender: Account) -> Repository:
        """The old name goes on leading here. Raises sqlite3.IntegrityError where the new one is taken."""
        before = self._leave_name(repository)
        self.store.update("repository", repository.id, name=name)
        self._forget_former_name(before, name)
        changes = {"repository": {"name": {"from": repository.name}}}
        return self._tell_change(repository.id, "renamed", changes, sender)

    def transfer(self, repository: Repository, new_owner: Account, sender: Account) -> Repository:
        before = self._leave_name(repository)
        self.store.update("repository", repository.id, owner_id=new_owner.id)
        self._forget_former_name(new_owner.login, repository.name)
        old_owner = events.account(self, self.store.one(Account, "login = ?", before))
        return self._tell_change(repository.id, "transferred", {"owner": {"from": {"user": old_owner}}}, sender)

    def delete_repository(self, repository: Repository, sender: Account) -> None:
        self._tell_change(repository.id, "deleted", {}, sender)
        self.store.execute("delete from repository where id = ?", repository.id)
        shutil.rmtree(self.path(repository.id))

    def set_permission(self, repository: Repository, account: Account, right: str | None) -> None:
        """Make somebody a collaborator with read, write or admin, or with None no longer one."""
        where = "repository_id = ? and account_id = ?"
        self.store.execute(f"delete from collaborator where {where}", repository.id, account.id)
        if right:
            self.store.insert("collaborator", repository_id=repository.id, account_id=account.id, permission=right)

    def _leave_name(self, repository: Repository) -> str:
        login = self.owner(repository).login
        statement = "insert or replace into former_name (owner_login, name, repository_id) values (?, ?, ?)"
        self.store.execute(statement, login, repository.name, repository.id)
        return login

    def _forget_former_name(self, owner: str, name: str) -> None:
        self.store.execute("delete from former_name where owner_login = ? and name = ?", owner, name)

    def _tell_change(
        self, repository_id: int, action: str, changes: Mapping[str, object], sender: Account
    ) -> Repository:
        repository = self.repository_by_id(repository_id)
        self.tell(repository, "repository", events.repository_changed(self, repository, action, changes, sender))
        return repository

    # What webhooks hear

    @contextmanager
    def changing(self, repository: Repository, pusher: Account) -> Iterator[Path]:
        """Tell the webhooks of every branch and tag that moved in this block."""
        path = self.path(repository.id)
        with self._locks[repository.id]:
            before = git.refs(path)
            yield path
            after = git.refs(path)
            moved = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
            if moved:
                self.store.update("repository", repository.id, pushed_at=now())
            current = self.repository_by_id(repository.id)
            for name in moved if self._hooks(current) else []:
                for event, payload in events.for_ref(self, current, name, before, after, pusher):
                    self.tell(current, event, payload)

    def tell(self, repository: Repository, event: str, payload: Mapping[str, object]) -> None:
        """Send an event to the repository's active hooks that listen for it."""
        for hook in self._hooks(repository):
            if event in hook.events or "*" in hook.events:
                self.courier.send(hook, event, payload)

    def _hooks(self, repository: Repository) -> list[Hook]:
        return self.store.select(Hook, "repository_id = ? and active", repository.id)

    def ping(self, hook: Hook, sender: Account) -> None:
        repository = self.repository_by_id(hook.repository_id)
        self.courier.send(hook, "ping", events.ping(self, repository, hook, sender))
