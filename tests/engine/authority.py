"""A certificate authority for tests: pebble, with the name server and the resolver of its challenge test server."""

import contextlib
import json
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosting import pem
from portal import clock
from tests.engine.routers import free_port

LIFE_S = 90 * 24 * 3600  # of a certificate


@dataclass
class Authority:
    """`directory` is its ACME address, `ca_file` what it is known by, `resolver` the name server that it asks too."""

    directory: str
    ca_file: Path
    resolver: str
    management: str
    admin: str

    def root(self) -> str:
        """The certificate (PEM) by which its certificates are known; another one each time that it starts."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(f"{self.admin}/roots/0", timeout=10, context=context) as answer:
            return str(answer.read().decode())

    def set_cname(self, name: str, target: str) -> None:
        self._post("set-cname", {"host": name, "target": target})

    def clear_cname(self, name: str) -> None:
        self._post("clear-cname", {"host": name})

    def set_txt(self, name: str, value: str) -> None:
        self._post("set-txt", {"host": f"{name}.", "value": value})

    def set_address(self, name: str, address: str) -> None:
        self._post("add-a", {"host": name, "addresses": [address]})

    def _post(self, what: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(f"{self.management}/{what}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass


@contextlib.contextmanager
def authority(http_port: int) -> Iterator[Authority]:
    """It proves names by http at `http_port`, wherever they lead; where nothing else is said, to 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="berth-pebble-") as folder, contextlib.ExitStack() as stack:
        home, ports = Path(folder), [free_port() for _ in range(5)]
        dns, management, acme, admin, unused = ports
        own = pem.self_signed("localhost", clock.now())
        for name, text in (("cert.pem", own.chain), ("key.pem", own.key)):
            (home / name).write_text(text)
        settings = {
            "listenAddress": f"127.0.0.1:{acme}",
            "managementListenAddress": f"127.0.0.1:{admin}",
            "certificate": str(home / "cert.pem"),
            "privateKey": str(home / "key.pem"),
            "httpPort": http_port,
            "tlsPort": unused,
            "certificateValidityPeriod": LIFE_S,
        }
        (home / "config.json").write_text(json.dumps({"pebble": settings}))
        resolver, control = f"127.0.0.1:{dns}", f"127.0.0.1:{management}"
        listeners = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-dns01", resolver)
        stack.enter_context(_running("pebble-challtestsrv", "-management", control, "-defaultIPv6", "", *listeners))
        stack.enter_context(_running("pebble", "-config", str(home / "config.json"), "-dnsserver", resolver))
        made = Authority(
            f"https://localhost:{acme}/dir",
            home / "cert.pem",
            resolver,
            f"http://{control}",
            f"https://localhost:{admin}",
        )
        for port in (management, acme):
            _wait_for(port)
        yield made


@contextlib.contextmanager
def _running(*argv: str) -> Iterator[None]:
    """Without pauses, errors at random (so that clients learn to live with them), and proofs that hold for later."""
    chances = {"PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    values = {"PEBBLE_VA_NOSLEEP": "1", **chances, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    with subprocess.Popen(argv, env=values, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        assert time.monotonic() < deadline, f"nobody listens at {port}"
        time.sleep(0.05)
