import json
from typing import Any

from mockodoo.server import websocket
from odoo import http
from odoo.http import request


class Websocket(http.Controller):
    @http.route("/websocket", type="http", auth="public")
    def websocket(self, **_parameters: Any) -> Any:
        return websocket.upgrade(request.httprequest)

    @http.route("/websocket/health", type="http", auth="none", save_session=False)
    def health(self, **_parameters: Any) -> Any:
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        return request.make_response(json.dumps({"status": "pass"}), headers)
