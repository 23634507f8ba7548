"""What DNS says of a name, by dnspython. Plain values, own exception, no Django."""

from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.rdatatype
import dns.resolver
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers, Resolver

LIFETIME_S = 5.0  # for one question, all servers together
HOPS = 8  # CNAMEs that are followed


class NameServerError(Exception):
    """No name server answered."""


@dataclass(frozen=True)
class Found:
    """The names that a name's CNAMEs lead to, its texts (of another name), and the addresses that it ends at."""

    cnames: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def look_up(name: str, *, text_name: str, server: str = "") -> Found:
    """`server` is ADDRESS:PORT; without one the machine's own resolvers are asked. Raises NameServerError."""
    resolver = _resolver(server)
    return Found(
        cnames=tuple(_chain(resolver, name)),
        texts=tuple(_ask(resolver, text_name, "TXT")),
        addresses=addresses(name, server=server),
    )


def addresses(name: str, *, server: str = "") -> tuple[str, ...]:
    """Raises NameServerError."""
    resolver = _resolver(server)
    return tuple(sorted(address for kind in ("A", "AAAA") for address in _ask(resolver, name, kind)))


def _resolver(server: str) -> Resolver:
    if not server:
        resolver = Resolver()
    else:
        address, _, port = server.rpartition(":")
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = [address], int(port)
    resolver.lifetime = LIFETIME_S
    return resolver


def _chain(resolver: Resolver, name: str) -> Iterator[str]:
    """The CNAMEs one after the other; a circle ends after some."""
    for _hop in range(HOPS):
        answers = _ask(resolver, name, "CNAME")
        if not answers:
            return
        name = answers[0]
        yield name


def _ask(resolver: Resolver, name: str, kind: str) -> list[str]:
    """The records' values, none where there are none."""
    try:
        answer = resolver.resolve(name, kind, search=False)
    except (NXDOMAIN, NoAnswer):
        return []
    except (NoNameservers, dns.exception.DNSException, OSError) as error:
        raise NameServerError(f"No name server could say what {name} is: {error}"[:300]) from error
    records = [record for record in answer if record.rdtype == dns.rdatatype.from_text(kind)]
    if kind == "TXT":
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records]
    if kind == "CNAME":
        return [record.target.to_text(omit_final_dot=True).lower() for record in records]
    return [record.address for record in records]
