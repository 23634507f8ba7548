"""Trying again: what failed for a reason that passes gets up to three more tries, each with more time.

Whether a reason passes by itself (a name server, a reset connection, a time limit, a server's 5xx, a lock), those say
who raise it: exceptions of engines, of Git and of providers are `transient` then. What a customer or the operator has
to mend is never tried again.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from portal.models import Command
from portal.telling import Telling

T = TypeVar("T")
Passes = Callable[[BaseException], bool]

TRIES = 4
GROWTH = 2.0  # how much more time each try gets than the one before
PAUSE_S = 2.0  # before the second try; then twice as long each time
LONGEST_PAUSE_S = 30.0
POLL_S = 0.25


def transient(error: BaseException) -> bool:
    """Whether trying again may help, as far as the error itself knows."""
    return bool(getattr(error, "transient", False))


def command(
    telling: Telling,
    argv: Sequence[str],
    work: Callable[[Command, float], T],
    *,
    timeout: float,
    passes: Passes = transient,
) -> T:
    """Let a story run an outside command: written down before each try, with its output and how it ended.

    `work` gets the row, whose exit code it may set (0 where it doesn't), and how many seconds it may take: `timeout` at
    first. What it raises at last comes as it is.
    """

    def once(seconds: float) -> T:
        with telling.command(argv) as row:
            done = work(row, seconds)
            row.exit_code = row.exit_code or 0
            return done

    return again(telling, once, timeout=timeout, passes=passes)


def again(telling: Telling, work: Callable[[float], T], *, timeout: float, passes: Passes = transient) -> T:
    """Do `work`, which gets the seconds that it may take, and again where what it raises passes by itself."""

    def say(state: RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        number = state.attempt_number + 1
        telling.say(
            f"This may pass by itself: {first_line(state.outcome.exception())} "
            f"Try {number} of {TRIES} in {state.next_action.sleep:.0f} s, with up to {seconds(number):.0f} s."
        )

    def seconds(number: int) -> float:
        return timeout * GROWTH ** (number - 1)

    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=PAUSE_S, max=LONGEST_PAUSE_S),
        retry=retry_if_exception(passes),
        before_sleep=say,
        sleep=lambda pause: _sleep(pause, telling.keep_going),
        reraise=True,
    )
    for one in tries:
        with one:
            return work(seconds(one.retry_state.attempt_number))
    raise AssertionError("the last try either returned or raised")


def first_line(error: BaseException | None) -> str:
    """What an error says, as one sentence."""
    text = str(error).strip().partition("\n")[0][:300]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _sleep(seconds: float, keep_going: Callable[[], None]) -> None:
    """Who asks for the story's end meanwhile is heard."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        keep_going()
        time.sleep(min(POLL_S, left))
