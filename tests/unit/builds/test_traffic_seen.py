"""What users saw of a deploy: counted from the request log's sums, and said in one sentence."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from builds import rounds, traffic
from builds.models import Build
from builds.traffic import UsersSaw
from hosting.models import TrafficSecond, TrafficWatch
from hosting.traffic import bucket
from portal import clock
from portal.models import Result
from projects.models import Branch, Stage
from tests import cast
from tests.unit.fakes import World

BEGAN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=40)


@pytest.fixture
def branch(people: SimpleNamespace, world: World) -> Branch:
    project = cast.project("demo", people)
    shop = cast.instance(Stage.PRODUCTION, "demo.localhost")
    return cast.branch(project, "main", Stage.PRODUCTION, instance=shop)


@pytest.fixture
def build(branch: Branch) -> Build:
    """One that took from noon to 40 s past it."""
    return cast.build(branch, started_at=BEGAN, finished_at=ENDED, switched_at=BEGAN + timedelta(seconds=30))


def ended(build: Build, after: float, *, requests: int = 1, took_ms: int = 100, **figures: int) -> None:
    """Requests that ended so many seconds after the build's start."""
    TrafficSecond.objects.create(
        instance_id=build.instance_id or 0, at=BEGAN + timedelta(seconds=after), requests=requests,
        latencies={str(bucket(took_ms)): requests}, **figures,
    )  # fmt: skip


def listened(since: float = -100, until: float = 1000) -> None:
    TrafficWatch.objects.create(since=BEGAN + timedelta(seconds=since), until=BEGAN + timedelta(seconds=until))


def noted(build: Build, at: float) -> UsersSaw:
    """As it is written down so many seconds after the build's start."""
    with clock.moved(BEGAN + timedelta(seconds=at) - clock.now()):
        traffic.note(build)
    build.refresh_from_db()
    return UsersSaw.of(build.users_saw)


# --- counting ---------------------------------------------------------------------------------------------------------
def test_it_counts_from_the_start_until_a_minute_after_the_end(build: Build) -> None:
    listened()
    for after in (-1, 0, 39, 99, 101):
        ended(build, after)
    assert noted(build, at=200).requests == 3


def test_each_stretch_has_its_p99(build: Build) -> None:
    listened()
    ended(build, -61, took_ms=9000)
    ended(build, -30, took_ms=190)
    ended(build, 20, took_ms=210)
    ended(build, 80, took_ms=200)
    saw = noted(build, at=200)
    assert [saw.p99_before_ms, saw.p99_ms, saw.p99_after_ms] == pytest.approx([190, 210, 200], rel=0.03)


def test_failed_held_and_gaps_are_told(build: Build) -> None:
    listened()
    ended(build, 10, requests=4, failed=1, held=2, longest_held_ms=700, longest_gap_ms=900)
    ended(build, 11, requests=5, failed=2, held=1, longest_held_ms=800, longest_gap_ms=300, left=1, websockets=10)
    saw = noted(build, at=200)
    assert (saw.requests, saw.failed, saw.held, saw.longest_held_ms, saw.longest_gap_ms) == (9, 3, 3, 800, 900)
    assert (saw.left, saw.websockets) == (1, 10)


def test_another_instances_requests_are_not_ours(build: Build) -> None:
    listened()
    TrafficSecond.objects.create(instance_id=999, at=BEGAN, requests=5)
    assert noted(build, at=200).requests == 0


def test_until_the_minute_is_over_it_is_provisional(build: Build) -> None:
    listened()
    ended(build, 10)
    assert not noted(build, at=60).final
    assert noted(build, at=101).final


def test_only_production_is_told(people: SimpleNamespace, build: Build, branch: Branch) -> None:
    build.stage = Stage.STAGING
    traffic.note(build)
    build.refresh_from_db()
    assert build.users_saw == {}


# --- the round --------------------------------------------------------------------------------------------------------
def due(at: float) -> None:
    with clock.moved(BEGAN + timedelta(seconds=at) - clock.now()):
        traffic.note_due()


def test_the_round_waits_for_the_minute_after(build: Build) -> None:
    due(at=95)
    build.refresh_from_db()
    assert build.users_saw == {}
    due(at=115)
    build.refresh_from_db()
    assert build.users_saw["final"] is True


def test_what_is_final_is_not_counted_again(build: Build) -> None:
    noted(build, at=60)
    due(at=120)
    ended(build, 10)
    due(at=150)
    build.refresh_from_db()
    assert (build.users_saw["final"], build.users_saw["requests"]) == (True, 0)


def test_failed_builds_are_told_too(branch: Branch) -> None:
    build = cast.build(branch, result=Result.FAILURE, started_at=BEGAN, finished_at=ENDED)
    due(at=120)
    build.refresh_from_db()
    assert build.users_saw["final"] is True


def test_builds_that_never_began_are_not(branch: Branch) -> None:
    build = cast.build(branch, result=Result.CANCELLED, started_at=None, finished_at=ENDED)
    due(at=120)
    build.refresh_from_db()
    assert build.users_saw == {}


def test_mending_counts_what_is_due(build: Build) -> None:
    with clock.moved(BEGAN + timedelta(seconds=120) - clock.now()):
        rounds.mend()
    build.refresh_from_db()
    assert build.users_saw["final"] is True


# --- the sentence -----------------------------------------------------------------------------------------------------
def sentence(**figures: Any) -> str:
    plain = {
        "requests": 1204, "failed": 0, "left": 0, "websockets": 0, "held": 0, "longest_held_ms": 0,
        "longest_gap_ms": 400, "p50_ms": 80.0, "p99_before_ms": 190.2, "p99_ms": 210.0, "p99_after_ms": 200.0,
        "seconds": 100.0, "unheard_s": 0.0, "final": True,
    }  # fmt: skip
    return str(UsersSaw(**{**plain, **figures}))


def test_it_says_how_many_and_how_long() -> None:
    assert sentence() == (
        "1,204 requests, none failed; longest wait 400 ms; p99 190 ms before, 210 ms during, 200 ms after."
    )


def test_it_says_who_was_held_failed_or_left() -> None:
    assert sentence(requests=1, failed=1, held=1, longest_held_ms=8240, left=2, p99_before_ms=None) == (
        "1 request, 1 failed; 2 left before the answer; 1 held, for 8.2 s at most; longest wait 400 ms; "
        "p99 210 ms during, 200 ms after."
    )


def test_it_says_that_nobody_came() -> None:
    assert sentence(requests=0, p99_ms=None) == "Nobody visited meanwhile."


def test_it_says_what_was_not_heard() -> None:
    assert sentence(unheard_s=12.0).endswith(
        " after. For 12 of 100 s the router's request log was not read; what happened then is not counted."
    )


def test_it_knows_nothing_when_nobody_listened() -> None:
    assert sentence(requests=0, unheard_s=100.0) == (
        "What users saw is not known: the router's request log was not read meanwhile."
    )


def test_it_says_that_it_goes_on_counting() -> None:
    assert sentence(final=False).endswith("; counted until a minute after the end.")


# --- the page ---------------------------------------------------------------------------------------------------------
def page(client: Client, who: object, build: Build) -> str:
    client.force_login(who)  # type: ignore[arg-type]
    return client.get(f"/demo/builds/{build.number}/").content.decode()


def test_the_sentence_is_on_the_builds_page(client: Client, people: SimpleNamespace, build: Build) -> None:
    listened()
    ended(build, 10, requests=12)
    noted(build, at=200)
    assert "12 requests, none failed" in page(client, people.alice, build)


def test_who_may_not_read_production_is_not_told(client: Client, people: SimpleNamespace, build: Build) -> None:
    ended(build, 10, requests=12)
    noted(build, at=200)
    assert "12 requests" not in page(client, people.dev, build)


def test_the_page_looks_again_while_it_is_counted(client: Client, people: SimpleNamespace, build: Build) -> None:
    noted(build, at=60)
    with clock.moved(BEGAN + timedelta(seconds=60) - clock.now()):
        assert traffic.is_counting(build)
    noted(build, at=200)
    assert not traffic.is_counting(build)
