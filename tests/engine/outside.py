"""A make-believe Internet: a network namespace on this machine, which the host reaches through a pair of devices.

It stands for a public server, a cloud's metadata service and a machine in a private network, so that no test sends
anything to the real ones. Its servers greet whoever connects with the port that he reached.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from portal.commands import run

PORTS = (25, 53, 80, 443, 465, 587)

_SERVER = """
import os, socket, sys, threading
public, resolver, ports = sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]
def serve(port):
    listener = socket.create_server(("", port))
    while True:
        connection, peer = listener.accept()
        connection.sendall(b"port %d" % port)
        connection.close()
for port in ports:
    threading.Thread(target=serve, args=(port,), daemon=True).start()
def leave_with_the_test():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=leave_with_the_test, daemon=True).start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind((resolver, 53))
print("ready", flush=True)
while True:
    question, peer = datagrams.recvfrom(512)
    answer = question[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + question[12:]
    datagrams.sendto(answer + b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(public), peer)
"""


@dataclass(frozen=True)
class Outside:
    """`resolver` lies in a private network and answers every name with `public`."""

    public: str
    metadata: str
    private: str
    resolver: str


def namespace(installation: str) -> str:
    return f"berth-{installation}"


@contextmanager
def outside(installation: str) -> Iterator[Outside]:
    number = int(installation[:2], 16)
    made = Outside(f"198.51.100.{number // 2 + 2}", f"169.254.77.{number}", f"172.31.{number}.2", f"172.31.{number}.53")
    space, here, there = namespace(installation), f"bt{installation}h", f"bt{installation}t"
    addresses = (made.public, made.metadata, made.private, made.resolver)
    _ip("netns", "add", space)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
        _ip("addr", "add", f"172.31.{number}.1/32", "dev", here)
        _ip("link", "set", here, "up")
        for device in (there, "lo"):
            _ip("-n", space, "link", "set", device, "up")
        for address in addresses:
            _ip("-n", space, "addr", "add", f"{address}/32", "dev", there)
            _ip("route", "add", f"{address}/32", "dev", here, "scope", "link")
        _ip("-n", space, "route", "add", "default", "dev", there, "scope", "link")
        with _serving(space, made):
            yield made
    finally:
        _ip("netns", "del", space)


@contextmanager
def _serving(space: str, made: Outside) -> Iterator[None]:
    argv = ["ip", "netns", "exec", space, sys.executable, "-c", _SERVER, made.public, made.resolver, *map(str, PORTS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            time.sleep(0.2)
            yield
        finally:
            server.kill()


def _ip(*arguments: str) -> None:
    run(["ip", *arguments], timeout=10)
