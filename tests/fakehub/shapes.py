"""REST answers in GitHub's shape; tests/engine/test_fakehub_conformance.py holds them to its OpenAPI description."""

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.fakehub import git
from tests.fakehub.links import REPOSITORY_LINKS, USER_LINKS
from tests.fakehub.store import Account, Delivery, DeployKey, Hook, Repository, Status, Token

if TYPE_CHECKING:
    from tests.fakehub.hub import Hub

Shape = dict[str, Any]

RIGHTS = {"none": 0, "read": 1, "write": 2, "admin": 3}


def _utc(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int | str) -> str:
    return base64.b64encode(f"{kind}{number}".encode()).decode()


def simple_user(hub: "Hub", account: Account) -> Shape:
    url = f"{hub.api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{hub.url}/avatars/{account.login}.svg",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{hub.url}/{account.login}",
        **{name: url + tail for name, tail in USER_LINKS.items()},
        "type": "User",
        "site_admin": False,
    }


def public_user(hub: "Hub", account: Account) -> Shape:
    repositories = hub.store.select(Repository, "owner_id = ?", account.id)
    return {
        **simple_user(hub, account),
        "name": account.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": account.email,
        "hireable": None,
        "bio": None,
        "public_repos": sum(not repository.private for repository in repositories),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": account.created_at,
        "updated_at": account.created_at,
    }


def private_user(hub: "Hub", account: Account) -> Shape:
    private = len(hub.store.select(Repository, "owner_id = ? and private", account.id))
    return {
        **public_user(hub, account),
        "private_gists": 0,
        "total_private_repos": private,
        "owned_private_repos": private,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": False,
    }


def repository(hub: "Hub", repo: Repository, reader: Account | None) -> Shape:
    """`full-repository` of the description; `webhook_repository` is what it has in common with webhook bodies."""
    rights = RIGHTS[hub.permission(repo, reader)]
    return {
        **webhook_repository(hub, repo),
        "network_count": 0,
        "subscribers_count": 0,
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "permissions": {
            "admin": rights >= 3,
            "maintain": rights >= 3,
            "push": rights >= 2,
            "triage": rights >= 2,
            "pull": rights >= 1,
        },
    }


def _ssh_url(hub: "Hub", host: str, full_name: str) -> str:
    """GitHub's are all of the first form, as it listens on port 22."""
    return f"ssh://git@{host}:{hub.ssh_port}/{full_name}.git" if hub.ssh_port else f"git@{host}:{full_name}.git"


def webhook_repository(hub: "Hub", repo: Repository) -> Shape:
    full_name = hub.full_name(repo)
    page, url = f"{hub.url}/{full_name}", f"{hub.api}/repos/{full_name}"
    host = hub.url.split("://", 1)[1]
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": full_name,
        "private": repo.private,
        "owner": simple_user(hub, hub.owner(repo)),
        "html_url": page,
        "description": repo.description,
        "fork": False,
        "url": url,
        **{name: url + tail for name, tail in REPOSITORY_LINKS.items()},
        "created_at": repo.created_at,
        "updated_at": repo.pushed_at,
        "pushed_at": repo.pushed_at,
        "git_url": f"git://{host}/{full_name}.git",
        "ssh_url": _ssh_url(hub, host.split(":")[0], full_name),
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": "Python",
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": True,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": 0,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "custom_properties": {},
        "visibility": "private" if repo.private else "public",
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": repo.default_branch,
    }


def branch(hub: "Hub", repo: Repository, name: str, sha: str) -> Shape:
    url = f"{hub.api}/repos/{hub.full_name(repo)}"
    return {"name": name, "commit": {"sha": sha, "url": f"{url}/commits/{sha}"}, "protected": False}


def full_branch(hub: "Hub", repo: Repository, name: str, sha: str) -> Shape:
    full_name = hub.full_name(repo)
    url = f"{hub.api}/repos/{full_name}/branches/{quote(name)}"
    off = {"enabled": False, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}}
    return {
        "name": name,
        "commit": commit(hub, repo, git.log(hub.path(repo.id), sha, limit=1)[0]),
        "_links": {"self": url, "html": f"{hub.url}/{full_name}/tree/{quote(name)}"},
        "protected": False,
        "protection": off,
        "protection_url": f"{url}/protection",
    }


def git_commit(hub: "Hub", repo: Repository, made: git.Commit) -> Shape:
    url = f"{hub.api}/repos/{hub.full_name(repo)}/git"
    return {
        "author": {"name": made.author.name, "email": made.author.email, "date": _utc(made.authored_at)},
        "committer": {"name": made.committer.name, "email": made.committer.email, "date": _utc(made.committed_at)},
        "message": made.message,
        "tree": {"sha": made.tree, "url": f"{url}/trees/{made.tree}"},
        "url": f"{url}/commits/{made.sha}",
        "comment_count": 0,
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def commit(hub: "Hub", repo: Repository, made: git.Commit) -> Shape:
    full_name = hub.full_name(repo)
    url = f"{hub.api}/repos/{full_name}/commits"
    page = f"{hub.url}/{full_name}/commit"
    people = {
        person.email: hub.store.first(Account, "email = ?", person.email) for person in (made.author, made.committer)
    }
    users = {email: simple_user(hub, account) if account else None for email, account in people.items()}
    return {
        "sha": made.sha,
        "node_id": node_id("Commit", made.sha),
        "commit": git_commit(hub, repo, made),
        "url": f"{url}/{made.sha}",
        "html_url": f"{page}/{made.sha}",
        "comments_url": f"{url}/{made.sha}/comments",
        "author": users[made.author.email],
        "committer": users[made.committer.email],
        "parents": [{"sha": sha, "url": f"{url}/{sha}", "html_url": f"{page}/{sha}"} for sha in made.parents],
    }


def status(hub: "Hub", repo: Repository, row: Status) -> Shape:
    creator = simple_user(hub, hub.account_by_id(row.creator_id))
    return {**brief_status(hub, repo, row), "creator": creator}


def brief_status(hub: "Hub", repo: Repository, row: Status) -> Shape:
    return {
        "url": f"{hub.api}/repos/{hub.full_name(repo)}/statuses/{row.sha}",
        "avatar_url": f"{hub.url}/avatars/{hub.account_by_id(row.creator_id).login}.svg",
        "id": row.id,
        "node_id": node_id("StatusContext", row.id),
        "state": row.state,
        "description": row.description,
        "target_url": row.target_url,
        "context": row.context,
        "created_at": row.created_at,
        "updated_at": row.created_at,
    }


def hook(hub: "Hub", repo: Repository, row: Hook, last_response: Delivery | None) -> Shape:
    url = f"{hub.api}/repos/{hub.full_name(repo)}/hooks/{row.id}"
    config = {"content_type": row.content_type, "insecure_ssl": row.insecure_ssl, "url": row.url}
    if row.secret:
        config["secret"] = "********"
    last: Shape = {"code": None, "status": "unused", "message": None}
    if last_response:
        fine = 200 <= last_response.status_code < 300
        word = "active" if fine else "invalid_response" if last_response.response_headers else "connection_error"
        last = {"code": last_response.status_code, "status": word, "message": last_response.status}
    return {
        "type": "Repository",
        "id": row.id,
        "name": "web",
        "active": row.active,
        "events": row.events,
        "config": config,
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": last,
    }


def delivery_item(repo: Repository, row: Delivery) -> Shape:
    return {
        "id": row.id,
        "guid": row.guid,
        "delivered_at": row.delivered_at,
        "redelivery": row.redelivery,
        "duration": row.duration,
        "status": row.status,
        "status_code": row.status_code,
        "event": row.event,
        "action": row.action,
        "installation_id": None,
        "repository_id": repo.id,
        "throttled_at": None,
    }


def deploy_key(hub: "Hub", repo: Repository, row: DeployKey) -> Shape:
    return {
        "id": row.id,
        "key": row.key,
        "url": f"{hub.api}/repos/{hub.full_name(repo)}/keys/{row.id}",
        "title": row.title,
        "verified": True,
        "created_at": row.created_at,
        "read_only": row.read_only,
        "added_by": hub.account_by_id(row.creator_id).login,
        "last_used": None,
        "enabled": True,
    }


def email(account: Account) -> Shape:
    return {"email": account.email, "primary": True, "verified": True, "visibility": "public"}


def scopes(token: Token | None) -> str:
    return ", ".join(token.scopes.split(",")) if token else ""
