"""The running router: files first, then every process that still serves.

Commands go through the master's socket to each worker by its process id. After a reload the old worker finishes its
requests, and may take one more on an idle connection: so it hears of each change too, and its sessions count.
"""

import fcntl
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hosting.engines.haproxy import render, runtime
from hosting.engines.haproxy.render import EMPTY, HOLDS, HOSTS, ROUTES
from hosting.engines.haproxy.values import (
    SERVERS_PER_SLOT,
    Route,
    RouterBusy,
    RouterConfig,
    RouterDown,
    RouterError,
    RouterState,
    Server,
    check_host,
    check_instance,
)
from portal.commands import CommandError, run

_SETTLE = 0.02
"""Seconds after which a request that looked up the old value of a map has reached its backend, and is counted there."""


def start_argv(config: RouterConfig) -> list[str]:
    """The command that starts the router as a daemon of its own. It wants to be root; `Router.check` first."""
    master = f"{config.master_socket},mode,600,user,{config.owner},level,admin"
    return [config.binary, "-W", "-D", "-S", master, *_file_arguments(config)]


class Router:
    """One installation's HAProxy. Safe to use from several processes: changes are made one at a time, under a lock."""

    def __init__(self, config: RouterConfig) -> None:
        self.config = config

    # ------------------------------------------------------------------ files

    def write(self, state: RouterState) -> None:
        """Write all that HAProxy reads when it starts or reloads. Changes nothing in a running router."""
        wanted = {
            **render.render_assets(),
            **render.render_slots(self.config, state),
            **render.render_maps(state),
            self.config.config_file.name: render.render_config(self.config),
        }
        self.config.run.mkdir(parents=True, exist_ok=True)
        with self._alone():
            for name, text in wanted.items():
                write_atomically(self.config.home / name, text)
            for path in self.config.slots_dir.glob("*.cfg"):
                if f"slots/{path.name}" not in wanted:
                    path.unlink()

    def check(self) -> None:
        """Let HAProxy read the files. Raises RouterError with its own words."""
        try:
            run([self.config.binary, "-c", *_file_arguments(self.config)], timeout=60)
        except CommandError as error:
            raise RouterError(f"HAProxy refuses its configuration; nothing was reloaded: {error.output}") from error

    # ------------------------------------------------------------------ hosts, routes, holds

    def set_host(self, host: str, instance: str) -> None:
        self._put(HOSTS, check_host(host), check_instance(instance))

    def remove_host(self, host: str) -> None:
        self._drop(HOSTS, check_host(host))

    def set_route(self, route: Route) -> None:
        """The switch. When this returns, no request that comes from now on goes where the old route led."""
        self._put(ROUTES, route.instance, route.value)

    def remove_route(self, instance: str) -> None:
        self._drop(ROUTES, check_instance(instance))

    def hold(self, instance: str) -> None:
        """Let the instance's new requests wait, up to `held_seconds` each. Those in flight go on: see `in_flight`."""
        self._put(HOLDS, check_instance(instance), "1")

    def release(self, instance: str) -> None:
        self._drop(HOLDS, check_instance(instance))

    def _put(self, map_name: str, key: str, value: str) -> None:
        with self._alone():
            entries = self._read_map(map_name)
            write_atomically(self.config.home / map_name, render.render_map({**entries, key: value}))
            for pid in self.workers().all:
                if self._tell(pid, f"set map {map_name} {key} {value}", "", "entry not found."):
                    self._tell(pid, f"add map {map_name} {key} {value}", "")
            time.sleep(_SETTLE)

    def _drop(self, map_name: str, key: str) -> None:
        with self._alone():
            entries = self._read_map(map_name)
            entries.pop(key, None)
            write_atomically(self.config.home / map_name, render.render_map(entries))
            for pid in self.workers().all:
                self._tell(pid, f"del map {map_name} {key}", "", "Key not found.")

    def _read_map(self, map_name: str) -> dict[str, str]:
        lines = (self.config.home / map_name).read_text().splitlines()
        return dict(line.split(" ", 1) for line in lines)

    # ------------------------------------------------------------------ slots

    def fill_slot(self, number: int, servers: Sequence[Server]) -> None:
        """Lease a slot to a pool. Nothing goes there until a route says so."""
        render.check_slot(self.config, number)
        text = render.render_slot(self.config, number, servers)
        with self._alone():
            write_atomically(self.config.home / render.slot_file(number), text)
            for pid in self.workers().all:
                for place in range(SERVERS_PER_SLOT):
                    self._fill_place(pid, number, place, servers)

    def empty_slot(self, number: int) -> None:
        """Take a pool out of its slot. Drain it first: what is in flight loses its way to a retry."""
        self.fill_slot(number, ())

    def _fill_place(self, pid: int, number: int, place: int, servers: Sequence[Server]) -> None:
        server = servers[place] if place < len(servers) else None
        websockets = render.websockets_per_server(self.config, servers)
        for backend, port, limit in (
            (f"web_s{number}", (server or EMPTY).http_port, server.maxconn if server else 0),
            (f"ws_s{number}", server.gevent_port if server else EMPTY.http_port, websockets if server else 0),
        ):
            name = f"{backend}/p{place + 1}"
            if server is None:
                self._tell(pid, f"set server {name} state maint", "")
            self._tell(pid, f"set server {name} addr {(server or EMPTY).address} port {port}", _ADDRESS_SET)
            self._tell(pid, f"set maxconn server {name} {limit}", "")
            if server is not None:
                self._tell(pid, f"set server {name} state ready", "")

    # ------------------------------------------------------------------ draining

    def in_flight(self, number: int) -> tuple[int, int]:
        """Requests and websockets that a slot's pool is serving or that wait for it, in all router processes.

        Requests held for the instance are not among them: they have no slot yet.
        """
        lines = [line for pid in self.workers().all for line in self._stat(pid) if line.name == "BACKEND"]
        web, ws = (sum(line.sessions for line in lines if line.proxy == f"{kind}_s{number}") for kind in ("web", "ws"))
        return web, ws

    def close_websockets(self, number: int) -> None:
        """End the slot's websockets at once, so that their clients connect again, where the route now leads."""
        for pid in self.workers().all:
            for place in range(1, SERVERS_PER_SLOT + 1):
                self._tell(pid, f"shutdown sessions server ws_s{number}/p{place}", "")

    def serving_addresses(self) -> set[str]:
        """Addresses that some router process, old ones too, has in a slot: not to be given to another container."""
        lines = (line for pid in self.workers().all for line in self._stat(pid) if _SLOT_NAME.fullmatch(line.proxy))
        filled = {line.address for line in lines} - {"", f"{EMPTY.address}:{EMPTY.http_port}"}
        return {address.rpartition(":")[0] for address in filled}

    # ------------------------------------------------------------------ the process

    def is_up(self) -> bool:
        """Whether a worker answers that takes new connections."""
        try:
            return all("Stopping: 0" in self._ask(pid, "show info") for pid in self.workers().current)
        except RouterDown:
            return False

    def wait_until_up(self, timeout: float = 30.0) -> None:
        """Wait after a start. Raises RouterError when no worker answers within `timeout` seconds."""
        self._wait(self.is_up, timeout, "The router did not come up within {:.0f} s: `Router.check` says more.")

    def workers(self) -> runtime.Workers:
        """The router's processes. Raises RouterDown when there is none that takes connections."""
        workers = runtime.parse_workers(runtime.ask(self.config.master_socket, "show proc"))
        if not workers.current:
            raise RouterDown("The router's master runs without a worker. Its files are as they should be: restart it.")
        return workers

    def live_state(self) -> RouterState:
        """What the running router really has, to be compared with what the database says."""
        (pid,) = self.workers().current
        shown = {name: self._show_map(pid, name) for name in (HOSTS, ROUTES, HOLDS)}
        return RouterState(
            hosts=shown[HOSTS],
            routes={instance: Route.parse(instance, value) for instance, value in shown[ROUTES].items()},
            slots=_slots(self._stat(pid)),
            held=frozenset(shown[HOLDS]),
        )

    def reload(self, timeout: float = 30.0) -> None:
        """Let a new worker take over with the files as they are, and wait for it; for another number of slots.

        Raises RouterBusy while anything is held: maps are per process, so held requests would not hear of the release.
        """
        with self._alone():
            before = self.workers()
            if self._read_map(HOLDS) or any(self._show_map(pid, HOLDS) for pid in before.all):
                raise RouterBusy("Requests are being held. The router was not reloaded; release them first.")
            self.check()
            os.kill(int(self.config.pid_file.read_text()), signal.SIGUSR2)
            late = "No new router worker took over within {:.0f} s; the old one goes on serving."
            self._wait(lambda: self._took_over(before), timeout, late)

    def _took_over(self, before: runtime.Workers) -> bool:
        """Whether the workers of `before` are all leaving and a new one is there. The master is away for a moment."""
        try:
            current = self.workers().current
            return not set(current) & set(before.all) and self.is_up()
        except RouterError:
            return False

    def _wait(self, condition: Callable[[], bool], timeout: float, otherwise: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise RouterError(otherwise.format(timeout))
            time.sleep(0.05)

    # ------------------------------------------------------------------ the socket

    def _ask(self, pid: int, command: str) -> str:
        return runtime.ask(self.config.master_socket, f"@!{pid} {command}")

    def _tell(self, pid: int, command: str, *expected: "str | re.Pattern[str]") -> bool:
        """Send a command to one worker; True if the answer was another than the first one expected."""
        answer = self._ask(pid, command)
        text = answer.strip()
        for position, pattern in enumerate(expected):
            if text == pattern if isinstance(pattern, str) else pattern.fullmatch(text):
                return position > 0
        raise runtime.UnexpectedAnswer(command, answer)

    def _show_map(self, pid: int, map_name: str) -> dict[str, str]:
        command = f"show map {map_name}"
        return runtime.parse_map(command, self._ask(pid, command))

    def _stat(self, pid: int) -> Iterator[runtime.Line]:
        command = "show stat -1 6 -1"
        return runtime.parse_stat(command, self._ask(pid, command))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Changes and reloads take turns, so that no reload starts from files that are already out of date."""
        with self.config.lock_file.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_ADDRESS_SET = re.compile(r"(IP changed from .*|no need to change the addr.*|port changed from .*)")
_SLOT_NAME = re.compile(r"(?:web|ws)_s([0-9]+)")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a machine that lost its power, finds the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _file_arguments(config: RouterConfig) -> list[str]:
    return ["-f", str(config.config_file), "-f", str(config.slots_dir)]


def _slots(lines: Iterator[runtime.Line]) -> dict[int, list[Server]]:
    """The filled slots, put together from the lines of both backends."""
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
