"""The portal's front door: two web processes, replaced one after the other without a failed request."""

import http.server
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosting.engines.haproxy import Router, RouterState
from tests.engine.routers import fetch, running

pytestmark = pytest.mark.engine


class _Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers["Host"] != "portal.example.com":
            self.send_error(400)
            return
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/")))
        body = str(self.server.server_address).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_args: object) -> None:
        pass


class _Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 64
    daemon_threads = True


@contextmanager
def web(router: Router, number: int) -> Iterator[None]:
    """One web process: a socket that goes away with it."""
    router.config.web.mkdir(exist_ok=True)
    path = router.config.web / f"web-{number}.sock"
    with _Server(str(path), _Web) as server:
        Path(path).chmod(0o666)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.socket.close()
            path.unlink()
            thread.join()


def until_used(router: Router, number: int) -> None:
    """Until a health check has found a web process; at its start HAProxy takes all for healthy."""
    deadline = time.monotonic() + 10
    found = re.compile(rf"portal_web,web-{number},.*,UP,.*,L7OK,")
    while not found.search(router.in_current(lambda pid: router.ask(pid, "show stat portal_web 4 -1"))):
        assert time.monotonic() < deadline, f"web-{number} is not used"
        time.sleep(0.05)


@pytest.fixture
def router() -> Iterator[Router]:
    with running(RouterState(), portal_host="portal.example.com") as made:
        yield made


def visit(router: Router, path: str = "/", **more: str) -> int:
    body = b"x" * 10 if more.get("method") == "POST" else None
    port = router.config.portal_port
    return fetch(router, path, "portal.example.com", port=port, body=body, **more).status  # type: ignore[arg-type]


def test_web_processes_are_replaced_one_after_the_other_without_a_failed_request(router: Router) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def client(method: str) -> None:
        while not done.is_set():
            statuses.append(visit(router, method=method))

    clients = [threading.Thread(target=client, args=(method,)) for method in ("GET", "POST", "GET")]
    with web(router, 2):
        until_used(router, 2)
        for thread in clients:
            thread.start()
        for _ in range(2):
            with web(router, 1):
                router.restore_web(1)
                until_used(router, 1)
                time.sleep(0.3)
                assert router.withdraw_web(1)
        done.set()
        for thread in clients:
            thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 100


def test_a_visit_is_asked_again_of_the_other_process_when_one_dies(router: Router) -> None:
    with web(router, 2):
        until_used(router, 2)
        for _ in range(3):
            with web(router, 1):
                until_used(router, 1)
            assert {visit(router) for _ in range(4)} == {200}


def test_a_web_process_with_a_long_request_is_not_said_to_be_free(router: Router) -> None:
    with web(router, 1):
        until_used(router, 1)
        visitor = threading.Thread(target=visit, args=(router, "/slow/0.6"))
        visitor.start()
        time.sleep(0.2)
        assert not router.withdraw_web(1, timeout=0.1)
        assert router.withdraw_web(1, timeout=5)
        visitor.join()


def test_a_portal_without_web_processes_says_that_databases_go_on(router: Router) -> None:
    answer = fetch(router, "/", "portal.example.com", port=router.config.portal_port)
    assert answer.status == 503
    assert b"Berth will be right back" in answer.body
    assert int(answer.headers["retry-after"]) > 0
