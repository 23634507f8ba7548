"""Repositories behind a real Git server (`git http-backend`) on loopback, for tests."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

BACKEND = "/usr/lib/git-core/git-http-backend"


@dataclass
class GitServer:
    """Serves the bare repositories in `root`. `private` ones want the token; `status` is answered in place of Git."""

    root: Path
    port: int = 0
    token: str = "ghs_secret"
    private: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}.git"


class Author:
    """A person's clone: makes commits and pushes them to the server's folder, without going through it."""

    def __init__(self, folder: Path, server: GitServer, name: str) -> None:
        self.folder, self.name = folder / f"clone-{name}", name
        self.bare = server.root / f"{name}.git"
        if not self.bare.exists():
            run_git("init", "-q", "--bare", str(self.bare))
        run_git("init", "-q", "-b", "main", str(self.folder))
        self.git("remote", "add", "origin", str(self.bare))

    def git(self, *arguments: str) -> str:
        return run_git("-C", str(self.folder), *arguments)

    def write(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def commit(self, message: str = "A change", branch: str = "main") -> str:
        """Commit all that was written and push it to `branch`; the commit's sha."""
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD").strip()

    def add_submodule(self, path: str, url: str, sha: str, name: str | None = None) -> None:
        """As the index has it, whatever `git submodule add` would refuse."""
        self.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
        with (self.folder / ".gitmodules").open("a") as file:
            file.write(f'[submodule "{name or path}"]\n\tpath = {path}\n\turl = {url}\n')
        self.git("add", ".gitmodules")

    def commit_index(self, message: str = "A change", branch: str = "main") -> str:
        """Commit what is in the index alone, in which submodules have no folder, and push it."""
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD").strip()


def run_git(*arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Alice Ärger",
        "GIT_AUTHOR_EMAIL": "alice@example.com",
        "GIT_COMMITTER_NAME": "Alice Ärger",
        "GIT_COMMITTER_EMAIL": "alice@example.com",
        "GIT_COMMITTER_DATE": "2026-11-21T20:00:00+01:00",
    }
    return subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True, text=True).stdout


@contextmanager
def serve(root: Path) -> Iterator[GitServer]:
    server = GitServer(root)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    expected = "Basic " + base64.b64encode(f"x-access-token:{server.token}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            parts = urlsplit(self.path)
            name = parts.path.split("/")[1].removesuffix(".git")
            server.requests.append(f"{self.command} {parts.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = server.status.get(name) or (
                401 if name in server.private and self.headers.get("Authorization") != expected else 0
            )
            if status:
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere.git")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.respond(subprocess.run([BACKEND], input=body, env=self.cgi(), capture_output=True, check=False).stdout)

        def cgi(self) -> dict[str, str]:
            parts = urlsplit(self.path)
            return {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }

        def respond(self, answer: bytes) -> None:
            head, _blank, body = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: the test's output is not the place."""

    return Handler
