"""Whatever is made on a machine has the row of its instance before, and for good: who is killed leaves nothing that the
reconciler would have to leave alone.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from hosting import strangers
from hosting.models import Instance
from tests.unit.fakes.stage import Scenery, scenery

pytestmark = pytest.mark.django_db(transaction=True)

PREFIXES = ("bc0ffee_", "berth-c0ffee-")
MAKING = ("create role", "create database", "copy database", "start ", "run ")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    logging.disable(logging.CRITICAL)
    with scenery(monkeypatch, settings, tmp_path) as stage:
        yield stage
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("scene", ["update", "development", "kept", "staging_restored"])
def test_nothing_is_there_before_its_row(stage: Scenery, scene: str) -> None:
    wrong: list[str] = []
    made: set[str] = set()
    fresh = False  # whether a row of an instance was written in the transaction that goes on

    def look(what: str) -> None:
        nonlocal fresh
        wrong.extend(f"ahead of {what}: {name} has no row" for name in _without_row(stage))
        fresh = connection.in_atomic_block and (fresh or what == 'INSERT INTO "hosting_instance"')
        if what.startswith(MAKING):
            made.add(what)
            wrong.extend([f"{what}, while its row may yet be undone"] if fresh else [])

    stage.world.before = look
    stage.tell(getattr(stage, scene)())
    assert "create database" in made
    assert not wrong


def _without_row(stage: Scenery) -> Iterator[str]:
    world = stage.world
    names = {name for part in (*world.databases.values(), *world.roles.values()) for name in part}
    names |= set(world.containers) | {path.name for path in (stage.home / "instances").glob("*")}
    rows = set(Instance.objects.values_list("pk", flat=True))
    for name in names:
        stem = name
        for prefix in PREFIXES:
            stem = stem.removeprefix(prefix)
        if strangers.number(stem) not in rows:
            yield name
