"""What the private PostgreSQL clusters are: `portal` (Berth's own), `hosted` (production), `lab` (what may be lost).

Each has its data in `$BERTH_HOME/pg/NAME`, runs as the distribution's user `postgres`, and asks everybody for a
password (scram), local connections too: the uid of `postgres` on a host may be that of `odoo` in an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from deploy.environment import ADMIN, CLUSTER_URLS, Environment, private_clusters

MEGABYTE = 1024 * 1024

SAFE: Mapping[str, str] = {"wal_level": "replica"}
# Drills, development, templates: all can be made again, so it doesn't wait for the disk and keeps no log of changes.
LOSABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "archive_mode": "off",
}


@dataclass(frozen=True)
class Cluster:
    name: str
    installation: str
    data: Path
    sockets: Path
    port: int
    listen: tuple[str, ...]
    tenants: IPv4Network | None
    max_connections: int
    shared_buffers: int  # bytes
    settings: Mapping[str, str] = field(default_factory=dict)


def tenant_networks(subnet: str) -> dict[str, IPv4Network]:
    """Production's containers live in the lower half of the installation's subnet, all others in the upper one."""
    lower, upper = IPv4Network(subnet).subnets(prefixlen_diff=1)
    return {"hosted": lower, "lab": upper}


def gateway(network: IPv4Network) -> IPv4Address:
    return network.network_address + 1


def plan(root: Path, values: Environment, memory: int) -> list[Cluster]:
    """The private clusters of an installation whose data is in `root`, on a machine with `memory` bytes."""
    networks = tenant_networks(values["BERTH_SUBNET"])
    sizes = {
        "portal": (100, 64 * MEGABYTE, SAFE),
        "hosted": (400, min(max(memory // 16, 128 * MEGABYTE), 1024 * MEGABYTE), SAFE),
        "lab": (300, min(max(memory // 32, 64 * MEGABYTE), 256 * MEGABYTE), LOSABLE),
    }
    clusters = []
    for name in private_clusters(values):
        connections, buffers, settings = sizes[name]
        network = networks.get(name)
        clusters.append(
            Cluster(
                name=name,
                installation=values["BERTH_INSTALLATION"],
                data=root / name,
                sockets=socket_folder(values["BERTH_INSTALLATION"]),
                port=int(values[CLUSTER_URLS[name].port]),
                listen=("127.0.0.1", *([str(gateway(network))] if network else [])),
                tenants=network,
                max_connections=connections,
                shared_buffers=buffers,
                settings=settings,
            )
        )
    return clusters


def socket_folder(installation: str) -> Path:
    """Outside `$BERTH_HOME`, whose path may be too long for a socket or closed to the user `postgres`."""
    return Path(f"/run/berth-{installation}")


def configuration(cluster: Cluster) -> str:
    """postgresql.conf."""
    settings = {
        "cluster_name": f"berth-{cluster.installation}-{cluster.name}",
        "port": str(cluster.port),
        "listen_addresses": ", ".join(cluster.listen),
        "unix_socket_directories": str(cluster.sockets),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": str(cluster.max_connections),
        "shared_buffers": f"{cluster.shared_buffers // MEGABYTE}MB",
        "jit": "off",  # costs Odoo's short queries more than it saves
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        # A file for each day of the week, the older one overwritten: a week of logs, and no more.
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_size": "0",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        **cluster.settings,
    }
    head = "# Written by bin/up, which would undo changes here. Use ALTER SYSTEM: it wins over this file.\n"
    return head + "".join(f"{name} = '{value}'\n" for name, value in settings.items())


def access(cluster: Cluster) -> str:
    """pg_hba.conf: this machine and the cluster's own tenants, who may never be the administrator.

    `samehost` and not 127.0.0.1: what this machine sends to the gateway comes from any of its addresses (masquerading).
    """
    lines = ["# Written by bin/up.", "local all all scram-sha-256", "host all all samehost scram-sha-256"]
    if cluster.tenants:
        lines += [f"host all {ADMIN} {cluster.tenants} reject", f"host all all {cluster.tenants} scram-sha-256"]
    return "\n".join(lines) + "\n"
