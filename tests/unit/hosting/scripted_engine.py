"""A scripted engine on a Unix socket: what it sends, when, and what it receives, is up to the test."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Script = Callable[[socket.socket], None]


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    return head


@contextmanager
def engine(folder: Path, *scripts: Script) -> Iterator[str]:
    """The URL of an engine that plays the first script on its first connection, and so on."""
    path = folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def play() -> None:
            for script in scripts:
                connection, _ = listener.accept()
                with connection:
                    script(connection)

        thread = threading.Thread(target=play)
        thread.start()
        yield f"unix://{path}"
        thread.join(5)
        assert not thread.is_alive()
