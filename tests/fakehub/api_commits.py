"""REST: branches, commits, comparisons, statuses."""

from urllib.parse import quote

from starlette.responses import Response

from tests.fakehub import git, shapes
from tests.fakehub.rest import Address, Call, Refusal, invalid, json_answer, not_found, page
from tests.fakehub.store import Repository, Status, now

STATES = ("error", "failure", "pending", "success")


def branches_of(call: Call, repository: Repository) -> dict[str, str]:
    """Name -> commit of its branches."""
    refs = git.refs(call.hub.path(repository.id))
    return {ref.removeprefix("refs/heads/"): sha for ref, sha in refs.items() if ref.startswith("refs/heads/")}


def _commit_of(call: Call, repository: Repository, name: str) -> str:
    sha = git.resolve(call.hub.path(repository.id), name)
    if not sha:
        raise Refusal(422, f"No commit found for SHA: {name}")
    return sha


def list_branches(call: Call) -> Response:
    repository = call.repository()
    heads = sorted(branches_of(call, repository).items())
    return page(call, heads, lambda head: shapes.branch(call.hub, repository, *head))


def get_branch(call: Call) -> Response:
    repository = call.repository()
    name = call.path("branch")
    sha = branches_of(call, repository).get(name)
    if not sha:
        raise Refusal(404, "Branch not found")
    return json_answer(shapes.full_branch(call.hub, repository, name, sha))


def list_commits(call: Call) -> Response:
    repository = call.repository()
    path = call.hub.path(repository.id)
    if not git.refs(path):
        raise Refusal(409, "Git Repository is empty.")
    sha = git.resolve(path, call.request.query_params.get("sha") or repository.default_branch)
    if not sha:
        raise not_found()
    return page(call, git.log(path, sha), lambda made: shapes.commit(call.hub, repository, made))


def get_commit(call: Call) -> Response:
    repository = call.repository()
    made = git.log(call.hub.path(repository.id), _commit_of(call, repository, call.path("ref")), limit=1)[0]
    files = [(name, kind) for kind in ("added", "removed", "modified") for name in getattr(made, kind)]
    described = [_file(call, repository, made.sha, name, kind) for name, kind in files]
    stats = {"additions": 0, "deletions": 0, "total": 0}
    return json_answer({**shapes.commit(call.hub, repository, made), "stats": stats, "files": described})


def _file(call: Call, repository: Repository, sha: str, name: str, kind: str) -> shapes.Shape:
    """A changed file, without its patch and line counts."""
    url = f"{call.hub.url}/{call.hub.full_name(repository)}"
    contents = f"{call.hub.api}/repos/{call.hub.full_name(repository)}/contents/{quote(name)}?ref={sha}"
    links = {"blob_url": f"{url}/blob/{sha}/{quote(name)}", "raw_url": f"{url}/raw/{sha}/{quote(name)}"}
    counts = {"additions": 0, "deletions": 0, "changes": 0}
    return {"sha": None, "filename": name, "status": kind, **counts, **links, "contents_url": contents}


def compare(call: Call) -> Response:
    repository = call.repository()
    path = call.hub.path(repository.id)
    names = call.path("basehead").split("...")
    shas = [git.resolve(path, name) for name in names]
    if len(shas) != 2 or not all(shas):
        raise not_found()
    base, head = str(shas[0]), str(shas[1])
    ahead, behind = git.log(path, head, f"^{base}")[::-1], git.log(path, base, f"^{head}")
    common = git.git(path, "merge-base", base, head, accept=(0, 1)).decode().strip()
    if not common:
        raise not_found()
    ends = {sha: shapes.commit(call.hub, repository, git.log(path, sha, limit=1)[0]) for sha in (base, common)}
    word = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    url = f"{call.hub.api}/repos/{call.hub.full_name(repository)}/compare/{base}...{head}"
    page_url = f"{call.hub.url}/{call.hub.full_name(repository)}/compare/{base}...{head}"
    answer = {
        "url": url,
        "html_url": page_url,
        "permalink_url": page_url,
        "diff_url": f"{page_url}.diff",
        "patch_url": f"{page_url}.patch",
        "base_commit": ends[base],
        "merge_base_commit": ends[common],
        "status": word,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [shapes.commit(call.hub, repository, made) for made in ahead],
        "files": [],
    }
    return json_answer(answer)


def create_status(call: Call) -> Response:
    repository = call.repository("write", "repo:status")
    sha = _commit_of(call, repository, call.path("sha"))
    state = call.text("state", "Status")
    if state not in STATES:
        raise invalid("Status", "state", "custom", f"state is not included in the list: {', '.join(STATES)}")
    description = call.body.get("description")
    if description and len(description) > 140:
        message = "description is too long (maximum is 140 characters)"
        raise invalid("Status", "description", "custom", message)
    status_id = call.hub.store.insert(
        "status",
        repository_id=repository.id,
        sha=sha,
        state=state,
        context=str(call.body.get("context") or "default"),
        description=description,
        target_url=call.body.get("target_url"),
        creator_id=call.account.id,
        created_at=now(),
    )
    return json_answer(shapes.status(call.hub, repository, call.hub.store.one(Status, "id = ?", status_id)), 201)


def list_statuses(call: Call) -> Response:
    repository = call.repository()
    sha = _commit_of(call, repository, call.path("ref"))
    rows = call.hub.store.select(Status, "repository_id = ? and sha = ? order by id desc", repository.id, sha)
    return page(call, rows, lambda row: shapes.status(call.hub, repository, row))


def combined_status(call: Call) -> Response:
    repository = call.repository()
    sha = _commit_of(call, repository, call.path("ref"))
    rows = call.hub.store.select(Status, "repository_id = ? and sha = ? order by id", repository.id, sha)
    latest = {row.context: row for row in rows}
    states = {row.state for row in latest.values()}
    word = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    url = f"{call.hub.api}/repos/{call.hub.full_name(repository)}/commits/{sha}"
    answer = {
        "state": word,
        "sha": sha,
        "total_count": len(latest),
        "statuses": [shapes.brief_status(call.hub, repository, row) for row in latest.values()],
        "repository": shapes.webhook_repository(call.hub, repository),
        "commit_url": url,
        "url": f"{url}/status",
    }
    return json_answer(answer)


REPOSITORY_ADDRESSES = [
    Address("GET", "/branches", list_branches),
    Address("GET", "/branches/{branch:path}", get_branch),
    Address("GET", "/commits", list_commits),
    Address("GET", "/commits/{ref:path}/status", combined_status),
    Address("GET", "/commits/{ref:path}/statuses", list_statuses),
    Address("GET", "/commits/{ref:path}", get_commit),
    Address("GET", "/compare/{basehead:path}", compare),
    Address("POST", "/statuses/{sha}", create_status),
]
