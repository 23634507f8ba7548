"""The current request, as addons know it: `from odoo.http import request`."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import werkzeug
import werkzeug.exceptions
import werkzeug.utils
from markupsafe import escape
from werkzeug.local import LocalProxy

from mockodoo.orm.environment import Environment
from mockodoo.orm.registry import Registry
from mockodoo.postgres import Cursor

from . import pages

if TYPE_CHECKING:
    from .sessions import Session


class Response(werkzeug.Response):
    default_mimetype = "text/html"


class Request:
    def __init__(self, httprequest: werkzeug.Request, session: Session) -> None:
        self.httprequest = httprequest
        self.session = session
        self.db: str | None = None
        self.cr: Cursor | None = None
        self.registry: Registry | None = None
        self.env: Any = None
        self.params: dict[str, Any] = {}
        self.saves_session = True

    def open(self, registry: Registry, cr: Cursor, uid: int | None) -> None:
        """Tie the request to a database, as the user of the session or nobody."""
        self.registry, self.cr, self.db = registry, cr, cr.dbname
        self.env = Environment(cr, uid or 0, {}, registry=registry)

    def get_http_params(self) -> dict[str, Any]:
        return {
            **self.httprequest.args.to_dict(),
            **self.httprequest.form.to_dict(),
            **self.httprequest.files.to_dict(),
        }

    def get_json_data(self) -> Any:
        return json.loads(self.httprequest.get_data(as_text=True) or "null")

    def make_response(
        self, data: Any, headers: Any = None, cookies: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        response = Response(data, status=status, headers=headers)
        for name, value in (cookies or {}).items():
            response.set_cookie(name, value)
        return response

    def make_json_response(self, data: Any, headers: Any = None, cookies: Any = None, status: int = 200) -> Response:
        response = self.make_response(json.dumps(data, default=str), headers, cookies, status)
        response.headers["Content-Type"] = "application/json; charset=utf-8"
        return response

    def redirect(self, location: str, code: int = 303, local: bool = True) -> werkzeug.Response:
        return werkzeug.utils.redirect(location, code, Response=Response)

    def not_found(self, description: str | None = None) -> Exception:
        return werkzeug.exceptions.NotFound(description)

    def check_csrf(self) -> None:
        """Raises BadRequest unless the form came from one of this session's pages."""
        if self.params.pop("csrf_token", "") != self.csrf_token():
            raise werkzeug.exceptions.BadRequest("Session expired (invalid CSRF token)")

    def csrf_token(self, time_limit: int | None = None) -> str:
        return self.session.sid[:40]

    def render(self, template: str, values: dict[str, Any] | None = None, **_options: Any) -> Response:
        """The stand-in has no template engine: the page names the template and lists the values' names."""
        return self.make_response(pages.page(template, f"<p>{', '.join(map(escape, values or {}))}</p>"))


current: ContextVar[Request] = ContextVar("request")
request: Any = LocalProxy(current)
