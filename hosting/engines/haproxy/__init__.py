"""HAProxy, the router: hosts to instances, instances to slots, slots to containers; and the portal's front door.

A request's host is looked up in hosts.map (-> instance), the instance in routes.map (-> `SLOT,COMMIT,ROBOTS`), and the
slot is a pair of backends whose servers are filled at runtime. A switch is one `set map` of routes.map.
"""

from hosting.engines.haproxy.process import start_argv
from hosting.engines.haproxy.render import render_config, render_maps, render_slot, render_slots
from hosting.engines.haproxy.requestlog import Request, open_log
from hosting.engines.haproxy.router import Router
from hosting.engines.haproxy.runtime import UnexpectedAnswer
from hosting.engines.haproxy.values import (
    PAGES,
    SERVERS_PER_SLOT,
    Marks,
    Robots,
    Route,
    RouterBusy,
    RouterConfig,
    RouterDown,
    RouterError,
    RouterState,
    Server,
)

__all__ = [
    "PAGES",
    "SERVERS_PER_SLOT",
    "Marks",
    "Request",
    "Robots",
    "Route",
    "Router",
    "RouterBusy",
    "RouterConfig",
    "RouterDown",
    "RouterError",
    "RouterState",
    "Server",
    "UnexpectedAnswer",
    "open_log",
    "render_config",
    "render_maps",
    "render_slot",
    "render_slots",
    "start_argv",
]
