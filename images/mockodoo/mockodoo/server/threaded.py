"""One process with threads, as Odoo runs with `--workers=0`: no evented port, and no draining when it stops."""

import logging
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from mockodoo.options import config

from . import crons
from .wsgi import EventedHandler, ThreadServer

_logger = logging.getLogger("odoo.service.server")


class ThreadedServer:
    def __init__(self, application: Any) -> None:
        self.application = application
        self.stopping = threading.Event()

    def run(self, preload: Callable[[], int]) -> int:
        """Serve until SIGTERM or SIGINT."""
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: self.stopping.set())
        if config["http_enable"]:
            interface, port = config["http_interface"] or "0.0.0.0", config["http_port"]
            server = ThreadServer(self.application, interface, port, EventedHandler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            _logger.info("HTTP service (werkzeug) running on %s:%s", socket.gethostname(), port)
        preload()
        for number in range(config["max_cron_threads"]):
            alive = lambda: not self.stopping.is_set()  # noqa: E731
            threading.Thread(target=crons.work, args=(number, alive), daemon=True).start()
        self.stopping.wait()
        say_goodbye()
        return 0


def say_goodbye() -> None:
    _logger.info("Initiating shutdown")
    _logger.info("Hit CTRL-C again or send a second signal to force the shutdown.")
