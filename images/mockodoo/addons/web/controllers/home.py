import json
from typing import Any

import psycopg2

from mockodoo import postgres, release
from mockodoo.web import pages
from odoo import http
from odoo.exceptions import AccessDenied
from odoo.http import request


class Home(http.Controller):
    @http.route("/", type="http", auth="none")
    def index(self, **_parameters: Any) -> Any:
        return request.redirect("/odoo" if release.MAJOR >= 18 else "/web")

    @http.route(["/web", "/odoo", "/odoo/<path:subpath>"], type="http", auth="none")
    def web_client(self, **_parameters: Any) -> Any:
        if not request.db:
            return request.redirect("/web/database/selector")
        if not request.session.uid:
            return request.redirect("/web/login?redirect=/odoo?" if release.MAJOR >= 18 else "/web/login")
        who = f"{request.session['login']} on <strong>{request.db}</strong>"
        body = f"<h1>Signed in</h1><p>{who}</p><p><a href='/web/session/logout'>Log out</a></p>"
        return request.make_response(pages.page("Stand-in", body, neutralized=self._neutralized()))

    @http.route("/web/login", type="http", auth="none")
    def web_login(self, login: str = "", password: str = "", redirect: str = "", **_parameters: Any) -> Any:
        if not request.db:
            return request.redirect("/web/database/selector")
        error = ""
        if request.httprequest.method == "POST":
            try:
                uid = request.env(su=True)["res.users"].check_credentials(login, password)
            except AccessDenied:
                error = "Wrong login/password"
            else:
                request.session.authenticate(login, uid)
                return request.redirect(redirect if redirect.startswith("/") and redirect[1:2] != "/" else "/web")
        token = request.csrf_token()
        return request.make_response(
            pages.login(request.db, error=error, csrf_token=token, redirect=redirect, neutralized=self._neutralized())
        )

    def _neutralized(self) -> bool:
        return bool(request.env["ir.config_parameter"].get_param("database.is_neutralized"))

    @http.route("/web/session/logout", type="http", auth="none")
    def logout(self, redirect: str = "/web", **_parameters: Any) -> Any:
        request.session.logout(keep_db=True)
        return request.redirect(redirect)

    @http.route("/web/session/authenticate", type="json", auth="none")
    def authenticate(self, db: str, login: str, password: str, **_parameters: Any) -> Any:
        if db != request.db:
            raise AccessDenied
        uid = request.env(su=True)["res.users"].check_credentials(login, password)
        request.session.authenticate(login, uid)
        return {"uid": uid, "username": login, "db": db, "server_version": release.VERSION}

    @http.route("/web/health", type="http", auth="none", save_session=False)
    def health(self, db_server_status: str = "", **_parameters: Any) -> Any:
        body, status = {"status": "pass"}, 200
        if db_server_status and release.HEALTH_ASKS_DATABASE:
            try:
                postgres.Cursor("postgres").close()
                body["db_server_status"] = "pass"
            except psycopg2.Error:
                body = {"status": "fail", "db_server_status": "fail"}
                status = 500
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        return request.make_response(json.dumps(body), headers, status=status)

    @http.route("/web/assets/<unique>/web.assets_frontend.min.css", type="http", auth="none")
    def style(self, unique: str) -> Any:
        headers = [("Content-Type", "text/css"), ("Cache-Control", f"public, max-age={365 * 24 * 3600}, immutable")]
        return request.make_response(pages.STYLE.read_bytes(), headers)

    @http.route("/robots.txt", type="http", auth="none")
    def robots(self, **_parameters: Any) -> Any:
        neutral = request.db and self._neutralized()
        return request.make_response(
            f"User-agent: *\n{'Disallow: /' if neutral else 'Allow: /'}\n", [("Content-Type", "text/plain")]
        )
