"""From rows to what they stand for: a host's engine, a cluster's administrator, the router, an instance's folder."""

import ipaddress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.crypto import salted_hmac

from hosting import walls
from hosting.engines.docker import Docker
from hosting.engines.firewall import SMTP, Bridge
from hosting.engines.haproxy import Router, RouterConfig
from hosting.engines.postgres import InstanceDatabase, Server
from hosting.models import DatabaseServer, Host, Instance


@cache
def _docker(url: str) -> Docker:
    return Docker(url, settings.BERTH_INSTALLATION)


def engine(host: Host) -> Docker:
    return _docker(host.docker_url)


def cluster(server: DatabaseServer) -> Server:
    """The administrator of a PostgreSQL cluster."""
    return Server(server.url)


def network(*, production: bool) -> str:
    """The name of the tenants' network: one for production, one for the rest."""
    return walls.network(settings.BERTH_INSTALLATION, production=production)


def bridges() -> dict[str, Bridge]:
    """The tenants' networks of this machine, each with its bridge."""
    ports = [urlsplit(url).port or 5432 for url in (settings.BERTH_HOSTED_URL, settings.BERTH_LAB_URL)]
    return walls.bridges(settings.BERTH_INSTALLATION, settings.BERTH_SUBNET, hosted_port=ports[0], lab_port=ports[1])


def tenant_address(instance: Instance) -> tuple[str, int]:
    """Host and port where the containers of an instance reach its PostgreSQL: this machine, seen from their network."""
    parts = urlsplit(instance.database_server.url)
    host = unquote(parts.hostname or "")
    if not host or host.startswith("/") or host == "localhost" or _is_loopback(host):
        host = instance.host.gateway(production=instance.is_production)
    return host, parts.port or 5432


def mail_address(instance: Instance) -> tuple[str, int]:
    """Host and port where the instance's containers reach the catcher of mails; production has none: ("", 25)."""
    if instance.is_production:
        return "", SMTP
    return instance.host.gateway(production=False), walls.MAIL_PORT


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def database(instance: Instance) -> InstanceDatabase:
    """The instance's database as its own role sees it, never a superuser: a tenant may plant views with functions."""
    host, port = tenant_address(instance)
    return InstanceDatabase(
        host=host, port=port, name=instance.database, user=instance.database, password=instance.database_password
    )


def folder(instance: Instance) -> Path:
    """Its files: data (Odoo's data directory), log, and a folder per generation."""
    return Path(settings.BERTH_HOME) / "instances" / instance.name


def router_secret() -> str:
    """By which the portal knows its router (hosting/knock.py)."""
    return salted_hmac("berth.router", settings.SECRET_KEY, algorithm="sha256").hexdigest()


def router_address() -> str:
    """Where the router answers programs of this machine."""
    return "127.0.0.1" if settings.BERTH_BIND in ("0.0.0.0", "") else str(settings.BERTH_BIND)


def router(slots: int = 0) -> Router:
    """The router of this installation; `slots` only matters to who writes its whole configuration."""
    home = Path(settings.BERTH_HOME)
    return Router(
        RouterConfig(
            home=home / "haproxy",
            run=home / "run",
            bind=settings.BERTH_BIND,
            router_port=settings.BERTH_ROUTER_PORT,
            tls_port=settings.BERTH_TLS_PORT,
            portal_port=settings.BERTH_PORTAL_PORT,
            portal_host=settings.ALLOWED_HOSTS[0],
            slots=slots or settings.BERTH_SLOTS,
            secret=router_secret(),
            commit_header=settings.BERTH_COMMIT_HEADER,
        )
    )
