"""Where the make-believe machines are put in place of the real ones."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from builds import beside, deploy, preflight
from hosting import backups, machine_state, machines, places, proof, switch, walls
from hosting.engines import probe
from hosting.engines.probe import Answer
from hosting.models import DatabaseServer, Place, Slot
from portal import attempts, stories
from projects import connect
from tests import cast
from tests.unit.fakes.cluster import FakeCluster, FakeDatabase
from tests.unit.fakes.engine import FakeEngine
from tests.unit.fakes.github import FakeGitHub, FakeMirror
from tests.unit.fakes.router import FakeRouter
from tests.unit.fakes.vault import FakeRepository
from tests.unit.fakes.world import World

SLOTS = 6
LOGIN_PAGE = '<link href="/web/assets/1/web.css"><form action="/web/login">'


def install(world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings, home: Path) -> None:
    """From here on all that is done to machines is done to the world."""
    settings.BERTH_HOME = home
    settings.BERTH_INSTALLATION = world.installation
    settings.BERTH_HOSTED_URL = "postgresql://berth_admin:x@127.0.0.1:5441/postgres"
    settings.BERTH_LAB_URL = "postgresql://berth_admin:x@127.0.0.1:5442/postgres"
    settings.BERTH_ODOO_IMAGES = {"18.0": "odoo:18.0"}
    settings.BERTH_SLOTS = SLOTS
    settings.BERTH_EXTRA_CA_FILE = ""
    monkeypatch.setattr(machines, "engine", lambda _host: FakeEngine(world))
    monkeypatch.setattr(machines, "cluster", lambda server: FakeCluster(world, server.purpose))
    monkeypatch.setattr(machines, "database", lambda instance: FakeDatabase(world, instance.database))
    monkeypatch.setattr(backups, "repository", lambda vault: FakeRepository(world, home / "vaults" / str(vault)))
    monkeypatch.setattr(places, "opened", lambda place, folder, _key: nullcontext(_there(world, home, place, folder)))
    monkeypatch.setattr(machines, "router", lambda slots=0: FakeRouter(world))
    for module in (deploy, preflight):
        monkeypatch.setattr(module, "mirror", lambda _build: FakeMirror(world))
    monkeypatch.setattr(attempts, "PAUSE_S", 0.01)
    monkeypatch.setattr(machine_state, "room", lambda _folder: machine_state.Room(size=2**40, free=world.disk_free))
    monkeypatch.setattr(machine_state, "available_memory", lambda: 2**34)
    monkeypatch.setattr(machine_state, "raise_inotify", dict)
    monkeypatch.setattr(connect, "GitHub", lambda _token, _url: FakeGitHub(world))
    monkeypatch.setattr(stories, "async_task", lambda *_arguments, **_options: None)
    monkeypatch.setattr(walls, "missing", lambda _installation, _bridges: [])
    _answer_for_pools(world, monkeypatch, settings)
    for waiting in (backups, beside, proof, switch):
        monkeypatch.setattr(waiting, "time", Haste())


class Haste:
    """A clock for modules that wait: it goes on by as much as was to be slept, at once."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class InTurn(Executor):
    """In place of threads: what happens at a call to a machine happens in the test's own thread, on its connection."""

    def __init__(self, _workers: int) -> None: ...

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_options: Any) -> Iterator[Any]:
        return map(fn, *iterables)


def _answer_for_pools(world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Pools answer at their addresses where their container runs."""

    def runs(address: str) -> bool:
        world.happen("ask a pool")
        found = (container for container in world.containers.values() if container.spec.address == address)
        return any(container.running for container in found)

    def get(address: str, _port: int, path: str, host: str) -> Answer:
        if address == settings.BERTH_BIND:  # at the router
            return Answer(200 if len(world.answer(host)) == 40 else 503, "")
        return Answer(200 if runs(address) else 0, LOGIN_PAGE if path == "/web/login" else "")

    monkeypatch.setattr(proof, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(probe, "get", get)
    monkeypatch.setattr(probe, "call", get)

    def status(address: str, _port: int, _path: str, host: str) -> int:
        if host == "nobody.invalid":  # at the router's own address
            return 404
        return 200 if runs(address) else 0

    monkeypatch.setattr(probe, "status", status)
    monkeypatch.setattr(probe, "listens", lambda address, _port: runs(address))
    monkeypatch.setattr(probe, "websocket", lambda address, port, path, host: 101 if runs(address) else 0)


def _there(world: World, home: Path, place: Place, folder: str) -> FakeRepository:
    """A repository at a place: its address is a name here."""
    return FakeRepository(world, home / "places" / place.address / folder, away=True)


def machine_rows() -> None:
    """This machine, its two clusters, and the router's slots."""
    host = cast.host()
    for purpose in DatabaseServer.Purpose:
        DatabaseServer.objects.get_or_create(purpose=purpose, defaults={"host": host})
    Slot.objects.bulk_create([Slot(number=number) for number in range(1, SLOTS + 1)], ignore_conflicts=True)
