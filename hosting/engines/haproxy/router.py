"""What Berth tells the router: hosts, routes, holds and slots. Files first, then the process that runs."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from hosting.engines.haproxy import render
from hosting.engines.haproxy.certificates import Certificates
from hosting.engines.haproxy.files import write_atomically
from hosting.engines.haproxy.render import EMPTY, HOLDS, HOSTS, MARKS, ROUTES
from hosting.engines.haproxy.runtime import Line
from hosting.engines.haproxy.values import (
    SERVERS_PER_SLOT,
    Marks,
    Route,
    RouterBusy,
    RouterError,
    RouterState,
    Server,
    check_host,
    check_instance,
)

_SETTLE = 0.02
"""Seconds after which a request that looked up the old value of a map has reached its backend, and is counted there."""

_APART_S = 0.25
"""The longest time between two websockets that are closed in turn."""

_ADDRESS_SET = r"(IP changed from|port changed from|no need to change the addr).*"


class Router(Certificates):
    """One installation's router. Safe to use from several processes: changes are made one at a time, under a lock.

    A change that raises RouterDown is in the files, and holds when the router is started. After any other RouterError
    the running router may or may not have it; doing it again is safe.
    """

    def write(self, wanted: RouterState | Callable[[], RouterState]) -> None:
        """Write all that HAProxy reads when it starts or reloads. Changes nothing in a running router.

        While others may be changing the router, give a function that reads the state: it is called when their turn is
        over, so that what they have just written is not undone.
        """
        self.config.run.mkdir(parents=True, exist_ok=True)
        with self.alone():
            state = wanted() if callable(wanted) else wanted
            files = {
                **render.render_assets(),
                **render.render_slots(self.config, state),
                **render.render_maps(state),
            }
            for name, text in files.items():
                write_atomically(self.config.home / name, text)
            write_atomically(self.config.config_file, render.render_config(self.config), mode=0o600)  # it has a secret
            for path in self.config.slots_dir.glob("*.cfg"):
                if f"slots/{path.name}" not in files:
                    path.unlink()

    def reload(self, timeout: float = 30.0) -> None:
        """Let a new worker take over with the files as they are, and wait for it. Only more slots need that.

        Raises RouterBusy while anything is held: maps are per process, so held requests would not hear of the release.
        """
        with self.alone():
            if self._read_map(HOLDS) or self.in_current(lambda pid: self.show_map(pid, HOLDS)):
                raise RouterBusy("Requests are being held. The router was not reloaded; release them first.")
            self.take_over(timeout)

    # Hosts, routes, holds

    def set_host(self, host: str, instance: str) -> None:
        self._put(HOSTS, check_host(host), check_instance(instance))

    def remove_host(self, host: str) -> None:
        self._drop(HOSTS, check_host(host))
        self._drop(MARKS, host)

    def mark_host(self, host: str, marks: Marks) -> None:
        """Say what else holds for a host; nothing, where there are no marks."""
        if marks:
            self._put(MARKS, check_host(host), marks.value)
        else:
            self._drop(MARKS, check_host(host))

    def set_route(self, route: Route) -> None:
        """The switch. When this returns, no request that comes from now on goes where the old route led."""
        self._put(ROUTES, route.instance, route.value)
        time.sleep(_SETTLE)

    def remove_route(self, instance: str) -> None:
        self._drop(ROUTES, check_instance(instance))

    def hold(self, instance: str) -> None:
        """Let the instance's new requests wait, up to `held_seconds` each. Those in flight go on: see `in_flight`."""
        self._put(HOLDS, check_instance(instance), "1")
        time.sleep(_SETTLE)

    def release(self, instance: str) -> None:
        self._drop(HOLDS, check_instance(instance))

    def _put(self, name: str, key: str, value: str) -> None:
        def put(pid: int) -> None:
            if self.tell(pid, f"set map {name} {key} {value}", r"entry not found\."):
                self.tell(pid, f"add map {name} {key} {value}")

        with self.alone():
            entries = self._read_map(name)
            if entries.get(key) != value:
                write_atomically(self.config.home / name, render.render_map({**entries, key: value}))
            self.in_current(put)

    def _drop(self, name: str, key: str) -> None:
        with self.alone():
            entries = self._read_map(name)
            if entries.pop(key, None) is not None:
                write_atomically(self.config.home / name, render.render_map(entries))
            self.in_current(lambda pid: self.tell(pid, f"del map {name} {key}", r"Key not found\."))

    def _read_map(self, name: str) -> dict[str, str]:
        lines = (self.config.home / name).read_text().splitlines()
        return dict(line.split(" ", 1) for line in lines)

    # Slots

    def fill_slot(self, number: int, servers: Sequence[Server]) -> None:
        """Lease a slot to a pool; nothing goes there until a route says so. Without servers, take it back.

        Drain it before: a request that still waits for one of its servers would fail.
        """
        render.check_slot(self.config, number)
        text = render.render_slot(self.config, number, servers)
        with self.alone():
            write_atomically(self.config.home / render.slot_file(number), text)
            self.in_current(partial(self._fill, number, servers))

    def _fill(self, number: int, servers: Sequence[Server], pid: int) -> None:
        if not self.show_stat(pid, f"web_s{number}"):
            raise RouterError(f"The running router has no slot {number} yet. It is in the files: reload.")
        websockets = render.websockets_per_server(self.config, servers)
        for place in range(SERVERS_PER_SLOT):
            web, ws = f"web_s{number}/p{place + 1}", f"ws_s{number}/p{place + 1}"
            if place < len(servers):
                server = servers[place]
                self._set_server(pid, web, server.address, server.http_port, server.maxconn)
                self._set_server(pid, ws, server.address, server.gevent_port, websockets)
            else:
                self._unset_server(pid, web)
                self._unset_server(pid, ws)

    def _set_server(self, pid: int, name: str, address: str, port: int, maxconn: int) -> None:
        self.tell(pid, f"set server {name} addr {address} port {port}", _ADDRESS_SET)
        self.tell(pid, f"set maxconn server {name} {maxconn}")
        self.tell(pid, f"set server {name} state ready")

    def _unset_server(self, pid: int, name: str) -> None:
        self.tell(pid, f"set server {name} state maint")
        self.tell(pid, f"set server {name} addr {EMPTY.address} port {EMPTY.http_port}", _ADDRESS_SET)

    # The portal's web processes

    def withdraw_web(self, number: int, timeout: float = 30.0) -> bool:
        """Send no more requests to a web process (1 or 2), and wait for those that it has; whether they all ended.

        It may be restarted then without anybody's request failing. Not remembered: after a restart both are used.
        """
        self.in_current(partial(self.tell, command=f"set server portal_web/web-{number} state maint"))
        deadline = time.monotonic() + timeout
        while self._sessions("portal_web", f"web-{number}"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def restore_web(self, number: int) -> None:
        self.in_current(partial(self.tell, command=f"set server portal_web/web-{number} state ready"))

    # What runs

    def in_flight(self, number: int) -> tuple[int, int]:
        """Requests and websockets that a slot's pool is serving or that wait for it, in all router processes.

        Requests held for the instance are not among them: they have no slot yet.
        """
        return self._sessions(f"web_s{number}"), self._sessions(f"ws_s{number}")

    def _sessions(self, backend: str, name: str = "BACKEND") -> int:
        shown = self.in_each(lambda pid: self.show_stat(pid, backend))
        return sum(line.sessions for lines in shown for line in lines if line.name == name)

    def close_websockets(self, number: int, *, within: float = 0.0) -> None:
        """End the slot's websockets, so that their clients connect again, where the route now leads.

        At once, or one after the other `within` seconds: where all come back together, everybody else waits for them.
        """
        if within:
            self.in_current(partial(self._shut_down, f"ws_s{number}", within))
        for place in range(1, SERVERS_PER_SLOT + 1):
            self.in_current(partial(self.tell, command=f"shutdown sessions server ws_s{number}/p{place}"))
        self.in_old(partial(self._shut_down, f"ws_s{number}", 0.0))

    def _shut_down(self, backend: str, within: float, pid: int) -> None:
        sessions = self.show_sessions(pid, backend)
        pause = min(within / max(1, len(sessions)), _APART_S)
        for session in sessions:
            self.tell(pid, f"shutdown session {session}", r"No such session.*")
            time.sleep(pause)

    def serving_addresses(self) -> set[str]:
        """Addresses that some router process, old ones too, has in a slot: not to be given to another container."""
        nobody = {"", f"{EMPTY.address}:{EMPTY.http_port}"}
        lines = (line for lines in self.in_each(self.show_stat) for line in lines)
        addresses = {line.address for line in lines if line.proxy.startswith(("web_s", "ws_s"))}
        return {address.rpartition(":")[0] for address in addresses - nobody}

    def live_state(self) -> RouterState:
        """What the running router really has, to be compared with what the database says. Empty slots are left out."""
        pid = self.workers().current[0]
        hosts, routes, holds, marks = (self.show_map(pid, name) for name in (HOSTS, ROUTES, HOLDS, MARKS))
        return RouterState(
            hosts=hosts,
            routes={instance: Route.parse(instance, value) for instance, value in routes.items()},
            slots=_filled(self.show_stat(pid)),
            held=frozenset(holds),
            marks={host: Marks.parse(value) for host, value in marks.items()},
        )


def _filled(lines: Iterable[Line]) -> dict[int, list[Server]]:
    """The slots with servers, put together from the lines of both backends."""
    ready = {(line.proxy, line.name): line for line in lines if line.name != "BACKEND" and line.ready}
    slots: dict[int, list[Server]] = {}
    for (proxy, name), web in ready.items():
        number = proxy.removeprefix("web_s")
        ws = ready.get((f"ws_s{number}", name))
        if proxy.startswith("web_s") and ws is not None:
            address, _, port = web.address.rpartition(":")
            gevent_port = int(ws.address.rpartition(":")[2])
            slots.setdefault(int(number), []).append(Server(address, int(port), gevent_port, web.limit))
    return slots
