"""GitHub, and GitHub Enterprise, by its REST API (https://docs.github.com/rest)."""

import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import github
import requests
from github.GithubRetry import GithubRetry

from projects.providers import (
    Account,
    BranchHead,
    CommitState,
    Forbidden,
    MergeConflict,
    NotFound,
    Permission,
    ProviderError,
    Push,
    Repository,
    TokenRefused,
    Unreachable,
    ValidationFailed,
    Webhook,
    WebhookDelivery,
)
from projects.providers.github_webhooks import parse_push, verify_signature

__all__ = ["API_URL", "GitHub", "Push", "parse_push", "verify_signature"]

API_URL = "https://api.github.com"
EVENTS = ("push", "repository")
TIMEOUT = 10  # seconds to connect, and for each wait for an answer
RETRIES = 3
LONGEST_WAIT = 5  # seconds; where GitHub wants us to wait longer, the caller is told instead
REPOSITORIES_LISTED = 1000  # at most
DESCRIPTION_LIMIT = 140  # characters of a commit status
PERMISSIONS: dict[str, Permission] = {"admin": "admin", "write": "write", "read": "read", "none": "none"}
FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")

# PyGithub writes to stderr by a handler of its own, and its debug lines hold the webhook secrets that it sends.
logging.getLogger("github").setLevel(logging.WARNING)
logging.getLogger("github").handlers.clear()


class GitHub:
    """The provider for GitHub. A call takes at most about a minute, with all its retries."""

    def __init__(self, token: str, api_url: str = API_URL, *, ca_file: str = "") -> None:
        """`ca_file` is a PEM bundle to trust in place of the machine's own."""
        self._token, self._api_url, self._verify = token, api_url, ca_file or True
        self._github = self._client({"GET", "PATCH", "DELETE"})
        self._insistent = self._client({"GET", "POST"})

    def _client(self, repeatable: set[str]) -> github.Github:
        """A client that repeats calls of these methods after a server's error.

        After one nobody knows whether the call was carried out. So a POST is repeated only where twice does no harm (a
        commit status, a redelivery); elsewhere the caller is told, and finds what is there when he asks again.
        """
        retry = GithubRetry(
            total=RETRIES,
            backoff_factor=0.5,
            allowed_methods=repeatable,
            secondary_rate_wait=LONGEST_WAIT,
            max_rate_limit_wait=LONGEST_WAIT,
            retry_after_max=LONGEST_WAIT,
        )
        return github.Github(
            auth=github.Auth.Token(self._token),
            base_url=self._api_url,
            timeout=TIMEOUT,
            retry=retry,
            per_page=100,
            verify=self._verify,
            user_agent="berth",
            lazy=True,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )

    # People and repositories

    def account(self) -> Account:
        """https://docs.github.com/en/rest/users/users#get-the-authenticated-user"""
        with self._asking("tell whose token this is"):
            user = self._github.get_user()
            return Account(str(user.id), user.login, user.name or "", user.email or "", user.avatar_url)

    def repositories(self) -> Sequence[Repository]:
        """https://docs.github.com/en/rest/repos/repos#list-repositories-for-the-authenticated-user"""
        with self._asking("list your repositories"):
            listed = self._github.get_user().get_repos(sort="pushed")
            return [_repository(each) for each in itertools.islice(listed, REPOSITORIES_LISTED)]

    def repository(self, full_name: str) -> Repository:
        """https://docs.github.com/en/rest/repos/repos#get-a-repository"""
        with self._asking(f"show {full_name}"):
            return _repository(self._github.get_repo(_checked(full_name)).complete())

    def repository_by_id(self, provider_id: str) -> Repository:
        """https://docs.github.com/en/rest/repos/repos#get-a-repository, at /repositories/ID, where answers lead that a
        former name gets.
        """
        with self._asking(f"show the repository {provider_id}"):
            return _repository(self._github.get_repo(int(provider_id)).complete())

    def branches(self, full_name: str) -> Sequence[BranchHead]:
        """https://docs.github.com/en/rest/branches/branches#list-branches"""
        with self._asking(f"list the branches of {full_name}"):
            return [BranchHead(each.name, each.commit.sha) for each in self._repo(full_name).get_branches()]

    def permission(self, full_name: str, login: str) -> Permission:
        """https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user"""
        with self._asking(f"tell what {login} may do in {full_name}"):
            return PERMISSIONS[self._repo(full_name).get_collaborator_permission(login)]

    def create_repository(self, name: str, *, private: bool, description: str = "") -> Repository:
        """https://docs.github.com/en/rest/repos/repos#create-a-repository-for-the-authenticated-user"""
        with self._asking(f"create the repository {name}"):
            owner = self._github.get_user()
            assert isinstance(owner, github.AuthenticatedUser.AuthenticatedUser)
            return _repository(owner.create_repo(name, private=private, description=description))

    def create_file(self, full_name: str, path: str, content: str, *, message: str, branch: str) -> str:
        """https://docs.github.com/en/rest/repos/contents#create-or-update-file-contents"""
        with self._asking(f"create {path} in {full_name}"):
            made = self._repo(full_name).create_file(path, message, content, branch=branch)["commit"]
            return str(made.sha)

    def merge(self, full_name: str, *, base: str, head: str, message: str) -> str | None:
        """https://docs.github.com/en/rest/branches/branches#merge-a-branch"""
        try:
            with self._asking(f"merge {head} into {base}"):
                made = self._repo(full_name).merge(base, head, message)
        except _Conflict:
            raise MergeConflict(
                f"{head} and {base} change the same lines. Nothing was merged: merge {base} into {head} on your "
                "machine, settle the conflict there, and push."
            ) from None
        return made.sha if made else None

    # Webhooks

    def ensure_webhook(self, full_name: str, url: str, secret: str) -> int:
        """https://docs.github.com/en/rest/repos/webhooks#create-a-repository-webhook

        A webhook that is there is always written again: its secret can't be read, so it can't be compared.
        """
        config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        with self._asking(f"install the webhook of {full_name}"):
            repo = self._repo(full_name)
            for hook in repo.get_hooks():
                if hook.config.get("url") == url:
                    hook.edit("web", config, events=list(EVENTS), active=True)
                    return hook.id
            return repo.create_hook("web", config, events=list(EVENTS), active=True).id

    def webhook_state(self, full_name: str, url: str) -> Webhook | None:
        """https://docs.github.com/en/rest/repos/webhooks#list-repository-webhooks"""
        with self._asking(f"list the webhooks of {full_name}"):
            for hook in self._repo(full_name).get_hooks():
                if hook.config.get("url") == url:
                    last = hook.last_response
                    events = tuple(hook.events)
                    return Webhook(hook.id, url, hook.active, events, last.code, last.message or last.status or "")
        return None

    def ping_webhook(self, full_name: str, webhook_id: int) -> None:
        """https://docs.github.com/en/rest/repos/webhooks#ping-a-repository-webhook"""
        path = f"/repos/{_checked(full_name)}/hooks/{webhook_id}/pings"
        with self._asking(f"try the webhook of {full_name}"):
            self._insistent.requester.requestJsonAndCheck("POST", path)

    def delete_webhook(self, full_name: str, webhook_id: int) -> None:
        """https://docs.github.com/en/rest/repos/webhooks#delete-a-repository-webhook"""
        path = f"/repos/{_checked(full_name)}/hooks/{webhook_id}"
        try:
            with self._asking(f"delete the webhook of {full_name}"):
                self._github.requester.requestJsonAndCheck("DELETE", path)
        except NotFound:
            return

    def deliveries(self, full_name: str, webhook_id: int, since: datetime) -> Sequence[WebhookDelivery]:
        """https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook

        `since` has a time zone. GitHub keeps deliveries for three days.
        """
        latest: dict[str, WebhookDelivery] = {}
        with self._asking(f"list the webhook deliveries of {full_name}"):
            for each in self._repo(full_name).get_hook_deliveries(webhook_id):
                if each.delivered_at is None or each.delivered_at < since:
                    break
                made = WebhookDelivery(
                    each.id or 0, each.guid or "", each.event or "", each.delivered_at, each.status_code or 0
                )
                latest.setdefault(made.guid, made)
        return list(latest.values())

    def redeliver(self, full_name: str, webhook_id: int, delivery_id: int) -> None:
        """https://docs.github.com/en/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook"""
        path = f"/repos/{_checked(full_name)}/hooks/{webhook_id}/deliveries/{delivery_id}/attempts"
        with self._asking(f"deliver an event of {full_name} again"):
            self._insistent.requester.requestJsonAndCheck("POST", path)

    # Commits and keys

    def set_commit_status(
        self, full_name: str, sha: str, state: CommitState, *, context: str, description: str, target_url: str
    ) -> None:
        """https://docs.github.com/en/rest/commits/statuses#create-a-commit-status

        A description of more than 140 characters is cut.
        """
        if len(description) > DESCRIPTION_LIMIT:
            description = description[: DESCRIPTION_LIMIT - 1] + "…"
        body = {"state": state, "context": context, "description": description, "target_url": target_url}
        with self._asking(f"set the status of {sha[:7]} in {full_name}"):
            self._insistent.requester.requestJsonAndCheck(
                "POST", f"/repos/{_checked(full_name)}/statuses/{sha}", input=body
            )

    def add_deploy_key(self, full_name: str, title: str, public_key: str, *, read_only: bool = True) -> int:
        """https://docs.github.com/en/rest/deploy-keys/deploy-keys#create-a-deploy-key"""
        material = public_key.split()[:2]  # without the comment, as GitHub keeps it
        with self._asking(f"install a deploy key in {full_name}"):
            repo = self._repo(full_name)
            for each in repo.get_keys():
                if each.key.split()[:2] == material:
                    return each.id
            return repo.create_key(title, " ".join(material), read_only).id

    def delete_deploy_key(self, full_name: str, key_id: int) -> None:
        """https://docs.github.com/en/rest/deploy-keys/deploy-keys#delete-a-deploy-key"""
        path = f"/repos/{_checked(full_name)}/keys/{key_id}"
        try:
            with self._asking(f"remove a deploy key of {full_name}"):
                self._github.requester.requestJsonAndCheck("DELETE", path)
        except NotFound:
            return

    # Underneath

    def _repo(self, full_name: str) -> "github.Repository.Repository":
        """A repository to ask things of, without asking for itself first."""
        return self._github.get_repo(_checked(full_name))

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn what PyGithub raises into our own errors. The original is not chained: it may hold what was sent."""
        try:
            yield
        except github.GithubException as error:
            raise self._refusal(what, error) from None
        except (requests.RequestException, RuntimeError) as error:
            reason = type(error).__name__ if isinstance(error, requests.RequestException) else str(error)
            raise Unreachable(
                self._masked(
                    f"GitHub at {self._api_url} could not {what}: {reason}. It may work again in a few minutes."
                )
            ) from None

    def _refusal(self, what: str, error: github.GithubException) -> ProviderError:
        data = error.data if isinstance(error.data, dict) else {}
        details = [
            str(each.get("message") or each) if isinstance(each, dict) else str(each)
            for each in data.get("errors") or []
        ]
        said = "; ".join([str(data.get("message") or error.message or error.status), *details])
        kind, advice = _meaning(error)
        return kind(self._masked(f"GitHub did not {what}: {said}. {advice}".strip()))

    def _masked(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text


class _Conflict(ProviderError):
    """HTTP 409."""


def _meaning(error: github.GithubException) -> tuple[type[ProviderError], str]:
    """Which of our errors an answer is, and what the person can do."""
    if isinstance(error, github.RateLimitExceededException) or error.status == 429:
        return Unreachable, "It has had too many requests with this token; it takes more of them within the hour."
    if error.status == 401:
        return TokenRefused, "The token was refused: sign in with GitHub again."
    if error.status == 403:
        return (
            Forbidden,
            "The token doesn't carry that right: ask an admin of the repository to do it, or for the right.",
        )
    if error.status == 404:
        return NotFound, "Check the name, and that the person whose token this is may see it and do this."
    if error.status == 409:
        return _Conflict, ""
    if error.status >= 500:
        return Unreachable, "It may work again in a few minutes."
    return ValidationFailed, "Nothing was changed."


def _checked(full_name: str) -> str:
    """The name, which becomes part of an address. Raises ValidationFailed."""
    if not FULL_NAME.fullmatch(full_name) or full_name.split("/")[1] in {".", ".."}:
        raise ValidationFailed(f"{full_name!r} is not the name of a GitHub repository. Write it as owner/name.")
    return full_name


def _repository(repo: "github.Repository.Repository") -> Repository:
    return Repository(
        full_name=repo.full_name,
        clone_url=repo.clone_url,
        ssh_url=repo.ssh_url,
        html_url=repo.html_url,
        private=repo.private,
        default_branch=repo.default_branch,
        provider_id=str(repo.id),
    )
