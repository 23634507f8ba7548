"""What HAProxy reads, as text: a pure function of configuration and state."""

from collections.abc import Sequence
from pathlib import Path
from string import Template

from hosting.engines.haproxy.values import PAGES, SERVERS_PER_SLOT, RouterConfig, RouterState, Server

_HERE = Path(__file__).parent
_PAGES_DIR = _HERE.parent / "pages"

HOSTS, ROUTES, HOLDS, MARKS = "hosts.map", "routes.map", "hold.map", "marks.map"

_INTERMEDIATE = (
    "ssl-default-bind-curves X25519:prime256v1:secp384r1",
    "ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
    "ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    "ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets",
    "tune.ssl.default-dh-param 2048",
)

EMPTY = Server("127.0.0.1", 1, 1)
"""Stands in a place of a slot that nobody has: in maintenance, and nothing listens there."""


def render_config(config: RouterConfig) -> str:
    """The main configuration file. What changes while the router runs is in slots (`render_slot`) and maps."""
    shown = "    http-after-response set-header X-Berth-Commit %[var(txn.commit)] if { var(txn.commit) -m len gt 0 }\n"
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    return Template((_HERE / "haproxy.cfg.template").read_text()).substitute(
        values,
        pid_file=config.pid_file,
        socket=config.socket,
        log_socket=config.log_socket,
        hosted_socket=config.hosted_socket,
        web=config.web,
        inside_socket=config.inside_socket,
        patience=config.held_seconds + config.queue_timeout + config.request_timeout + 60,
        hard_stop=config.request_timeout + 180,
        pages="".join(_page_rule(page) for page in PAGES),
        commit_header=shown if config.commit_header else "",
        tls=_tls(config),
        tls_bind=_tls_bind(config),
        tls_address="" if config.tls_port == 443 else f":{config.tls_port}",
    )


def _tls(config: RouterConfig) -> str:
    """Mozilla's "intermediate" settings (https://ssl-config.mozilla.org/guidelines/5.7.json)."""
    return f"{indented(_INTERMEDIATE)}\n" if config.tls_port else ""


def _tls_bind(config: RouterConfig) -> str:
    if not config.tls_port:
        return ""
    files = f"crt {config.default_certificate} crt-list {config.certificate_list}"
    return f"    bind {config.bind}:{config.tls_port} ssl {files} alpn h2,http/1.1\n"


def indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def render_slot(config: RouterConfig, number: int, servers: Sequence[Server]) -> str:
    """The two backends of a slot. The limit of websockets is the instance's, so its servers share it."""
    if len(servers) > SERVERS_PER_SLOT:
        raise ValueError(f"Slot {number} has places for {SERVERS_PER_SLOT} servers, not for {len(servers)}.")
    lines = [f"backend web_s{number} from web"]
    lines += [_server_line(place, s.address, s.http_port, s.maxconn) for place, s in enumerate(servers, 1)]
    lines += [_empty_line(place) for place in range(len(servers) + 1, SERVERS_PER_SLOT + 1)]
    lines += ["", f"backend ws_s{number} from ws"]
    share = websockets_per_server(config, servers)
    lines += [_server_line(place, s.address, s.gevent_port, share) for place, s in enumerate(servers, 1)]
    lines += [_empty_line(place) for place in range(len(servers) + 1, SERVERS_PER_SLOT + 1)]
    return "\n".join(lines) + "\n"


def render_slots(config: RouterConfig, state: RouterState) -> dict[str, str]:
    """Every slot's file by name, also the empty ones: a reload or restart comes back with what was running."""
    for number in state.slots:
        check_slot(config, number)
    return {
        slot_file(number): render_slot(config, number, state.slots.get(number, ()))
        for number in range(1, config.slots + 1)
    }


def render_maps(state: RouterState) -> dict[str, str]:
    """The map files by name."""
    return {
        HOSTS: render_map(dict(state.hosts)),
        ROUTES: render_map({instance: route.value for instance, route in state.routes.items()}),
        HOLDS: render_map(dict.fromkeys(state.held, "1")),
        MARKS: render_map({host: marks.value for host, marks in state.marks.items() if marks}),
    }


def render_map(entries: dict[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))


def render_assets() -> dict[str, str]:
    """Lua and pages, which are copied beside the configuration: a restart must not need this version's source."""
    assets = {f"pages/{page.name}": page.read_text() for page in sorted(_PAGES_DIR.glob("*.http"))}
    return {"router.lua": (_HERE / "router.lua").read_text(), **assets}


def check_slot(config: RouterConfig, number: int) -> None:
    if not 1 <= number <= config.slots:
        raise ValueError(f"There is no slot {number}: this router has {config.slots}. Raise the number and reload.")


def slot_file(number: int) -> str:
    return f"slots/s{number}.cfg"


def websockets_per_server(config: RouterConfig, servers: Sequence[Server]) -> int:
    return -(-config.websockets // max(1, len(servers)))


def _page_rule(page: str) -> str:
    return f"    http-request return status 503 errorfile pages/{page}.http if {{ var(txn.slot) -m str {page} }}\n"


def _server_line(place: int, address: str, port: int, maxconn: int) -> str:
    return f"    server p{place} {address}:{port} maxconn {maxconn}"


def _empty_line(place: int) -> str:
    return f"    server p{place} {EMPTY.address}:{EMPTY.http_port} disabled"
