"""The tenants' bridges, one for production and one for the rest, and what they may reach."""

from urllib.parse import urlsplit

from deploy.environment import CLUSTER_URLS, Environment
from deploy.progress import Progress, SetupError
from hosting import walls
from hosting.engines import firewall
from hosting.engines.docker import Docker, EngineError
from hosting.engines.firewall import Bridge, FirewallError


def bridges(values: Environment) -> dict[str, Bridge]:
    """Name of the engine's network -> its bridge."""
    hosted, lab = (urlsplit(values[CLUSTER_URLS[name].variable]).port or 5432 for name in ("hosted", "lab"))
    return walls.bridges(values["BERTH_INSTALLATION"], values["BERTH_SUBNET"], hosted_port=hosted, lab_port=lab)


def ensure(values: Environment, url: str, progress: Progress) -> None:
    """Raises SetupError."""
    installation, wanted = values["BERTH_INSTALLATION"], bridges(values)
    try:
        with Docker(url, installation) as engine:
            for name, bridge in wanted.items():
                engine.ensure_network(name, bridge.name, bridge.subnet, bridge.gateway)
        if walls.missing(installation, wanted):
            into, through = firewall.chains(installation)
            progress.say(f"setting iptables rules: chains {into} (from INPUT) and {through} (from DOCKER-USER)")
            walls.close(installation, wanted)
        for line in walls.missing(installation, wanted):
            progress.say(f"firewall: {line}")
    except (EngineError, FirewallError) as error:
        raise SetupError(
            str(error), left="No database was started.", todo="mend what the message says and run bin/up again."
        ) from error


def close_early(values: Environment) -> None:
    """The rules alone, before the engine starts containers; the networks are there from before. Raises SetupError."""
    try:
        firewall.go_ahead_of_engine()
        walls.close(values["BERTH_INSTALLATION"], bridges(values))
    except FirewallError as error:
        raise SetupError(
            str(error), left="No rule was changed.", todo="mend what the message says and run bin/up."
        ) from error


def remove(values: Environment, url: str) -> None:
    """Raises EngineError or FirewallError."""
    firewall.remove(values["BERTH_INSTALLATION"])
    with Docker(url, values["BERTH_INSTALLATION"]) as engine:
        for name in bridges(values):
            engine.remove_network(name)
