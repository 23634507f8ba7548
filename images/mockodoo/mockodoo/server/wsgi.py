"""werkzeug's little HTTP server, with Odoo's request lines. Answers are HTTP/1.0 and close."""

import logging
import socket
import time
from typing import Any

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from mockodoo import logs

SOCKET_TIMEOUT = 2.0
"""Seconds that a client may keep a worker waiting for the rest of its request."""
_logger = logging.getLogger("werkzeug")


class Handler(WSGIRequestHandler):
    timeout = SOCKET_TIMEOUT
    evented = False

    def handle(self) -> None:
        self.started = time.monotonic()
        super().handle()

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        environ["mockodoo.evented"] = self.evented
        return environ

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        seconds = time.monotonic() - self.started
        status = getattr(code, "value", code)
        line = f'{self.address_string()} - - [{self.log_date_time_string()}] "{self.requestline}" {status} {size}'
        _logger.info("%s", line, extra={"perf_info": logs.performance(seconds)})

    def log(self, type: str, message: str, *args: Any) -> None:
        getattr(_logger, type)(message.rstrip(), *args)


class EventedHandler(Handler):
    timeout = 120.0
    evented = True


class WorkerServer(BaseWSGIServer):
    """Answers one connection at a time, on the socket that the master listens on."""

    def __init__(self, application: Any, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        super().__init__(host, port, application, Handler, fd=listening.fileno())


class ThreadServer(ThreadedWSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, application: Any, host: str, port: int, handler: type[Handler]) -> None:
        super().__init__(host, port, application, handler)
