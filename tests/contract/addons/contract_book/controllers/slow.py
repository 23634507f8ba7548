import time

from odoo import http
from odoo.http import request


class Slow(http.Controller):
    @http.route("/contract/slow", type="http", auth="none")
    def slow(self, s="1"):
        time.sleep(float(s))
        return request.make_response(f"slept {s}")

    @http.route("/contract/seen", type="http", auth="none")
    def seen(self):
        seen = request.httprequest
        return request.make_response(f"{seen.scheme} {seen.host} {seen.remote_addr}")
