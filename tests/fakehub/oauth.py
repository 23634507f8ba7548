"""OAuth's web flow, as far as signing in needs it.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
"""

import hmac
import secrets
import time
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakehub.hub import Hub
from tests.fakehub.pages import html
from tests.fakehub.store import Account, Code

CODE_LIFETIME = 600.0  # seconds, as at GitHub
ASKED = ("client_id", "redirect_uri", "state", "scope", "response_type")


def authorize(request: Request) -> Response:
    """Show who may be chosen; with `login` and `confirm=1`, or `deny=1`, send the browser back with the answer."""
    hub: Hub = request.app.state.hub
    query = request.query_params
    target = query.get("redirect_uri", "")
    if query.get("client_id") != hub.client_id:
        return html("Unknown application", "<p>No application has this <code>client_id</code>.</p>", 404)
    if urlsplit(target).scheme not in {"http", "https"} or not urlsplit(target).hostname:
        return html("Bad address", "<p><code>redirect_uri</code> must be an http or https address.</p>", 400)
    if query.get("deny"):
        return _back(
            target, error="access_denied", error_description="The user has denied access", state=query.get("state")
        )
    account = hub.account(query.get("login", ""))
    if not account or not query.get("confirm"):
        return _choose(hub, request, account)
    code = secrets.token_hex(10)
    hub.store.insert(
        "code",
        value=code,
        account_id=account.id,
        client_id=hub.client_id,
        redirect_uri=target,
        scopes=",".join(query.get("scope", "").replace(",", " ").split()),
        expires_at=time.time() + CODE_LIFETIME,
    )
    return _back(target, code=code, state=query.get("state"))


def _back(target: str, **answer: str | None) -> Response:
    given = {name: value for name, value in answer.items() if value is not None}
    return RedirectResponse(f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(given)}", 302)


def _choose(hub: Hub, request: Request, chosen: Account | None) -> Response:
    asked = {name: request.query_params[name] for name in ASKED if name in request.query_params}
    hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in asked.items())
    accounts = [chosen] if chosen else hub.store.select(Account, "true order by id")
    buttons = "".join(
        f'<button name="login" value="{escape(account.login)}">Sign in as {escape(account.name)} '
        f"({escape(account.login)})</button>"
        for account in accounts
    )
    where = escape(urlsplit(asked["redirect_uri"]).netloc)
    return html(
        "Sign in",
        f"<p>The application at <b>{where}</b> wants to know who you are. Nobody checks: choose anyone.</p>"
        f'<form method="get">{hidden}<input type="hidden" name="confirm" value="1">{buttons}</form>'
        f'<form method="get">{hidden}<input type="hidden" name="deny" value="1"><button>Cancel</button></form>',
    )


async def access_token(request: Request) -> Response:
    """Exchange a code, once, for a token. Refusals come with status 200, as at GitHub."""
    hub: Hub = request.app.state.hub
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}
    answer = _exchange(hub, {**request.query_params, **form})
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(answer)
    return PlainTextResponse(urlencode(answer), media_type="application/x-www-form-urlencoded")


def _exchange(hub: Hub, given: dict[str, str]) -> dict[str, str]:
    known = given.get("client_id") == hub.client_id
    if not known or not hmac.compare_digest(given.get("client_secret", ""), hub.client_secret):
        return _error("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
    code = hub.store.first(Code, "value = ?", given.get("code", ""))
    hub.store.execute("delete from code where value = ? or expires_at < ?", given.get("code", ""), time.time())
    if not code or code.expires_at < time.time():
        return _error("bad_verification_code", "The code passed is incorrect or expired.")
    if given.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        return _error("redirect_uri_mismatch", "The redirect_uri is not the one that the code was made for.")
    token = hub.new_token(hub.account_by_id(code.account_id), code.scopes)
    return {"access_token": token, "scope": code.scopes, "token_type": "bearer"}


def _error(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


ROUTES = [
    Route("/login/oauth/authorize", authorize, methods=["GET"]),
    Route("/login/oauth/access_token", access_token, methods=["POST"]),
]
