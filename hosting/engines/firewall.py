"""What the tenants' bridges may reach, as iptables rules (IPv4: the containers have no other).

Two chains of our own per installation, one reached from INPUT (the host itself), one from Docker's DOCKER-USER (all
that is forwarded). They are replaced whole, in one transaction of the kernel, so that no packet ever meets half of
them. Traffic that the host begins, as the router's, is none of their business: it leaves by OUTPUT, and the answers
belong to an established connection.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from portal.commands import CommandError, run

Rule = tuple[str, ...]

SMTP = 25
SUBMISSION = (465, 587)
# Where providers listen besides, for those whose network closes the others: Amazon SES, SendGrid, Mailgun, Postmark.
ALTERNATIVE = (2465, 2525, 2587)

# Where a customer's code has no business: this host's and its provider's networks. 168.63.129.16 is Azure's metadata
# address, 192.0.0.0/24 holds Oracle's, 100.64.0.0/10 Alibaba's. https://www.iana.org/assignments/iana-ipv4-special-registry
INTERNAL = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)

_BASES = ("INPUT", "DOCKER-USER")
_TIMEOUT = 30.0
_WAIT = ("-w", "10")
_ESTABLISHED = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
_REJECT = ("-j", "REJECT", "--reject-with", "icmp-admin-prohibited")
_RESOLV_CONF = Path("/etc/resolv.conf")
# What Docker, too, reads where /etc/resolv.conf names systemd's resolver on the loopback device.
_RESOLVED_CONF = Path("/run/systemd/resolve/resolv.conf")
_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


class FirewallError(Exception):
    """The rules could not be read or changed. The message says what was left as it was, and what to do."""


@dataclass(frozen=True)
class Bridge:
    """A tenants' network: its containers reach the TCP ports `host_ports` of the host's address `gateway` and nothing
    else of the host; outside they don't reach `closed_ports`.
    """

    name: str
    subnet: str
    gateway: str
    host_ports: tuple[int, ...]
    closed_ports: tuple[int, ...] = (SMTP,)


def rules(installation: str, bridges: Sequence[Bridge], resolvers: Sequence[str]) -> tuple[Rule, ...]:
    """All rules of an installation, as arguments of iptables, worded as `iptables -S` prints them.

    `resolvers` are the addresses of the host's name servers, which may lie in its own network.
    """
    into, through = chains(installation)
    return (
        *(("-A", into, *rule) for bridge in bridges for rule in _input(bridge, resolvers)),
        *(("-A", through, *rule) for bridge in bridges for rule in _forward(bridge, resolvers)),
    )


def chains(installation: str) -> tuple[str, str]:
    """The chain for what goes to the host, and the one for what is forwarded."""
    return f"BERTH-{installation}-IN", f"BERTH-{installation}-FWD"


def _input(bridge: Bridge, resolvers: Sequence[str]) -> Iterator[Rule]:
    source = ("-i", bridge.name)
    yield ("!", "-s", bridge.subnet, *source, "-j", "DROP")
    yield (*source, *_ESTABLISHED, "-j", "ACCEPT")
    for port in bridge.host_ports:
        yield ("-d", f"{bridge.gateway}/32", *source, "-p", "tcp", "-m", "tcp", "--dport", str(port), "-j", "ACCEPT")
    yield from _name_servers(source, resolvers, "ACCEPT")
    yield (*source, "-j", "DROP")


def _forward(bridge: Bridge, resolvers: Sequence[str]) -> Iterator[Rule]:
    """RETURN leaves the last word to Docker's own rules, and to those of other installations."""
    source = ("-i", bridge.name)
    yield ("!", "-s", bridge.subnet, *source, "-j", "DROP")
    yield (*source, *_ESTABLISHED, "-j", "RETURN")
    yield ("-o", bridge.name, *_ESTABLISHED, "-j", "RETURN")
    # Nobody but the host begins a conversation with a container: no neighbour, no other bridge, no one who routes.
    yield ("-o", bridge.name, *_REJECT)
    yield from _name_servers(source, resolvers, "RETURN")
    for network in INTERNAL:
        yield ("-d", network, *source, *_REJECT)
    ports = ",".join(map(str, bridge.closed_ports))
    yield (*source, "-p", "tcp", "-m", "multiport", "--dports", ports, *_REJECT)


def _name_servers(source: Rule, resolvers: Sequence[str], verdict: str) -> Iterator[Rule]:
    for resolver in resolvers:
        for protocol in ("udp", "tcp"):
            port = ("-p", protocol, "-m", protocol, "--dport", "53")
            yield ("-d", f"{resolver}/32", *source, *port, "-j", verdict)


def name_servers(text: str) -> tuple[str, ...]:
    """The IPv4 addresses that a resolv.conf names, without those on the loopback device."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            address = IPv4Address(words[1])
        except AddressValueError:
            continue
        if not address.is_loopback:
            found.append(str(address))
    return tuple(dict.fromkeys(found))


def host_resolvers() -> tuple[str, ...]:
    """The name servers that Docker hands to containers on this host."""
    for path in (_RESOLV_CONF, _RESOLVED_CONF):
        if path.exists() and (found := name_servers(path.read_text())):
            return found
    return ()


def apply(installation: str, wanted: Sequence[Rule]) -> None:
    """Bring about exactly `wanted`; calling it again changes nothing. Raises FirewallError."""
    into, through = chains(installation)
    lines = [f":{into} - [0:0]", f":{through} - [0:0]", *(" ".join(rule) for rule in wanted)]
    lines += [f"-I {base} 1 -j {chain}" for base, chain in _missing_jumps(installation)]
    _restore(lines)


def go_ahead_of_engine() -> None:
    """Make the chain that Docker makes at its start, so that rules can be in it before. Raises FirewallError."""
    if not _exists("DOCKER-USER"):
        _restore([":DOCKER-USER - [0:0]"])


def check(installation: str, wanted: Sequence[Rule]) -> list[str]:
    """What is not as `wanted`, in words; empty when all is well. Raises FirewallError."""
    found = [f"{base} does not lead to {chain}" for base, chain in _missing_jumps(installation)]
    for chain in chains(installation):
        present, expected = _chain(chain), [rule for rule in wanted if rule[1] == chain]
        found += [f"missing: {' '.join(rule)}" for rule in expected if rule not in present]
        found += [f"not ours: {' '.join(rule)}" for rule in present if rule not in expected]
        if not found and present != expected:
            found.append(f"the rules of {chain} are not in their order")
    if not _BRIDGED.exists() or _BRIDGED.read_text().strip() != "1":
        found.append("containers of one bridge reach each other: net.bridge.bridge-nf-call-iptables is not 1")
    return found


def remove(installation: str) -> None:
    """Remove all of the installation's rules. Raises FirewallError."""
    lines = []
    for base, chain in zip(_BASES, chains(installation), strict=True):
        lines += [f"-D {base} -j {chain}"] * _chain(base).count(_jump(base, chain))
        if _exists(chain):
            lines += [f"-F {chain}", f"-X {chain}"]
    if lines:
        _restore(lines)


def _missing_jumps(installation: str) -> list[tuple[str, str]]:
    """The built-in chains that don't lead to ours, each with the chain that it should lead to."""
    pairs = zip(_BASES, chains(installation), strict=True)
    return [(base, chain) for base, chain in pairs if _jump(base, chain) not in _chain(base)]


def _jump(base: str, chain: str) -> Rule:
    return ("-A", base, "-j", chain)


def _chain(name: str) -> list[Rule]:
    """The rules of a chain; none where there is no such chain."""
    text = run(["iptables", *_WAIT, "-S", name], timeout=_TIMEOUT, check=False).output
    return [tuple(line.split()) for line in text.splitlines() if line.startswith(f"-A {name} ")]


def _exists(chain: str) -> bool:
    return run(["iptables", *_WAIT, "-S", chain], timeout=_TIMEOUT, check=False).exit_code == 0


def _restore(lines: Sequence[str]) -> None:
    text = "\n".join(["*filter", *lines, "COMMIT", ""])
    try:
        run(["iptables-restore", "--noflush", *_WAIT], timeout=_TIMEOUT, stdin=text.encode())
    except CommandError as error:
        raise FirewallError(
            f"The tenants' firewall rules could not be set: {error.output.strip() or error.reason}. They were left as "
            "they were. Berth needs root, iptables, and a Docker Engine that manages iptables (its default)."
        ) from error
