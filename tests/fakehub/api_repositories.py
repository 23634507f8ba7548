"""REST: repositories, who may do what in them, deploy keys."""

import re
import sqlite3

from starlette.responses import Response

from tests.fakehub import git, shapes
from tests.fakehub.rest import Address, Call, Refusal, invalid, json_answer, not_found, nothing, page
from tests.fakehub.store import Account, Collaborator, DeployKey, Repository, now

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
PUBLIC_KEY = re.compile(r"(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+( .*)?")


def create_repository(call: Call) -> Response:
    owner = call.account
    call.need_scope("public_repo")
    name = _name(call)
    try:
        made = call.hub.create_repository(
            owner,
            name,
            private=bool(call.body.get("private")),
            description=str(call.body.get("description") or ""),
        )
    except sqlite3.IntegrityError as error:
        raise _name_taken() from error
    if call.body.get("auto_init"):
        author = git.Person(owner.name, owner.email)
        with call.hub.changing(made, owner) as path:
            git.commit(path, made.default_branch, {"README.md": f"# {name}\n"}, "Initial commit", author, None)
    return json_answer(shapes.repository(call.hub, made, owner), 201)


def _name(call: Call) -> str:
    name = call.text("name", "Repository")
    if not NAME.fullmatch(name) or name in {".", ".."}:
        raise invalid("Repository", "name", "custom", "name is invalid", summary="Repository creation failed.")
    return name.removesuffix(".git")


def _name_taken() -> Refusal:
    message = "name already exists on this account"
    return invalid("Repository", "name", "custom", message, summary="Repository creation failed.")


def get_repository(call: Call) -> Response:
    return json_answer(shapes.repository(call.hub, call.repository(), call.reader))


def update_repository(call: Call) -> Response:
    repository = call.repository("admin")
    wanted = {name: call.body[name] for name in ("description", "private", "default_branch") if name in call.body}
    branch = wanted.get("default_branch")
    if branch:
        if f"refs/heads/{branch}" not in git.refs(call.hub.path(repository.id)):
            raise invalid("Repository", "default_branch", "invalid", f"The branch {branch} was not found.")
        git.git(call.hub.path(repository.id), "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    if wanted:
        call.hub.store.update("repository", repository.id, **wanted)
    if call.body.get("name", repository.name) != repository.name:
        try:
            call.hub.rename(repository, _name(call), call.account)
        except sqlite3.IntegrityError as error:
            raise _name_taken() from error
    changed = call.hub.repository_by_id(repository.id)
    return json_answer(shapes.repository(call.hub, changed, call.account))


def delete_repository(call: Call) -> Response:
    repository = call.repository("admin", "delete_repo")
    call.hub.delete_repository(repository, call.account)
    return nothing()


def transfer_repository(call: Call) -> Response:
    repository = call.repository("admin")
    new_owner = call.hub.account(call.text("new_owner", "Repository"))
    if not new_owner:
        raise invalid("Repository", "new_owner", "invalid", "new_owner could not be found")
    if call.hub.repository(new_owner.login, repository.name):
        raise invalid("Repository", "name", "custom", "Repository has already been taken.")
    moved = call.hub.transfer(repository, new_owner, call.account)
    return json_answer(shapes.repository(call.hub, moved, call.account), 202)


def _collaborator(call: Call, repository: Repository, account: Account) -> shapes.Shape:
    right = call.hub.permission(repository, account)
    rights = shapes.repository(call.hub, repository, account)["permissions"]
    return {**shapes.simple_user(call.hub, account), "permissions": rights, "role_name": right}


def list_collaborators(call: Call) -> Response:
    repository = call.repository("write")
    rows = call.hub.store.select(Collaborator, "repository_id = ?", repository.id)
    accounts = [call.hub.owner(repository), *(call.hub.account_by_id(row.account_id) for row in rows)]
    return page(call, accounts, lambda account: _collaborator(call, repository, account))


def check_collaborator(call: Call) -> Response:
    repository = call.repository("write")
    account = call.hub.account(call.path("login"))
    where = "repository_id = ? and account_id = ?"
    if account and account.id == repository.owner_id:
        return nothing()
    if not account or not call.hub.store.first(Collaborator, where, repository.id, account.id):
        raise not_found()
    return nothing()


def add_collaborator(call: Call) -> Response:
    """Adds at once, where GitHub sends an invitation first."""
    repository = call.repository("admin")
    account = call.hub.account(call.path("login"))
    if not account:
        raise not_found()
    words = {"pull": "read", "triage": "read", "push": "write", "maintain": "write", "admin": "admin"}
    right = words.get(call.body.get("permission", "push"))
    if not right:
        raise invalid("Collaborator", "permission", "invalid")
    call.hub.set_permission(repository, account, right)
    return nothing()


def remove_collaborator(call: Call) -> Response:
    repository = call.repository("admin")
    account = call.hub.account(call.path("login"))
    if account:
        call.hub.set_permission(repository, account, None)
    return nothing()


def get_permission(call: Call) -> Response:
    repository = call.repository("write")
    account = call.hub.account(call.path("login"))
    if not account:
        raise Refusal(404, f"{call.path('login')} is not a user")
    right = call.hub.permission(repository, account)
    return json_answer({"permission": right, "role_name": right, "user": _collaborator(call, repository, account)})


def list_keys(call: Call) -> Response:
    repository = call.repository("admin")
    keys = call.hub.store.select(DeployKey, "repository_id = ? order by id", repository.id)
    return page(call, keys, lambda key: shapes.deploy_key(call.hub, repository, key))


def create_key(call: Call) -> Response:
    repository = call.repository("admin")
    key = call.text("key", "PublicKey")
    if not PUBLIC_KEY.fullmatch(key.strip()):
        message = "key is invalid. You must supply a key in OpenSSH public key format"
        raise invalid("PublicKey", "key", "custom", message)
    material = " ".join(key.split()[:2])
    if call.hub.store.first(DeployKey, "key = ?", material):
        raise invalid("PublicKey", "key", "custom", "key is already in use")
    key_id = call.hub.store.insert(
        "deploy_key",
        repository_id=repository.id,
        title=str(call.body.get("title") or ""),
        key=material,
        read_only=bool(call.body.get("read_only")),
        created_at=now(),
        creator_id=call.account.id,
    )
    return json_answer(shapes.deploy_key(call.hub, repository, call.hub.store.one(DeployKey, "id = ?", key_id)), 201)


def _key(call: Call, repository: Repository) -> DeployKey:
    key = call.hub.store.first(DeployKey, "repository_id = ? and id = ?", repository.id, call.path("key_id"))
    if not key:
        raise not_found()
    return key


def get_key(call: Call) -> Response:
    repository = call.repository("admin")
    return json_answer(shapes.deploy_key(call.hub, repository, _key(call, repository)))


def delete_key(call: Call) -> Response:
    key = _key(call, call.repository("admin"))
    call.hub.store.execute("delete from deploy_key where id = ?", key.id)
    return nothing()


ADDRESSES = [Address("POST", "/user/repos", create_repository)]
REPOSITORY_ADDRESSES = [
    Address("GET", "", get_repository),
    Address("PATCH", "", update_repository),
    Address("DELETE", "", delete_repository),
    Address("POST", "/transfer", transfer_repository),
    Address("GET", "/collaborators", list_collaborators),
    Address("GET", "/collaborators/{login}", check_collaborator),
    Address("PUT", "/collaborators/{login}", add_collaborator),
    Address("DELETE", "/collaborators/{login}", remove_collaborator),
    Address("GET", "/collaborators/{login}/permission", get_permission),
    Address("GET", "/keys", list_keys),
    Address("POST", "/keys", create_key),
    Address("GET", "/keys/{key_id:int}", get_key),
    Address("DELETE", "/keys/{key_id:int}", delete_key),
]
