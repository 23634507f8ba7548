"""The walls around tenants: their two bridges, and what may pass them (docs/security.md)."""

from collections.abc import Mapping
from ipaddress import IPv4Network

from hosting.engines import firewall
from hosting.engines.firewall import ALTERNATIVE, SMTP, SUBMISSION, Bridge

MAIL_PORT = 1025  # of the gateway of what isn't production: each installation has its own


def network(installation: str, *, production: bool) -> str:
    """What the engine calls the tenants' network."""
    return f"berth-{installation}-{'prod' if production else 'lab'}"


def bridges(installation: str, subnet: str, *, hosted_port: int, lab_port: int) -> dict[str, Bridge]:
    """Network -> its bridge: production has the lower half of `subnet`, all others the upper one.

    A bridge's containers reach the PostgreSQL of their kind on this machine, and no mail server by port 25; those that
    aren't production reach none but the catcher of mails (hosting/catcher.py).
    """
    found = {}
    lower, upper = IPv4Network(subnet).subnets()
    for half, production, port in ((lower, True, hosted_port), (upper, False, lab_port)):
        found[network(installation, production=production)] = Bridge(
            name=f"br{installation}{'p' if production else 'l'}",
            subnet=str(half),
            gateway=str(half[1]),
            host_ports=(port,) if production else (port, MAIL_PORT),
            closed_ports=(SMTP,) if production else (SMTP, *SUBMISSION, *ALTERNATIVE),
        )
    return found


def missing(installation: str, wanted: Mapping[str, Bridge]) -> list[str]:
    """What differs between the rules that there are and those that should be."""
    return firewall.check(installation, _rules(installation, wanted))


def close(installation: str, wanted: Mapping[str, Bridge]) -> None:
    """Set the rules, in one step. Raises FirewallError."""
    firewall.apply(installation, _rules(installation, wanted))


def _rules(installation: str, wanted: Mapping[str, Bridge]) -> tuple[firewall.Rule, ...]:
    return firewall.rules(installation, list(wanted.values()), firewall.host_resolvers())
