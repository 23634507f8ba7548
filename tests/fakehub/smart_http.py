"""Git over HTTP: clone, fetch and push, done by Git's own `http-backend`."""

import subprocess
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakehub import git, shapes
from tests.fakehub.hub import Hub
from tests.fakehub.rest import presented_token
from tests.fakehub.store import Account, Repository, Token

TIMEOUT = 600  # seconds that one clone or push may take


@dataclass(frozen=True)
class Access:
    repository: Repository
    account: Account | None


async def serve(request: Request) -> Response:
    """Spool the request, run Git on it, and answer what Git says."""
    allowed = _access(request)
    if isinstance(allowed, Response):
        return allowed
    with tempfile.TemporaryFile() as body:
        async for piece in request.stream():
            body.write(piece)
        return await run_in_threadpool(_backend, request, allowed, body)


def _access(request: Request) -> Access | Response:
    """Public repositories are read by anybody; all else needs a token, as user or as password."""
    hub: Hub = request.app.state.hub
    owner, name = request.path_params["owner"], request.path_params["repo"].removesuffix(".git")
    pushing = "git-receive-pack" in (request.url.path.rsplit("/", 1)[-1], request.query_params.get("service"))
    token = presented_token(request.headers.get("authorization", ""))
    row = hub.store.first(Token, "value = ?", token) if token else None
    account = hub.account_by_id(row.account_id) if row else None
    repository = hub.repository(owner, name)
    if not repository and (moved := hub.moved_to(owner, name)):
        tail = request.url.path.split("/", 3)[3]
        return RedirectResponse(f"{hub.url}/{hub.full_name(moved)}.git/{tail}?{request.url.query}", 301)
    has = shapes.RIGHTS[hub.permission(repository, account)] if repository else 0
    if not account and (token or pushing or not has):
        return _ask("Invalid username or token." if token else "Repository not found, or it needs a token.")
    if not repository or not has:
        return PlainTextResponse("Repository not found.\n", 404)
    if pushing and account and has < shapes.RIGHTS["write"]:
        return PlainTextResponse(f"Permission to {hub.full_name(repository)} denied to {account.login}.\n", 403)
    return Access(repository, account)


def _ask(message: str) -> Response:
    return PlainTextResponse(f"{message}\n", 401, headers={"WWW-Authenticate": 'Basic realm="GitHub stand-in"'})


def _backend(request: Request, access: Access, body: IO[bytes]) -> Response:
    hub: Hub = request.app.state.hub
    length = body.tell()
    body.seek(0)
    pushes = request.url.path.endswith("/git-receive-pack")
    watch = hub.changing(access.repository, access.account) if access.account and pushes else nullcontext()
    with watch:
        process = subprocess.run(
            ["git", "http-backend"],
            stdin=body,
            capture_output=True,
            env=_environment(request, access, length),
            timeout=TIMEOUT,
        )
    if process.returncode != 0:
        return PlainTextResponse(process.stderr.decode(errors="replace"), 500)
    return _cgi_answer(process.stdout)


def _environment(request: Request, access: Access, length: int) -> dict[str, str]:
    hub: Hub = request.app.state.hub
    tail = request.url.path.split("/", 3)[3]
    headers = request.headers
    return git.environment(
        GIT_PROJECT_ROOT=str(hub.root / "git"),
        GIT_HTTP_EXPORT_ALL="1",
        GIT_PROTOCOL=headers.get("git-protocol", ""),
        PATH_INFO=f"/{access.repository.id}.git/{tail}",
        REQUEST_METHOD=request.method,
        QUERY_STRING=request.url.query,
        CONTENT_TYPE=headers.get("content-type", ""),
        CONTENT_LENGTH=str(length) if request.method == "POST" else "",
        HTTP_CONTENT_ENCODING=headers.get("content-encoding", ""),
        REMOTE_USER=access.account.login if access.account else "",
        REMOTE_ADDR=request.client.host if request.client else "",
    )


def _cgi_answer(output: bytes) -> Response:
    """What a CGI program printed: headers, among them perhaps a status, a blank line, and the body."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    status = headers.pop("Status", "200 OK")
    return Response(body, int(status.split()[0]), headers)


ROUTES = [
    Route("/{owner}/{repo}/info/refs", serve, methods=["GET"]),
    Route("/{owner}/{repo}/git-upload-pack", serve, methods=["POST"]),
    Route("/{owner}/{repo}/git-receive-pack", serve, methods=["POST"]),
]
