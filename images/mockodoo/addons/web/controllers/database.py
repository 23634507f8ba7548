import tempfile
from html import escape
from pathlib import Path
from typing import Any

from mockodoo import databases as manager
from mockodoo.web import databases, pages
from odoo import http
from odoo.exceptions import AccessDenied
from odoo.http import request


class Database(http.Controller):
    @http.route(["/web/database/selector", "/web/database/manager"], type="http", auth="none")
    def show(self, **_parameters: Any) -> Any:
        try:
            items = "".join(
                f'<li><a href="/web?db={escape(name)}">{escape(name)}</a></li>' for name in databases.list_databases()
            )
        except AccessDenied:
            items = "<li>The list of databases is switched off.</li>"
        return request.make_response(pages.page("Databases", f"<h1>Databases</h1><ul>{items}</ul>"))

    @http.route("/web/database/list", type="json", auth="none")
    def list_(self) -> Any:
        return databases.list_databases()

    @http.route("/web/database/drop", type="http", auth="none", methods=["POST"], csrf=False)
    def drop(self, master_pwd: str, name: str) -> Any:
        manager.check_super(master_pwd)
        manager.drop(name)
        return request.redirect("/web/database/manager")

    @http.route("/web/database/backup", type="http", auth="none", methods=["POST"], csrf=False)
    def backup(self, master_pwd: str, name: str, backup_format: str = "zip") -> Any:
        manager.check_super(master_pwd)
        with tempfile.TemporaryFile() as stream:
            manager.dump(name, stream, zipped=backup_format == "zip")
            stream.seek(0)
            headers = [
                ("Content-Type", "application/octet-stream"),
                ("Content-Disposition", f'attachment; filename="{Path(name).name}.{backup_format}"'),
            ]
            return request.make_response(stream.read(), headers)
