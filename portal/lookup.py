"""Where a host that somebody named lies: its IP addresses, and whether they are public."""

import ipaddress
import socket
from collections.abc import Callable

Resolve = Callable[[str, int], list[str]]


def resolve_host(host: str, port: int) -> list[str]:
    """IP addresses of a host, [] when there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(ip: str) -> bool:
    """Whether it lies outside: not this machine, no private network, nothing reserved."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # These carry an IPv4 address to which the packets go in the end.
        address = address.ipv4_mapped or address.sixtofour or address
        if address in ipaddress.ip_network("64:ff9b::/96" if address.version == 6 else "192.88.99.0/24"):
            return False
    return address.is_global and not address.is_multicast
