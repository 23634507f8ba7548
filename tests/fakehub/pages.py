"""The few pages that a person may open on the stand-in: what there is, and where links from Berth lead."""

from collections.abc import Iterable
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.fakehub import git
from tests.fakehub.hub import Hub
from tests.fakehub.store import Account, Hook, Repository, Status

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem; color-scheme: light dark }
header { border: 2px dashed; padding: .5rem 1rem; margin-bottom: 1.5rem }
button { display: block; font: inherit; padding: .5rem 1rem; margin: .5rem 0; min-width: 16rem; cursor: pointer }
code { overflow-wrap: anywhere }
"""
NOTICE = "This is a local stand-in for GitHub. It is not GitHub: anybody may sign in as anyone."


def html(title: str, body: str, status: int = 200) -> Response:
    """A page with the notice of what this is; `body` is markup."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · GitHub stand-in</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"></head>'
        f'<body><header><a href="/">GitHub stand-in</a> — {NOTICE}</header><main><h1>{escape(title)}</h1>{body}</main>'
        "</body></html>",
        status,
    )


def missing(_request: Request) -> Response:
    return html("Not found", "<p>There is nothing here.</p>", 404)


def style(_request: Request) -> Response:
    return PlainTextResponse(STYLE, media_type="text/css")


def avatar(request: Request) -> Response:
    login = request.path_params["login"]
    hue = sum(login.encode()) * 47 % 360
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
        f'<rect width="40" height="40" fill="hsl({hue} 45% 45%)"/><text x="20" y="27" font-size="20" fill="#fff" '
        f'font-family="sans-serif" text-anchor="middle">{escape(login[:1].upper())}</text></svg>'
    )
    return Response(drawing, media_type="image/svg+xml")


def index(request: Request) -> Response:
    hub: Hub = request.app.state.hub
    return html("Accounts", _list(_link(account.login, account.name) for account in hub.store.select(Account)))


def account_page(request: Request) -> Response:
    hub: Hub = request.app.state.hub
    account = hub.account(request.path_params["owner"])
    if not account:
        return missing(request)
    public = hub.store.select(Repository, "owner_id = ? and not private order by name", account.id)
    body = _list(_link(hub.full_name(repository), repository.description or "") for repository in public)
    return html(account.login, body or "<p>No public repositories.</p>")


def _visible(request: Request) -> Repository | None:
    hub: Hub = request.app.state.hub
    found = hub.repository(request.path_params["owner"], request.path_params["repo"].removesuffix(".git"))
    return found if found and not found.private else None


def repository_page(request: Request) -> Response:
    """Branches and latest commits of a public repository, and how its webhooks fare."""
    hub: Hub = request.app.state.hub
    repository = _visible(request)
    if not repository:
        return missing(request)
    path, name = hub.path(repository.id), hub.full_name(repository)
    heads = [(ref.removeprefix("refs/heads/"), sha) for ref, sha in git.refs(path).items() if "/heads/" in ref]
    branches = _list(f"{escape(branch)} {_commit_link(name, sha)}" for branch, sha in heads)
    commits = _list(
        f"{_commit_link(name, made.sha)} {escape(made.message.splitlines()[0])}"
        for made in (git.log(path, "--branches", limit=20) if heads else [])
        if made.message
    )
    hooks = _list(
        f"<code>{escape(hook.url)}</code>" for hook in hub.store.select(Hook, "repository_id = ?", repository.id)
    )
    clone = f"<p><code>git clone {escape(hub.url)}/{escape(name)}.git</code></p>"
    return html(name, f"{clone}<h2>Branches</h2>{branches}<h2>Commits</h2>{commits}<h2>Webhooks</h2>{hooks}")


def commit_page(request: Request) -> Response:
    hub: Hub = request.app.state.hub
    repository = _visible(request)
    sha = git.resolve(hub.path(repository.id), request.path_params["sha"]) if repository else None
    if not repository or not sha:
        return missing(request)
    made = git.log(hub.path(repository.id), sha, limit=1)[0]
    rows = hub.store.select(Status, "repository_id = ? and sha = ? order by id desc", repository.id, sha)
    statuses = _list(f"<b>{row.state}</b> {escape(row.context)}: {escape(row.description or '')}" for row in rows)
    about = f"<p>{escape(made.author.name)}, {made.authored_at}</p><pre>{escape(made.message)}</pre>"
    return html(f"{hub.full_name(repository)} {sha[:7]}", f"{about}<h2>Statuses</h2>{statuses}")


def _list(items: Iterable[str]) -> str:
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else ""


def _link(path: str, text: str) -> str:
    return f'<a href="/{escape(path)}">{escape(path)}</a> {escape(text)}'


def _commit_link(name: str, sha: str) -> str:
    return f'<a href="/{escape(name)}/commit/{sha}"><code>{sha[:7]}</code></a>'


ROUTES = [
    Route("/", index),
    Route("/style.css", style),
    Route("/avatars/{login}.svg", avatar),
    Route("/{owner}", account_page),
    Route("/{owner}/{repo}", repository_page),
    Route("/{owner}/{repo}/commit/{sha}", commit_page),
    Route("/{owner}/{repo}/tree/{branch:path}", repository_page),
]
