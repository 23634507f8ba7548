"""What a worker does before it forks. That it survives kills is tried on a real installation (tests/faults)."""

from typing import Any

import pytest
from django.db import DatabaseError, connections
from django_q.models import OrmQ
from django_q.tasks import async_task

from portal.management.commands import worker

pytestmark = pytest.mark.django_db


def test_a_ring_is_taken_once_and_only_by_the_worker_of_its_queue() -> None:
    async_task("portal.stories.look", 42, cluster="deploy")
    assert worker.take("background") is None
    ring = worker.take("deploy")
    assert ring is not None
    assert (ring.task["func"], ring.task["args"]) == ("portal.stories.look", (42,))
    assert worker.take("deploy") is None


def test_the_oldest_ring_comes_first() -> None:
    for story in (1, 2, 3):
        async_task("portal.stories.look", story, cluster="deploy")
    taken = [worker.take("deploy") for _ in range(3)]
    assert [ring.task["args"] for ring in taken if ring] == [(1,), (2,), (3,)]


def test_a_database_that_is_away_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_conditions: object) -> Any:
        raise DatabaseError("the server closed the connection")

    monkeypatch.setattr(OrmQ.objects, "filter", away)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    assert worker.next_ring("deploy") is None
