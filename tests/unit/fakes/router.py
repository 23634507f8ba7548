"""A router in memory, which runs or is down."""

from collections.abc import Callable, Sequence

from hosting.engines.haproxy import Route, RouterDown, RouterState, Server
from tests.unit.fakes.world import World


class FakeRouter:
    def __init__(self, world: World) -> None:
        self.world = world
        self.down = False

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
        self._ask()

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

    def close_websockets(self, number: int) -> None:
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
        )

    def write(self, wanted: RouterState | Callable[[], RouterState]) -> None:
        state = wanted() if callable(wanted) else wanted
        self.world.hosts, self.world.routes = dict(state.hosts), dict(state.routes)
        self.world.held = set(state.held)
        self.world.slots = {number: list(servers) for number, servers in state.slots.items() if servers}
