"""The look of the stand-in's few pages. Each says what it is."""

import hashlib
from html import escape

from mockodoo import NOTICE, release
from mockodoo.options import CORE_ADDONS

STYLE = CORE_ADDONS / "web" / "static" / "src" / "page.css"


def _style_address() -> str:
    """The address of the style sheet changes with its content, as that of Odoo's bundles does."""
    digest = hashlib.sha256(STYLE.read_bytes()).hexdigest()
    return f"/web/assets/{digest[:7]}/web.assets_frontend.min.css"


def page(title: str, body: str, *, neutralized: bool = False) -> str:
    """A whole page. `body` is markup, `title` is text."""
    banner = '<div class="neutralized">This is a neutralized database.</div>' if neutralized else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="{_style_address()}"></head><body>{banner}'
        f"<header>{NOTICE} {release.SERIES}</header><main>{body}</main></body></html>"
    )


def login(
    database: str, *, error: str = "", csrf_token: str = "", redirect: str = "", neutralized: bool = False
) -> str:
    alert = f'<p class="alert" role="alert">{escape(error)}</p>' if error else ""
    return page(
        "Login | Stand-in",
        f"<h1>Log in</h1><p>Database: <strong>{escape(database)}</strong></p>{alert}"
        '<form class="oe_login_form" role="form" method="post" action="/web/login">'
        f'<input type="hidden" name="csrf_token" value="{escape(csrf_token)}">'
        f'<input type="hidden" name="redirect" value="{escape(redirect)}">'
        '<label for="login">Email</label><input id="login" name="login" required autocomplete="username">'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" required autocomplete="current-password">'
        '<button type="submit">Log in</button></form>',
        neutralized=neutralized,
    )
