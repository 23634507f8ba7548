"""What a worker does before it forks. That it survives kills is tried on a real installation (tests/faults)."""

import os
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django_q.models import OrmQ
from django_q.tasks import async_task

from portal.management.commands import worker
from portal.models import Story

pytestmark = pytest.mark.django_db


def test_a_ring_is_taken_once_and_only_by_the_worker_of_its_queue() -> None:
    async_task("portal.stories.look", 42, cluster="deploy")
    assert worker.take(["urgent", "background"]) is None
    ring = worker.take(["deploy"])
    assert ring is not None
    assert (ring.task["func"], ring.task["args"]) == ("portal.stories.look", (42,))
    assert worker.take(["deploy"]) is None


def test_the_oldest_ring_comes_first() -> None:
    for story, queue in ((1, "deploy"), (2, "background"), (3, "deploy")):
        async_task("portal.stories.look", story, cluster=queue)
    taken = [worker.take(["deploy", "background"]) for _ in range(3)]
    assert [ring.task["args"] for ring in taken if ring] == [(1,), (2,), (3,)]


def test_a_database_that_is_away_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_conditions: object) -> Any:
        raise DatabaseError("the server closed the connection")

    monkeypatch.setattr(OrmQ.objects, "filter", away)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    assert worker.next_ring(["deploy"]) is None


def test_what_the_dead_told_is_rung_for_again_and_again_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(**_conditions: object) -> Any:
        raise DatabaseError("the database system is starting up")

    monkeypatch.setattr(connections, "close_all", lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(Story.objects, "filter", away)
        assert not worker.resume()
    assert worker.resume()


def test_a_process_that_ended_for_want_of_the_database_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    command = worker.Command()
    command._resuming = False
    monkeypatch.setattr(os, "waitpid", lambda pid, _options: (pid, {1: 0, 2: 1 << 8}[pid]))
    answering = {1: "deploy"}
    command._bury(answering)
    assert (answering, command._resuming) == ({}, False)
    command._bury({2: "deploy"})
    assert command._resuming
