"""A worker hears at once of what another process rings for its queue."""

from threading import Thread

import pytest
from django.db import connection
from django_q.tasks import async_task

from portal import bell

pytestmark = pytest.mark.django_db(transaction=True)


def ring(queue: str) -> None:
    """As another process does: on a connection of its own."""

    def rings() -> None:
        async_task("portal.stories.look", 42, cluster=queue)
        connection.close()

    other = Thread(target=rings)
    other.start()
    other.join()


def test_a_ring_is_heard_by_who_listens_to_its_queue() -> None:
    bell.listen(["urgent"])
    ring("urgent")
    assert bell.wait(10)


def test_the_rings_of_another_queue_are_not_heard() -> None:
    bell.listen(["urgent"])
    ring("deploy")
    assert not bell.wait(0)
