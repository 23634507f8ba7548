"""Rounds take turns, also across processes; a round that fails lets the next one go on."""

import threading

import pytest
from django.db import connection

from portal.rounds import alone


@pytest.mark.django_db(transaction=True)
def test_a_round_waits_for_the_one_that_goes_on() -> None:
    begun, may_end = threading.Event(), threading.Event()
    told: list[str] = []

    @alone
    def first() -> None:
        begun.set()
        may_end.wait(30)
        told.append("first")

    @alone
    def second(word: str) -> None:
        told.append(word)

    def elsewhere() -> None:  # a thread has a connection of its own, as a process has
        first()
        connection.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert begun.wait(30)
    waiter = threading.Timer(0.3, may_end.set)
    waiter.start()
    second("second")
    thread.join()
    assert told == ["first", "second"]


@pytest.mark.django_db
def test_one_that_fails_lets_go() -> None:
    @alone
    def failing() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)
