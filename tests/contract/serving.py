"""A server under test, what it answers, and what it logs."""

import http.client
import json
import re
import socket
import time
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from portal.commands import run

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (\d+) ([A-Z]+) (\S+) ([\w.]+): (.*)$")


@dataclass(frozen=True)
class LogLine:
    level: str
    database: str
    logger: str
    message: str
    raw: str


@dataclass(frozen=True)
class Ended:
    """A command that ran in the image and ended."""

    exit_code: int
    output: str

    @property
    def lines(self) -> list[LogLine]:
        return log_lines(self.output)

    def messages(self, level: str) -> list[str]:
        return [line.message for line in self.lines if line.level == level]


def log_lines(output: str) -> list[LogLine]:
    found = (LINE.match(line) for line in output.splitlines())
    return [LogLine(m[3], m[4], m[5], m[6], m[0]) for m in found if m]


@dataclass
class Server:
    """A container that serves."""

    name: str
    address: str
    database: str
    started: float = field(default_factory=time.monotonic)

    def get(
        self,
        path: str,
        *,
        port: int = 8069,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30,
    ) -> "Answer":
        """One request: GET, or POST with a body. `Host` is sent unless it is given as an empty string."""
        connection = http.client.HTTPConnection(self.address, port, timeout=timeout)
        sent = {"Host": "localhost", **(headers or {})}
        try:
            connection.putrequest("POST" if body is not None else "GET", path, skip_host=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.version, response.getheaders(), response.read())
        finally:
            connection.close()

    def follow(self, path: str, headers: dict[str, str] | None = None) -> tuple["Answer", str]:
        """Go where redirects lead. Returns the last answer and its path."""
        for _ in range(6):
            answer = self.get(path, headers=headers)
            if answer.status not in (301, 302, 303):
                break
            path = answer.header("Location").removeprefix("http://localhost")
        return answer, path

    def send_login(self, password: str) -> "Answer":
        """Send the login form as the administrator, with the cookie and token of its page."""
        page = self.get("/web/login")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token, page.text[:500]
        form = urllib.parse.urlencode({"csrf_token": token[1], "login": "admin", "password": password}).encode()
        headers = {"Cookie": f"session_id={page.session}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = self.get("/web/login", headers=headers, body=form)
        answer.headers.append(("Set-Cookie", f"session_id={page.session}"))  # what holds unless the answer sets another
        return answer

    def sign_in(self) -> str:
        """Sign in by the form. Returns the session's id."""
        answer = self.send_login("admin")
        assert answer.status == 303, answer.text[:500]
        return answer.session

    def call(self, path: str, **parameters: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "call", "params": parameters}).encode()
        answer = self.get(path, headers={"Content-Type": "application/json"}, body=body, timeout=120)
        assert answer.status == 200
        content: dict[str, Any] = json.loads(answer.body)
        return content

    def wait(self, path: str = "/web/health", *, port: int = 8069, seconds: float = 60) -> float:
        """Wait for a 200. Returns the seconds since the container was started."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                if self.get(path, port=port).status == 200:
                    return time.monotonic() - self.started
            time.sleep(0.1)
        raise AssertionError(f"{path} on {port} gave no 200 within {seconds} s:\n{self.output()[-3000:]}")

    def output(self) -> str:
        return run(["docker", "logs", self.name], timeout=30).output

    def wait_for_line(self, text: str, seconds: float = 60) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [line for line in self.output().splitlines() if text in line]
            if found:
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"no line with {text!r} within {seconds} s:\n{self.output()[-3000:]}")

    def signal(self, name: str) -> None:
        run(["docker", "kill", "--signal", name, self.name], timeout=30)

    def exit_code(self, seconds: float = 60) -> int:
        return int(run(["docker", "wait", self.name], timeout=seconds).output)

    def connect(self, port: int = 8069) -> socket.socket:
        return socket.create_connection((self.address, port), timeout=10)


@dataclass(frozen=True)
class Answer:
    status: int
    version: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def session(self) -> str:
        found = re.search(r"session_id=([^;]+)", self.header("Set-Cookie"))
        return found[1] if found else ""
