"""REST: what changes a repository's content: refs, merges, files."""

import base64
import binascii
import re
from urllib.parse import quote

from starlette.responses import Response

from tests.fakehub import git, shapes
from tests.fakehub.api_commits import branches_of
from tests.fakehub.rest import Address, Call, Refusal, json_answer, not_found, nothing
from tests.fakehub.store import Account, Repository


def author_of(account: Account) -> git.Person:
    return git.Person(account.name, account.email)


def _ref_shape(call: Call, repository: Repository, ref: str, sha: str) -> shapes.Shape:
    url = f"{call.hub.api}/repos/{call.hub.full_name(repository)}/git"
    about = {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"}
    return {"ref": ref, "node_id": shapes.node_id("Ref", ref), "url": f"{url}/{quote(ref)}", "object": about}


def get_ref(call: Call) -> Response:
    repository = call.repository()
    ref = f"refs/{call.path('ref')}"
    sha = git.refs(call.hub.path(repository.id)).get(ref)
    if not sha:
        raise not_found()
    return json_answer(_ref_shape(call, repository, ref, sha))


def create_ref(call: Call) -> Response:
    repository = call.repository("write")
    ref, sha = call.text("ref", "Reference"), call.text("sha", "Reference")
    path = call.hub.path(repository.id)
    if not re.match(r"refs/(heads|tags)/.", ref):
        raise Refusal(422, "Reference name must start with 'refs/' and contain two slashes.")
    if ref in git.refs(path):
        raise Refusal(422, "Reference already exists")
    if not git.resolve(path, sha):
        raise Refusal(422, "Object does not exist")
    try:
        with call.hub.changing(repository, call.account):
            git.move(path, ref, sha)
    except git.GitError as error:
        raise Refusal(422, f"{ref} is not a valid ref name.") from error
    return json_answer(_ref_shape(call, repository, ref, sha), 201)


def update_ref(call: Call) -> Response:
    repository = call.repository("write")
    ref, sha = f"refs/{call.path('ref')}", call.text("sha", "Reference")
    path = call.hub.path(repository.id)
    old = git.refs(path).get(ref)
    if not old:
        raise Refusal(422, "Reference does not exist")
    if not git.resolve(path, sha):
        raise Refusal(422, "Object does not exist")
    if not call.body.get("force") and not git.is_ancestor(path, old, sha):
        raise Refusal(422, "Update is not a fast forward")
    with call.hub.changing(repository, call.account):
        git.move(path, ref, sha)
    return json_answer(_ref_shape(call, repository, ref, sha))


def delete_ref(call: Call) -> Response:
    repository = call.repository("write")
    ref = f"refs/{call.path('ref')}"
    if ref not in git.refs(call.hub.path(repository.id)):
        raise Refusal(422, "Reference does not exist")
    with call.hub.changing(repository, call.account) as path:
        git.move(path, ref, None)
    return nothing()


def merge(call: Call) -> Response:
    """201 with the merge, 204 where there is nothing to merge, 409 where the two conflict."""
    repository = call.repository("write")
    base, head = call.text("base", "Merge"), call.text("head", "Merge")
    path = call.hub.path(repository.id)
    base_sha, head_sha = branches_of(call, repository).get(base), git.resolve(path, head)
    if not base_sha or not head_sha:
        raise Refusal(404, "Base does not exist" if not base_sha else "Head does not exist")
    if git.is_ancestor(path, head_sha, base_sha):
        return nothing()
    message = str(call.body.get("commit_message") or f"Merge {head} into {base}")
    with call.hub.changing(repository, call.account):
        made = git.merge(path, base_sha, head_sha, message, author_of(call.account))
        if not made:
            raise Refusal(409, "Merge conflict")
        git.move(path, f"refs/heads/{base}", made)
    return json_answer(shapes.commit(call.hub, repository, git.log(path, made, limit=1)[0]), 201)


def _content_shape(call: Call, repository: Repository, ref: str, entry: git.Entry) -> shapes.Shape:
    full_name = call.hub.full_name(repository)
    address = quote(entry.path)
    url = f"{call.hub.api}/repos/{full_name}/contents/{address}?ref={quote(ref)}"
    git_url = f"{call.hub.api}/repos/{full_name}/git/{entry.kind}s/{entry.sha}"
    html_url = f"{call.hub.url}/{full_name}/{entry.kind}/{quote(ref)}/{address}"
    return {
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "type": "dir" if entry.kind == "tree" else "submodule" if entry.kind == "commit" else "file",
        "url": url,
        "git_url": git_url,
        "html_url": html_url,
        "download_url": html_url.replace("/blob/", "/raw/", 1) if entry.kind == "blob" else None,
        "_links": {"self": url, "git": git_url, "html": html_url},
    }


def get_contents(call: Call) -> Response:
    repository = call.repository()
    ref = call.request.query_params.get("ref") or repository.default_branch
    path, name = call.hub.path(repository.id), call.request.path_params.get("path", "")
    sha = git.resolve(path, ref)
    found = git.listing(path, sha, name) if sha else []
    if not sha or not found:
        raise not_found()
    if found[0].path == name and found[0].kind == "blob":
        content = base64.encodebytes(git.blob(path, found[0].sha)).decode()
        shape = _content_shape(call, repository, ref, found[0])
        return json_answer({**shape, "content": content, "encoding": "base64"})
    entries = git.listing(path, sha, f"{name.strip('/')}/") if name else found
    return json_answer([_content_shape(call, repository, ref, entry) for entry in entries])


def put_contents(call: Call) -> Response:
    try:
        content = base64.b64decode(call.text("content", "Content"), validate=False)
    except binascii.Error as error:
        raise Refusal(422, "content is not valid Base64") from error
    return _change_file(call, content)


def delete_contents(call: Call) -> Response:
    return _change_file(call, None)


def _change_file(call: Call, content: bytes | None) -> Response:
    repository = call.repository("write")
    name, message = call.path("path"), call.text("message", "Content")
    branch = str(call.body.get("branch") or repository.default_branch)
    with call.hub.changing(repository, call.account) as path:
        heads = branches_of(call, repository)
        if heads and branch not in heads:
            raise Refusal(404, f"Branch {branch} not found")
        current = next(iter(git.listing(path, heads[branch], name)), None) if heads else None
        _check_blob(call, name, current, removing=content is None)
        author = author_of(call.account)
        sha = git.commit(path, branch, {name: content}, message, author, heads.get(branch))
    made = git.log(path, sha, limit=1)[0]
    about = {**shapes.git_commit(call.hub, repository, made), "sha": sha, "node_id": shapes.node_id("Commit", sha)}
    about["html_url"] = f"{call.hub.url}/{call.hub.full_name(repository)}/commit/{sha}"
    url = f"{call.hub.api}/repos/{call.hub.full_name(repository)}/git/commits"
    page_url = f"{call.hub.url}/{call.hub.full_name(repository)}/commit"
    about["parents"] = [{"sha": p, "url": f"{url}/{p}", "html_url": f"{page_url}/{p}"} for p in made.parents]
    shape = _content_shape(call, repository, branch, git.listing(path, sha, name)[0]) if content is not None else None
    return json_answer({"content": shape, "commit": about}, 201 if content is not None and not current else 200)


def _check_blob(call: Call, name: str, current: git.Entry | None, *, removing: bool) -> None:
    """Who changes a file must say which content of it he knows."""
    given = call.body.get("sha")
    if removing and not current:
        raise not_found()
    if current and not given:
        raise Refusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given and (not current or given != current.sha):
        raise Refusal(409, f"{name} does not match {given}")


REPOSITORY_ADDRESSES = [
    Address("GET", "/git/ref/{ref:path}", get_ref),
    Address("POST", "/git/refs", create_ref),
    Address("PATCH", "/git/refs/{ref:path}", update_ref),
    Address("DELETE", "/git/refs/{ref:path}", delete_ref),
    Address("POST", "/merges", merge),
    Address("GET", "/contents", get_contents),
    Address("GET", "/contents/{path:path}", get_contents),
    Address("PUT", "/contents/{path:path}", put_contents),
    Address("DELETE", "/contents/{path:path}", delete_contents),
]
