from mockodoo.web.requests import Request, Response, request
from mockodoo.web.routing import Controller, route

__all__ = ["Controller", "Request", "Response", "request", "route"]
