"""As much of a websocket client as a test needs."""

import base64
import secrets
import socket
import struct


def handshake(connection: socket.socket, path: str = "/websocket") -> int:
    """Ask for an upgrade. Returns the status of the answer; 101 leaves the connection open for frames."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Origin: http://localhost",
    )
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    received = b""
    while b"\r\n" not in received:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("closed before an answer")
        received += piece
    return int(received.split(b" ", 2)[1])


def say(connection: socket.socket, text: str) -> None:
    """Send a text frame (of less than 126 bytes), masked as a client must."""
    payload, mask = text.encode(), secrets.token_bytes(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    connection.sendall(struct.pack("!BB", 0x81, 0x80 | len(payload)) + mask + masked)


def is_open(connection: socket.socket, seconds: float = 0.2) -> bool:
    """Whether the far end holds the connection for so long. Frames that come are read away."""
    connection.settimeout(seconds)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return True
    except OSError:
        return False
    return False
