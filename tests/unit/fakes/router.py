"""A router in memory, which runs or is down."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from django.conf import settings

from hosting.engines.haproxy import Marks, Route, RouterConfig, RouterDown, RouterState, Server
from hosting.engines.haproxy.files import write_atomically
from tests.unit.fakes.world import World


class FakeRouter:
    def __init__(self, world: World) -> None:
        self.world = world
        self.down = False
        self.config = RouterConfig(Path(settings.BERTH_HOME) / "haproxy", Path(settings.BERTH_HOME) / "run")

    def _told(self, what: str) -> None:
        self.world.happen(what)

    def _ask(self) -> None:
        if self.down:
            raise RouterDown("No router listens.")

    def set_host(self, host: str, instance: str) -> None:
        self._told("set host")
        self.world.hosts[host] = instance
        self._ask()

    def remove_host(self, host: str) -> None:
        self._told("remove host")
        self.world.hosts.pop(host, None)
        self.world.marks.pop(host, None)
        self._ask()

    def mark_host(self, host: str, marks: Marks) -> None:
        self._told("mark host")
        self.world.marks[host] = marks
        self._ask()

    def set_certificate(self, host: str, pem: str) -> None:
        self._told("set certificate")
        self.world.certificates[host] = pem
        self._ask()

    def remove_certificate(self, host: str) -> None:
        self._told("remove certificate")
        self.world.certificates.pop(host, None)
        self._ask()

    def write_certificates(self, certificates: Mapping[str, str], default: str) -> None:
        self.world.certificates = dict(certificates)
        write_atomically(self.config.default_certificate, default)

    def set_default_certificate(self, pem: str) -> None:
        self._told("set the default certificate")
        write_atomically(self.config.default_certificate, pem)
        self._ask()

    def loaded_certificates(self) -> set[str]:
        self._told("ask for certificates")
        self._ask()
        return set(self.world.certificates)

    def set_route(self, route: Route) -> None:
        self._told("set route")
        self.world.routes[route.instance] = route
        self._ask()

    def remove_route(self, instance: str) -> None:
        self._told("remove route")
        self.world.routes.pop(instance, None)
        self._ask()

    def hold(self, instance: str) -> None:
        self._told("hold")
        self.world.held.add(instance)
        self._ask()

    def release(self, instance: str) -> None:
        self._told("release")
        self.world.held.discard(instance)
        self._ask()

    def fill_slot(self, number: int, servers: Sequence[Server]) -> None:
        self._told("fill slot" if servers else "empty slot")
        self.world.slots[number] = list(servers)
        self._ask()

    def in_flight(self, number: int) -> tuple[int, int]:
        self._told("ask for requests")
        self._ask()
        return 0, 0

    def close_websockets(self, number: int, *, within: float = 0.0) -> None:
        self._told("close websockets")
        self._ask()

    def serving_addresses(self) -> set[str]:
        self._told("ask for addresses")
        self._ask()
        return {server.address for servers in self.world.slots.values() for server in servers}

    def is_up(self) -> bool:
        self._told("ask the router")
        return not self.down

    def live_state(self) -> RouterState:
        self._told("ask for state")
        self._ask()
        return RouterState(
            hosts=dict(self.world.hosts),
            routes=dict(self.world.routes),
            slots={number: list(servers) for number, servers in self.world.slots.items() if servers},
            held=frozenset(self.world.held),
            marks={host: marks for host, marks in self.world.marks.items() if marks},
        )

    def write(self, wanted: RouterState | Callable[[], RouterState]) -> None:
        state = wanted() if callable(wanted) else wanted
        self.world.hosts, self.world.routes = dict(state.hosts), dict(state.routes)
        self.world.held, self.world.marks = set(state.held), dict(state.marks)
        self.world.slots = {number: list(servers) for number, servers in state.slots.items() if servers}
