import xmlrpc.client
from typing import Any

from mockodoo.web import rpc
from odoo import exceptions, http
from odoo.http import request


class Rpc(http.Controller):
    @http.route("/jsonrpc", type="json", auth="none")
    def jsonrpc(self, service: str, method: str, args: list[Any]) -> Any:
        return rpc.dispatch(service, method, args)

    @http.route(["/xmlrpc/2/<service>", "/xmlrpc/<service>"], type="http", auth="none", methods=["POST"], csrf=False)
    def xmlrpc(self, service: str) -> Any:
        arguments, method = xmlrpc.client.loads(request.httprequest.get_data())
        try:
            result = rpc.dispatch(service, str(method), list(arguments))
            body = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True)
        except exceptions.AccessDenied as error:
            body = xmlrpc.client.dumps(xmlrpc.client.Fault(3, str(error)))
        except exceptions.UserError as error:
            body = xmlrpc.client.dumps(xmlrpc.client.Fault(2, str(error)))
        except Exception as error:
            body = xmlrpc.client.dumps(xmlrpc.client.Fault(1, repr(error)))
        return request.make_response(body, [("Content-Type", "text/xml")])

    @http.route(["/web/dataset/call_kw", "/web/dataset/call_kw/<path:path>"], type="json", auth="user")
    def call_kw(self, model: str, method: str, args: list[Any], kwargs: dict[str, Any], path: str = "") -> Any:
        return rpc.call(request.env, model, method, list(args), dict(kwargs))
