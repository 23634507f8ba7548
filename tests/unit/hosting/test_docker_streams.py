import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from hosting.engines.docker.streams import Frames, follow, forever, in_background, pulsed


class Cancelled(Exception):
    pass


def frame(channel: int, content: bytes) -> bytes:
    return bytes([channel, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


def test_it_joins_frames_that_come_in_pieces() -> None:
    sent = frame(1, b"out ") + frame(2, b"err ") + frame(1, b"") + frame(1, b"end")
    frames = Frames()

    assert "".join(frames.feed(sent[place : place + 1]) for place in range(len(sent))) == "out err end"


def test_it_joins_a_letter_that_is_split_between_two_frames() -> None:
    euro = "€".encode()
    frames = Frames()

    assert frames.feed(frame(1, euro[:1]) + frame(2, b"!") + frame(1, euro[1:])) == "!€"


def test_it_replaces_what_is_no_utf_8() -> None:
    assert Frames().feed(frame(2, b"caf\xe9.")) == "caf�."


def test_it_yields_what_a_thread_reads() -> None:
    assert list(follow(lambda: range(3), keep_going=forever)) == [0, 1, 2]


def test_it_raises_what_the_thread_met() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    following = follow(items, keep_going=forever)

    assert next(following) == 1
    with pytest.raises(ValueError, match="broken"):
        next(following)


def test_silence_does_not_delay_a_cancel() -> None:
    woken, asked = threading.Event(), 0

    def items() -> Iterator[int]:
        woken.wait(10)
        yield 1

    def keep_going() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Cancelled

    started = time.monotonic()
    with pytest.raises(Cancelled):
        list(follow(items, keep_going=keep_going, cancel=woken.set))

    assert woken.is_set()
    assert time.monotonic() - started < 2


def test_a_reader_that_leaves_stops_a_thread_with_a_full_box() -> None:
    ended = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(100_000)
        finally:
            ended.set()

    with closing(follow(items, keep_going=forever)) as following:
        next(following)

    assert ended.wait(5)


def test_it_waits_for_a_call_in_the_background() -> None:
    assert in_background(lambda: 42, keep_going=forever) == 42


def test_it_is_asked_about_four_times_a_second_however_busy_the_stream_is() -> None:
    asked = []
    pulse = pulsed(lambda: asked.append(time.monotonic()))
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        pulse()

    assert len(asked) in (2, 3)
