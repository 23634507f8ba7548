"""The tenants' bridges, one for production and one for the rest, and what they may reach."""

from urllib.parse import urlsplit

from deploy.clusters import gateway, tenant_networks
from deploy.environment import CLUSTER_URLS, Environment
from deploy.progress import Progress, SetupError
from hosting.engines import firewall
from hosting.engines.docker import Docker, EngineError
from hosting.engines.firewall import SMTP, SUBMISSION, Bridge, FirewallError


def bridges(values: Environment) -> dict[str, Bridge]:
    """Name of the engine's network -> its bridge."""
    installation, networks = values["BERTH_INSTALLATION"], tenant_networks(values["BERTH_SUBNET"])
    parts = (("prod", "p", "hosted", (SMTP,)), ("lab", "l", "lab", (SMTP, *SUBMISSION)))
    return {
        f"berth-{installation}-{name}": Bridge(
            name=f"br{installation}{letter}",
            subnet=str(networks[cluster]),
            gateway=str(gateway(networks[cluster])),
            host_ports=(urlsplit(values[CLUSTER_URLS[cluster].variable]).port or 5432,),
            closed_ports=closed,
        )
        for name, letter, cluster, closed in parts
    }


def ensure(values: Environment, url: str, progress: Progress) -> None:
    """Raises SetupError."""
    installation, wanted = values["BERTH_INSTALLATION"], bridges(values)
    try:
        with Docker(url, installation) as engine:
            for name, bridge in wanted.items():
                engine.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway)
        rules = firewall.rules(installation, list(wanted.values()), firewall.host_resolvers())
        if firewall.check(installation, rules):
            into, through = firewall.chains(installation)
            progress.say(f"setting iptables rules: chains {into} (from INPUT) and {through} (from DOCKER-USER)")
            firewall.apply(installation, rules)
        for line in firewall.check(installation, rules):
            progress.say(f"firewall: {line}")
    except (EngineError, FirewallError) as error:
        raise SetupError(
            str(error), left="No database was started.", todo="mend what the message says and run bin/up again."
        ) from error


def remove(values: Environment, url: str) -> None:
    """Raises EngineError or FirewallError."""
    firewall.remove(values["BERTH_INSTALLATION"])
    with Docker(url, values["BERTH_INSTALLATION"]) as engine:
        for name in bridges(values):
            engine.remove_network(name)
