"""What Berth asks of a place where repositories live: GitHub today, others through the same interface.

A provider speaks for one person: it is made with that person's token. Every call may raise `ProviderError`, whose text
can be shown to people: it says what was refused and what to do, and never holds the token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

CommitState = Literal["pending", "success", "failure", "error"]
Permission = Literal["admin", "write", "read", "none"]


class ProviderError(Exception):
    """The provider did not do what it was asked for."""

    transient: ClassVar[bool] = False


class NotFound(ProviderError):
    """There is no such thing, or the token may not see it (providers don't tell these apart)."""


class Forbidden(ProviderError):
    """The token is invalid, or doesn't carry the right."""


class TokenRefused(Forbidden):
    """The token is no good any more: the person took the grant back, or it ran out."""


class ValidationFailed(ProviderError):
    """What was sent makes no sense to the provider, or what it sent makes none to us."""


class MergeConflict(ProviderError):
    """The two branches change the same lines; nothing was merged."""


class Unreachable(ProviderError):
    """No answer, a server's error, or too many requests: the same call may work later."""

    transient = True


@dataclass(frozen=True)
class Repository:
    """`provider_id` stays the same when the repository is renamed or transferred."""

    full_name: str
    clone_url: str
    ssh_url: str
    html_url: str
    private: bool
    default_branch: str
    provider_id: str


@dataclass(frozen=True)
class BranchHead:
    name: str
    sha: str


@dataclass(frozen=True)
class Account:
    """`email` is empty where the person keeps it private."""

    id: str
    login: str
    name: str
    email: str
    avatar_url: str


@dataclass(frozen=True)
class Webhook:
    """A webhook and its latest delivery: `last_code` is the HTTP code that it got, None before the first one."""

    id: int
    url: str
    active: bool
    events: tuple[str, ...]
    last_code: int | None
    last_message: str

    @property
    def muted(self) -> bool:
        """Whether pushes are no longer told."""
        return not self.active or not {"push", "*"} & set(self.events)


@dataclass(frozen=True)
class WebhookDelivery:
    """The latest attempt to deliver one event; `guid` is what the receiver saw, `id` what redelivery wants."""

    id: int
    guid: str
    event: str
    delivered_at: datetime
    status_code: int

    @property
    def arrived(self) -> bool:
        return 200 <= self.status_code < 300


@dataclass(frozen=True)
class Push:
    """A branch or tag that moved. `branch` is None for a tag; `author` and `message` are those of the new head."""

    full_name: str
    provider_id: str
    branch: str | None
    before: str
    after: str
    created: bool
    deleted: bool
    forced: bool
    commits: int
    author: str
    message: str
    pusher: str


class Provider(Protocol):
    """Repositories are named as the provider names them (`owner/name`)."""

    def account(self) -> Account:
        """Whose token it is; asking also tells whether the token is valid."""

    def repositories(self) -> Sequence[Repository]:
        """Those that the person may see, latest push first."""

    def repository(self, full_name: str) -> Repository:
        """A former name leads to the repository as it is named now."""

    def repository_by_id(self, provider_id: str) -> Repository:
        """Whatever it is called by now."""

    def branches(self, full_name: str) -> Sequence[BranchHead]: ...

    def permission(self, full_name: str, login: str) -> Permission: ...

    def create_repository(self, name: str, *, private: bool, description: str = "") -> Repository:
        """An empty repository of the person's own. Raises ValidationFailed where the name is taken."""

    def create_file(self, full_name: str, path: str, content: str, *, message: str, branch: str) -> str:
        """Commit a new file and return the commit's hash; the first one makes the branch."""

    def merge(self, full_name: str, *, base: str, head: str, message: str) -> str | None:
        """Merge `head` into the branch `base`: the merge's hash, or None where there is nothing to merge.

        Raises MergeConflict.
        """

    def ensure_webhook(self, full_name: str, url: str, secret: str) -> int:
        """Install the webhook at `url`, or repair the one that is there. Returns its id."""

    def webhook_state(self, full_name: str, url: str) -> Webhook | None: ...

    def ping_webhook(self, full_name: str, webhook_id: int) -> None:
        """Let the provider send it something harmless now."""

    def delete_webhook(self, full_name: str, webhook_id: int) -> None:
        """Remove it; not an error where it is gone already."""

    def deliveries(self, full_name: str, webhook_id: int, since: datetime) -> Sequence[WebhookDelivery]:
        """What was sent since then, newest first, one per event. What is not among them was never sent."""

    def redeliver(self, full_name: str, webhook_id: int, delivery_id: int) -> None: ...

    def set_commit_status(
        self, full_name: str, sha: str, state: CommitState, *, context: str, description: str, target_url: str
    ) -> None: ...

    def add_deploy_key(self, full_name: str, title: str, public_key: str, *, read_only: bool = True) -> int:
        """Install an SSH key and return its id; one that the repository has already is left as it is."""

    def delete_deploy_key(self, full_name: str, key_id: int) -> None:
        """Remove it; not an error where it is gone already."""
