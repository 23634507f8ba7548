"""Requests summed by instance and second, and what is read from the sums."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hosting import traffic
from hosting.engines.haproxy import Request
from hosting.listening import Writer
from hosting.models import Instance, Stage, TrafficSecond, TrafficWatch
from hosting.traffic import Sums, Traffic
from portal import clock
from tests import cast
from tests.unit.fakes import World

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def request(after_ms: int, *, took: int = 100, **changes: Any) -> Request:
    """One that ended so many milliseconds after noon."""
    plain = {"instance": "i42", "held_ms": 0, "backend": "web_s1", "status": 200, "ending": "--"}
    return Request(**{**plain, "ended_ms": int(AT.timestamp() * 1000) + after_ms, "active_ms": took, **changes})


def summed(*requests: Request) -> list[TrafficSecond]:
    sums = Sums()
    for each in requests:
        sums.add(each)
    return sums.take()[0]


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


# --- sums -------------------------------------------------------------------------------------------------------------
def test_each_instance_and_second_has_its_sums() -> None:
    rows = summed(request(10), request(990), request(1000), request(20, instance="i43"))
    assert {(row.instance_id, row.at, row.requests) for row in rows} == {
        (42, at(0), 2), (42, at(1), 1), (43, at(0), 1)
    }  # fmt: skip


def test_failed_held_and_those_who_left_are_counted() -> None:
    (row,) = summed(
        request(1), request(2, status=502), request(3, ending="CH", status=-1), request(4, held_ms=900),
        request(5, held_ms=400),
    )  # fmt: skip
    assert (row.requests, row.failed, row.left, row.held, row.longest_held_ms) == (5, 1, 1, 2, 900)


def test_websockets_are_in_no_other_figure() -> None:
    (row,) = summed(request(1, status=101, backend="ws_s1", took=3_600_000))
    assert (row.websockets, row.requests, row.longest_gap_ms, row.latencies) == (1, 0, 0, {})


def test_what_was_taken_is_not_taken_again() -> None:
    sums = Sums()
    sums.add(request(1))
    assert [row.requests for row in sums.take()[0]] == [1]
    assert sums.take() == ([], {})


def test_the_last_visit_is_of_what_reached_a_pool() -> None:
    sums = Sums()
    for each in (request(5000), request(2000), request(9000, backend="hosted"), request(9000, backend="ws_s1")):
        sums.add(each)
    assert sums.take()[1] == {42: at(5)}


# --- gaps -------------------------------------------------------------------------------------------------------------
def gaps(*requests: Request) -> int:
    return max(row.longest_gap_ms for row in summed(*requests))


def test_nobody_waits_while_nobody_asks() -> None:
    assert gaps(request(100), request(60_000)) == 100


def test_a_gap_begins_with_the_last_answer() -> None:
    assert gaps(request(100), request(3100, took=3050)) == 3000


def test_a_gap_begins_with_the_first_who_waits() -> None:
    """Who failed waited too, and was not answered."""
    assert gaps(request(100), request(1000, status=503, took=10), request(2000, took=50)) == 1010


def test_a_gap_that_nobody_ended_counts_as_far_as_it_is_known() -> None:
    assert gaps(request(100), request(1000, status=503, took=10), request(5000, status=503, took=10)) == 4010


def test_answers_to_others_end_a_gap() -> None:
    assert gaps(request(100), request(1000, took=20), request(2000, took=20), request(3100, took=3050)) == 1100


# --- latencies --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("milliseconds", [1, 2, 7, 99, 100, 1234, 720_000])
def test_a_bucket_is_true_within_three_percent(milliseconds: int) -> None:
    assert traffic.middle(traffic.bucket(milliseconds)) == pytest.approx(milliseconds, rel=0.03)


def test_percentiles_come_from_the_buckets() -> None:
    seen = Traffic.of(summed(*(request(number, took=number) for number in range(1, 1001))))
    assert seen.percentile(50) == pytest.approx(500, rel=0.03)
    assert seen.percentile(99) == pytest.approx(990, rel=0.03)
    assert seen.percentile(100) == pytest.approx(1000, rel=0.03)


def test_one_slow_request_of_few_is_their_p99() -> None:
    seen = Traffic.of(summed(*(request(number, took=50) for number in range(20)), request(9000, took=4000)))
    assert seen.percentile(99) == pytest.approx(4000, rel=0.03)


def test_without_requests_there_is_no_percentile() -> None:
    assert Traffic().percentile(99) is None


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def shop(world: World) -> Instance:
    return cast.instance(Stage.PRODUCTION, "shop.localhost")


def write(writer: Writer, *requests: Request, since: datetime | None = AT, until: datetime | None = None) -> None:
    sums = Sums()
    for each in requests:
        sums.add(each)
    writer.collect(*sums.take(), since, until or clock.now())
    writer.write()


def test_a_stretch_of_time_is_read_from_all_rows_of_its_seconds(shop: Instance) -> None:
    writer = Writer()
    write(writer, request(500, instance=shop.name), request(1500, instance=shop.name))
    write(writer, request(1600, instance=shop.name, status=500), request(3000, instance=shop.name))
    write(writer, request(1600, instance="i999999"))
    seen = traffic.seen(shop, at(1), at(3))
    assert (seen.requests, seen.failed) == (2, 1)


def test_the_last_request_is_noted_on_its_instance(shop: Instance) -> None:
    write(Writer(), request(500, instance=shop.name), request(7700, instance=shop.name, backend="hosted"))
    shop.refresh_from_db()
    assert shop.last_request_at == at(0.5)


def test_it_is_not_noted_with_every_second(shop: Instance) -> None:
    writer = Writer()
    write(writer, request(500, instance=shop.name))
    write(writer, request(1500, instance=shop.name))
    shop.refresh_from_db()
    assert shop.last_request_at == at(0.5)


def test_times_of_listening_are_known(shop: Instance) -> None:
    writer = Writer()
    write(writer, until=at(10))
    write(writer, until=at(20))
    write(Writer(), since=at(25), until=at(40))
    assert list(TrafficWatch.objects.values_list("since", "until").order_by("since")) == [
        (at(0), at(20)), (at(25), at(40))
    ]  # fmt: skip
    assert traffic.unheard(at(0), at(40)) == timedelta(seconds=5)
    assert traffic.unheard(at(10), at(20)) == timedelta()
    assert traffic.unheard(at(-10), at(50)) == timedelta(seconds=25)


def test_two_who_listen_at_once_count_once(shop: Instance) -> None:
    write(Writer(), until=at(20))
    write(Writer(), since=at(10), until=at(30))
    assert traffic.unheard(at(0), at(40)) == timedelta(seconds=10)


def test_where_nobody_listens_nothing_is_noted(shop: Instance) -> None:
    write(Writer(), since=None)
    assert traffic.unheard(at(0), at(40)) == timedelta(seconds=40)


def test_what_is_older_than_a_day_goes(shop: Instance) -> None:
    write(Writer(), request(500, instance=shop.name), until=at(1))
    with clock.moved(AT + timedelta(hours=23) - clock.now()):
        traffic.forget()
        assert TrafficSecond.objects.exists()
    with clock.moved(AT + timedelta(hours=25) - clock.now()):
        traffic.forget()
    assert not TrafficSecond.objects.exists()
    assert not TrafficWatch.objects.exists()
