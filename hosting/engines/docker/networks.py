"""The tenants' bridges."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from hosting.engines.docker.connection import Connection
from hosting.engines.docker.errors import NetworkMissing, SubnetTaken
from hosting.engines.docker.specs import INSTALLATION_LABEL

_ROUTES = Path("/proc/net/route")


def network_config(
    *, name: str, bridge: str, subnet: IPv4Network, gateway: IPv4Address, internal: bool, installation: str
) -> dict[str, Any]:
    """The body of `POST /networks/create`: no traffic between its containers, no IPv6, a bridge with a fixed name.

    https://docs.docker.com/engine/api/v1.41/#tag/Network/operation/NetworkCreate
    """
    return {
        "Name": name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": internal,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Config": [{"Subnet": str(subnet), "Gateway": str(gateway), "IPRange": str(dynamic_range(subnet))}],
        },
        "Options": {
            "com.docker.network.bridge.name": bridge,
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
        },
        "Labels": {INSTALLATION_LABEL: installation},
    }


def dynamic_range(subnet: IPv4Network) -> IPv4Network:
    """The end of `subnet`, from which the engine itself picks addresses: for image builds, and containers without one.

    Berth allots the others; were the range not apart, a build could hold an address that was allotted a moment ago.
    """
    prefix = min(max(24, subnet.prefixlen + 4), 30)
    return list(subnet.subnets(new_prefix=prefix))[-1]


def routes(text: str) -> dict[IPv4Network, str]:
    """Read /proc/net/route: each network with its interface, the default route left out."""
    found = {}
    for line in text.splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask, *_ = line.split()
        address, netmask = (IPv4Address(int.from_bytes(bytes.fromhex(word), "little")) for word in (destination, mask))
        if int(netmask):
            found[IPv4Network(f"{address}/{netmask}")] = interface
    return found


class Networks(Connection):
    def ensure_network(self, name: str, bridge: str, subnet: str, gateway: str, *, internal: bool = False) -> None:
        """Bring about the network; one that differs is replaced where no container is on it.

        `internal` gives no way out at all. Raises SubnetTaken, and EngineError where a network that differs is in use.
        """
        wanted = network_config(
            name=name,
            bridge=bridge,
            subnet=IPv4Network(subnet),
            gateway=IPv4Address(gateway),
            internal=internal,
            installation=self.installation,
        )
        found = self._network(name)
        if found is not None and is_as(found, _lasting(wanted)):
            return
        if found is not None:
            self.remove_network(name)
        self._refuse_overlap(IPv4Network(subnet), bridge)
        with self.asking(f"create network {name}"):
            self.post("/networks/create", wanted)

    def remove_network(self, name: str) -> None:
        """One that is gone is no error. Raises EngineError while a container is on it."""
        try:
            with self.asking(f"remove network {name}", missing=NetworkMissing):
                self.api.remove_network(name)
        except NetworkMissing:
            return

    def addresses(self, name: str) -> set[str]:
        """Those that running containers of a network have, whoever made them; none where there is no such network."""
        containers = (self._network(name) or {}).get("Containers", {}).values()
        return {str(container["IPv4Address"]).partition("/")[0] for container in containers}

    def _network(self, name: str) -> Mapping[str, Any] | None:
        try:
            with self.asking(f"look at network {name}", missing=NetworkMissing):
                found: Mapping[str, Any] = self.api.inspect_network(name)
                return found
        except NetworkMissing:
            return None

    def _refuse_overlap(self, subnet: IPv4Network, bridge: str) -> None:
        """The engine compares with its own networks only, and not always; the host's routes count as well."""
        with self.asking("list networks"):
            networks = self.api.networks()
        taken = {
            IPv4Network(pool["Subnet"]): f"network {network['Name']}"
            for network in networks
            for pool in network["IPAM"]["Config"] or ()
            if "." in pool.get("Subnet", "")
        }
        ways = {
            network: f"a route of the host, to {interface}"
            for network, interface in routes(_ROUTES.read_text()).items()
            if interface != bridge
        }
        for other, owner in {**ways, **taken}.items():
            if subnet.overlaps(other):
                raise SubnetTaken(
                    f"The tenants' subnet {subnet} overlaps with {other} ({owner}). No network was made. "
                    "Set BERTH_SUBNET to a free /16."
                )


def _lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a request that the engine remembers."""
    return {key: value for key, value in config.items() if key != "CheckDuplicate"}


def is_as(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is found; newer engines tell of settings that we never made."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(is_as(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(is_as, found, wanted))
    return bool(found == wanted)
