"""What a line of the router's request log says."""

import pytest

from hosting.engines.haproxy import Request

ENDED = 1_790_000_000_250


def line(**changes: object) -> str:
    values = {
        "ended": ENDED, "instance": "i42", "backend": "web_s17", "status": 200, "ending": "--", "method": "GET",
        "held": "-", "active": 120, **changes,
    }  # fmt: skip
    return (
        "{ended} {instance} {backend} {status} {ending} {method} held={held} queue=0 connect=1 answer=110 "
        "active={active} in=412 out=5300".format(**values)
    )


def parsed(**changes: object) -> Request:
    request = Request.parse(line(**changes))
    assert request is not None
    return request


def test_a_line_says_which_instance_when_and_how_long() -> None:
    assert parsed(held=2500, active=2620) == Request(
        instance="i42", ended_ms=ENDED, active_ms=2620, held_ms=2500, backend="web_s17", status=200, ending="--"
    )


def test_the_end_of_a_line_does_not_matter() -> None:
    assert Request.parse(line() + "\n") == parsed()


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "\n",
        "hello",
        line(instance="-"),  # an address that is nobody's
        line(instance="i42; DROP TABLE"),
        line(ended="yesterday"),
        line(ended="179000000025"),
        line(active="-1"),
        line(active="9" * 10),  # more than a row can hold
        line(held="1e9"),
        line(status="20O"),
        line(instance="i٤٢"),  # digits, but not ours
        line() + " more",
        line()[:-5],
        "<134>" + line(),
        "\ufffd" * 300,
    ],
)
def test_anything_else_is_no_request(garbage: str) -> None:
    assert Request.parse(garbage) is None


@pytest.mark.parametrize("status", [200, 303, 400, 403, 404, 499])
def test_what_was_answered_did_not_fail(status: int) -> None:
    assert parsed(status=status).outcome == "answered"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_errors_of_the_platform_failed(status: int) -> None:
    assert parsed(status=status).outcome == "failed"


@pytest.mark.parametrize("ending", ["SD", "sD", "SH", "ID", "KD", "RD", "DD"])
def test_what_was_broken_off_failed_whatever_its_status(ending: str) -> None:
    assert parsed(status=200, ending=ending).outcome == "failed"


def test_without_an_answer_it_failed() -> None:
    assert parsed(status=-1, ending="SH").outcome == "failed"


@pytest.mark.parametrize(("status", "ending"), [(-1, "CH"), (503, "CQ"), (503, "CC"), (400, "CR"), (-1, "cR")])
def test_who_goes_away_before_his_answer_left(status: int, ending: str) -> None:
    assert parsed(status=status, ending=ending).outcome == "left"


@pytest.mark.parametrize("ending", ["CD", "cD", "CL"])
def test_who_goes_away_during_his_answer_had_one(ending: str) -> None:
    assert parsed(ending=ending).outcome == "answered"


@pytest.mark.parametrize(
    "changes", [{"status": 101, "ending": "SD"}, {"backend": "ws_s3"}, {"backend": "ws_s3", "status": 503}]
)
def test_websockets_are_apart(changes: dict[str, object]) -> None:
    assert parsed(**changes).outcome == "websocket"


def test_pages_of_the_routers_own_did_not_reach_a_pool() -> None:
    assert parsed().reached_pool
    assert not parsed(backend="hosted", status=200, ending="LR").reached_pool
    assert not parsed(backend="ws_s17", status=101).reached_pool
