"""The WSGI application: static files, then the route of an addon's controller, with or without a database."""

import json
import logging
import mimetypes
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg2
import werkzeug
import werkzeug.exceptions
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Map, RequestRedirect
from werkzeug.security import safe_join
from werkzeug.utils import send_file

from mockodoo import loading, logs, modules, postgres
from mockodoo.options import config
from mockodoo.orm.exceptions import AccessDenied, UserError

from . import databases
from .requests import Request, Response, current
from .routing import ModelId, Target, routing_map
from .sessions import COOKIE, LIFETIME, SessionStore

_logger = logging.getLogger("odoo.http")


class SessionExpired(Exception):
    """The route wants a signed-in user."""


class Application:
    def __init__(self) -> None:
        self.sessions = SessionStore(config.sessions)
        self._maps: dict[tuple[str, ...], Map] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        logs.set_database(None)
        logs.reset_counters()
        if config["proxy_mode"] and environ.get("HTTP_X_FORWARDED_HOST"):
            # As in Odoo: without X-Forwarded-Host the other headers of a proxy are not believed either.
            return ProxyFix(self._answer, x_for=1, x_proto=1, x_host=1)(environ, start_response)
        return self._answer(environ, start_response)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        httprequest = werkzeug.Request(environ)
        try:
            environ["HTTP_HOST"]  # a request without it is answered 500, as by Odoo
            response = self._static(httprequest) or self._dispatch(httprequest)
        except Exception:
            _logger.exception("Exception during request handling.")
            response = werkzeug.exceptions.InternalServerError().get_response(environ)
        return response(environ, start_response)

    def _static(self, httprequest: werkzeug.Request) -> werkzeug.Response | None:
        """`/<module>/static/<path>` of any module on the addons path, installed or not."""
        parts = httprequest.path.split("/", 3)
        if len(parts) < 4 or parts[2] != "static" or parts[1] not in modules.available():
            return None
        path = safe_join(str(modules.available()[parts[1]].path / "static"), parts[3])
        try:
            if path is None:
                raise FileNotFoundError
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            return send_file(path, httprequest.environ, mimetype=kind, conditional=True, max_age=LIFETIME)
        except OSError:
            return werkzeug.exceptions.NotFound().get_response(httprequest.environ)

    def _dispatch(self, httprequest: werkzeug.Request) -> werkzeug.Response:
        session = self.sessions.get(httprequest.cookies.get(COOKIE))
        request = Request(httprequest, session)
        token = current.set(request)
        try:
            request.db = self._database(request)
            response = self._serve(request)
        finally:
            current.reset(token)
        if request.saves_session:
            self._save_session(request, response)
        return response

    def _database(self, request: Request) -> str | None:
        """The session's database if it may still be seen, or the only one there is."""
        session, host = request.session, request.httprequest.environ.get("HTTP_HOST", "")
        asked = request.httprequest.args.get("db")
        try:
            visible = databases.visible(host)
        except psycopg2.Error:
            visible = []
        if asked and asked in visible:
            session.db = asked
        elif session.db not in visible:
            if session.db:
                _logger.warning("Logged into database %r, but dbfilter rejects it; logging session out.", session.db)
                session.logout()
            session.db = visible[0] if len(visible) == 1 else None
        return session.db

    def _save_session(self, request: Request, response: werkzeug.Response) -> None:
        session = request.session
        if session.is_dirty:
            self.sessions.save(session)
        if request.httprequest.cookies.get(COOKIE) != session.sid:
            response.set_cookie(COOKIE, session.sid, max_age=LIFETIME, httponly=True, path="/")

    # -- routes -------------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> werkzeug.Response:
        logs.set_database(request.db)
        if request.db:
            try:
                return self._serve_database(request, request.db)
            except psycopg2.OperationalError:
                _logger.warning("Database %s is out of reach; the session is logged out.", request.db, exc_info=True)
                request.session.logout()
                request.db = request.env = None
        return self._serve_route(request, self._map(config.modules("server_wide_modules"), nodb=True))

    def _serve_database(self, request: Request, dbname: str) -> werkzeug.Response:
        registry = loading.current(dbname)
        with postgres.Cursor(dbname) as cr:
            request.open(registry, cr, request.session.uid)
            response = self._serve_route(request, self._map(registry.loaded, nodb=False))
            if response.status_code >= 500:
                cr.rollback()
            return response

    def _map(self, names: list[str], *, nodb: bool) -> Map:
        key = (str(nodb), *names)
        if key not in self._maps:
            self._maps[key] = routing_map(names, nodb=nodb)
        return self._maps[key]

    def _serve_route(self, request: Request, rules: Map) -> werkzeug.Response:
        environ = request.httprequest.environ
        try:
            target, arguments = rules.bind_to_environ(environ).match(websocket=False)
        except RequestRedirect as redirect:
            return redirect.get_response(environ)
        except werkzeug.exceptions.HTTPException as error:
            return error.get_response(environ)
        request.saves_session = target.saves_session
        if target.is_json:
            return self._call_json(request, target, arguments)
        return self._call_http(request, target, arguments)

    def _call_http(self, request: Request, target: Target, arguments: Mapping[str, Any]) -> werkzeug.Response:
        environ = request.httprequest.environ
        try:
            self._authenticate(request, target)
            request.params = {**request.get_http_params(), **arguments}
            if request.httprequest.method == "POST" and target.csrf:
                request.check_csrf()
            answer = target.call(**self._records(request, request.params))
        except SessionExpired:
            return request.redirect(f"/web/login?redirect={request.httprequest.path}")
        except werkzeug.exceptions.HTTPException as error:
            return error.get_response(environ)
        except psycopg2.OperationalError:
            raise
        except Exception as error:
            known = isinstance(error, UserError)
            _logger.log(logging.WARNING if known else logging.ERROR, "%s", error, exc_info=not known)
            status = (
                werkzeug.exceptions.Forbidden if isinstance(error, AccessDenied) else werkzeug.exceptions.BadRequest
            )
            return (status(str(error)) if known else werkzeug.exceptions.InternalServerError()).get_response(environ)
        if isinstance(answer, werkzeug.exceptions.HTTPException):
            return answer.get_response(environ)
        return answer if isinstance(answer, werkzeug.Response) else Response(answer or b"")

    def _call_json(self, request: Request, target: Target, arguments: Mapping[str, Any]) -> werkzeug.Response:
        """JSON-RPC 2: errors come with HTTP status 200, as from Odoo."""
        body = request.get_json_data() or {}
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body.get("id")}
        try:
            self._authenticate(request, target)
            request.params = {**(body.get("params") or {}), **arguments}
            answer["result"] = target.call(**self._records(request, request.params))
        except psycopg2.OperationalError:
            raise
        except SessionExpired as error:
            answer["error"] = json_error(error, code=100, message="Odoo Session Expired")
        except Exception as error:
            if request.cr is not None:
                request.cr.rollback()
            _logger.warning("%s", error, exc_info=not isinstance(error, UserError))
            answer["error"] = json_error(error)
        return request.make_json_response(answer)

    def _authenticate(self, request: Request, target: Target) -> None:
        if target.auth == "user" and not request.session.uid:
            raise SessionExpired("Session expired")

    def _records(self, request: Request, parameters: dict[str, Any]) -> dict[str, Any]:
        return {
            name: request.env[value[0]].browse(value[1]) if isinstance(value, ModelId) else value
            for name, value in parameters.items()
        }


def json_error(error: Exception, *, code: int = 200, message: str = "Odoo Server Error") -> dict[str, Any]:
    kind = type(error)
    name = f"odoo.exceptions.{kind.__name__}" if isinstance(error, UserError) else f"{kind.__module__}.{kind.__name__}"
    data = {
        "name": name,
        "message": str(error),
        "arguments": [str(argument) for argument in error.args],
        "debug": traceback.format_exc(),
    }
    return {"code": code, "message": message, "data": json.loads(json.dumps(data))}
