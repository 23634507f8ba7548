"""What is said about the router: plain, checked values, so that no text of a user's reaches a line of HAProxy's."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

Robots = Literal["open", "closed"]

PAGES: Final = ("updating", "asleep", "stopped", "locked")
"""Pages of the router's own that a route may name in place of a slot."""

SERVERS_PER_SLOT: Final = 4
"""How many containers with HTTP workers one pool may have."""

_INSTANCE = re.compile(r"i[0-9]{1,12}")
_SLOT = re.compile(r"s([1-9][0-9]{0,4})")
_COMMIT = re.compile(r"[0-9a-f]{0,64}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*")


class RouterError(Exception):
    """The router could not be reached, or did not do what it was told."""


class RouterDown(RouterError):
    """No router process answers. The files are written: it comes up with the change when it is started."""


class RouterBusy(RouterError):
    """A reload was refused because requests are being held: held requests would never hear of the release."""


def check_instance(instance: str) -> str:
    if not _INSTANCE.fullmatch(instance):
        raise ValueError(f"{instance!r} is no instance: the router wants a name like i42.")
    return instance


def check_host(host: str) -> str:
    """Hosts are looked up in lower case and without a port; international names come in their xn-- form."""
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host name: the router wants lower-case labels without a port.")
    return host


@dataclass(frozen=True)
class Server:
    """One container of a pool, as the router reaches it. `maxconn` limits its requests at a time; 0 does not."""

    address: str
    http_port: int = 8069
    gevent_port: int = 8072
    maxconn: int = 0

    def __post_init__(self) -> None:
        ipaddress.IPv4Address(self.address)
        if not (0 < self.http_port < 65536 and 0 < self.gevent_port < 65536 and self.maxconn >= 0):
            raise ValueError(f"{self} has a port or a limit that is out of range.")


@dataclass(frozen=True)
class Route:
    """Where an instance's requests go: to a slot (`s17`), or to a page of the router's own (see `PAGES`)."""

    instance: str
    slot: str
    commit: str = ""
    robots: Robots = "closed"

    def __post_init__(self) -> None:
        check_instance(self.instance)
        if not (_SLOT.fullmatch(self.slot) or self.slot in PAGES):
            raise ValueError(f"{self.slot!r} is neither a slot like s17 nor one of the pages {', '.join(PAGES)}.")
        if not _COMMIT.fullmatch(self.commit) or self.robots not in ("open", "closed"):
            raise ValueError(f"{self} has a commit that is no hash, or says something else than open or closed.")

    @property
    def value(self) -> str:
        """The value in routes.map: one value, so that commit and slot can never disagree in a response."""
        return f"{self.slot},{self.commit},{self.robots}"

    @classmethod
    def parse(cls, instance: str, value: str) -> "Route":
        slot, commit, robots = value.split(",")
        return cls(instance, slot, commit, cast(Robots, robots))  # checked like any other


@dataclass(frozen=True)
class Marks:
    """What holds for a host beside where it leads: `https`, where its visitors are sent to https and shall stay there,
    `hidden`, where search engines shall use another name, and `noticed`, where a page comes before Odoo's backend."""

    https: bool = False
    hidden: bool = False
    noticed: bool = False

    def __bool__(self) -> bool:
        return self.https or self.hidden or self.noticed

    @property
    def value(self) -> str:
        """The value in marks.map."""
        return ",".join(name for name in ("https", "hidden", "noticed") if getattr(self, name))

    @classmethod
    def parse(cls, value: str) -> "Marks":
        return cls(**dict.fromkeys(value.split(","), True))


@dataclass(frozen=True)
class RouterState:
    """What the router should have, as the database says it; also what a running router has (`Router.live_state`)."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    slots: Mapping[int, Sequence[Server]] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    marks: Mapping[str, Marks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for host, instance in self.hosts.items():
            check_host(host)
            check_instance(instance)
        for instance, route in self.routes.items():
            if route.instance != instance:
                raise ValueError(f"The route of {route.instance} is filed under {instance}.")
        for instance in self.held:
            check_instance(instance)


@dataclass(frozen=True)
class RouterConfig:
    """How one installation's router runs. Times are in seconds.

    `tls_port` is where https comes in; 0: nowhere. `home` holds what HAProxy reads, `run` its sockets, `web` those of
    the portal. It starts as root and becomes `user`, who must be able to reach `run` (see `Router.check`). The control
    sockets belong to `owner`, the user of Berth's workers. `portal_host` is a name that the portal answers to, for its
    health checks. `extra` is appended to the configuration as it is: further sections of the operator's.
    """

    home: Path
    run: Path
    bind: str = "127.0.0.1"
    router_port: int = 8080
    tls_port: int = 0
    portal_port: int = 8000
    portal_host: str = "127.0.0.1"
    slots: int = 64
    user: str = "haproxy"
    group: str = "haproxy"
    owner: str = "root"
    secret: str = field(default="none", repr=False)
    commit_header: bool = True
    request_timeout: int = 720
    queue_timeout: int = 30
    tunnel_timeout: int = 3600
    connect_timeout: int = 5
    header_timeout: int = 10
    websockets: int = 200
    held_requests: int = 200
    held_seconds: int = 60
    page_seconds: int = 10
    maxconn: int = 8000
    binary: str = "/usr/sbin/haproxy"
    extra: str = ""

    @property
    def config_file(self) -> Path:
        return self.home / "haproxy.cfg"

    @property
    def certificates_dir(self) -> Path:
        """Certificates with their keys, a file for each host. HAProxy reads them as root, before it gives that up."""
        return self.home / "certificates"

    @property
    def certificate_list(self) -> Path:
        return self.home / "certificates.list"

    @property
    def default_certificate(self) -> Path:
        return self.certificates_dir / "_default.pem"

    def certificate(self, host: str) -> Path:
        return self.certificates_dir / f"{host}.pem"

    @property
    def slots_dir(self) -> Path:
        return self.home / "slots"

    @property
    def web(self) -> Path:
        """Where the portal's web processes, which have a user of their own, make their sockets."""
        return self.run.with_name("web")

    @property
    def pid_file(self) -> Path:
        return self.run / "router.pid"

    @property
    def socket(self) -> Path:
        return self.run / "router.sock"

    @property
    def master_socket(self) -> Path:
        return self.run / "router-master.sock"

    @property
    def hosted_socket(self) -> Path:
        """Over which requests pass from the public address to the routing; HAProxy's own."""
        return self.run / "router-hosted.sock"

    @property
    def inside_socket(self) -> Path:
        """By which the router asks the portal to wake an instance; HAProxy's own."""
        return self.run / "router-inside.sock"

    @property
    def loaded_file(self) -> Path:
        """Remembers which configuration the running router has loaded."""
        return self.run / "router.loaded"

    @property
    def lock_file(self) -> Path:
        return self.run / "router.lock"

    @property
    def log_socket(self) -> Path:
        """Where the request log goes, line by line, if somebody listens there."""
        return self.run / "router.log.sock"
