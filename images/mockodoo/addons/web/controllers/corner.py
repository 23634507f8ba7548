"""The stand-in's own corner, for tests of the platform: what serves here, and answers that take their time."""

import os
import time
from typing import Any

from mockodoo import NOTICE, release
from odoo import http
from odoo.http import request
from odoo.tools import config


class Corner(http.Controller):
    @http.route("/mockodoo/info", type="http", auth="none")
    def info(self, **_parameters: Any) -> Any:
        return request.make_json_response(
            {
                "notice": NOTICE,
                "series": release.SERIES,
                "database": request.db,
                "pid": os.getpid(),
                "master": os.getppid(),
                "modules": list(request.registry.loaded) if request.registry else [],
                "addons_path": [str(path) for path in config.addons_paths],
                "scheme": request.httprequest.scheme,
                "host": request.httprequest.host,
                "remote_addr": request.httprequest.remote_addr,
                "uid": request.session.uid,
            }
        )

    @http.route("/mockodoo/slow", type="http", auth="none")
    def slow(self, s: str = "1", **_parameters: Any) -> Any:
        time.sleep(float(s))
        return request.make_json_response({"slept": float(s), "pid": os.getpid()})
