"""Runs the stand-in: in the foreground for the demo, in a thread for tests."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from tests.fakehub import ssh
from tests.fakehub.app import make_app
from tests.fakehub.hub import Hub


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(128)
    return made


def make_server(hub: Hub) -> uvicorn.Server:
    config = uvicorn.Config(
        make_app(hub), log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=5, server_header=False
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def running(root: Path, port: int = 0) -> Iterator[Hub]:
    """A stand-in that answers in the background for as long as the block runs."""
    with listen("127.0.0.1", port) as listening:
        hub = Hub(root, f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = make_server(hub)
        thread = threading.Thread(target=server.run, args=([listening],), name="fakehub", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            with ssh.serving(hub):
                yield hub
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            hub.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("The GitHub stand-in did not start within 10 s; see its log above.")
        time.sleep(0.01)
