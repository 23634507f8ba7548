"""Telling: what a step gets to work with. It keeps the story's claim alive and writes down what the step prints."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from django.db import connection, transaction

from portal import clock
from portal.models import Command, LogChunk, Result, State, Step, Story

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
FLUSH_S = 0.5
FLUSH_CHARACTERS = 16_000


class Cancelled(Exception):
    """Somebody asked for the end of the story."""


class ClaimLost(BaseException):
    """The lease ran out and another worker tells the story now. Not an Exception, so that no step swallows it."""


_handing_over = threading.Event()


def hand_over() -> None:
    """This process shall end: what it tells is handed over after the present step. Made to be called by a signal."""
    _handing_over.set()


def handing_over() -> bool:
    return _handing_over.is_set()


class Telling:
    """One worker telling one story, from claim to end. Use as a context manager."""

    def __init__(self, story: Story, *, lease: timedelta) -> None:
        self.story = story
        self.final = False  # past the point of no return
        self._claim = story.claim
        self._lease = lease
        self._step: Step | None = None
        self._command: Command | None = None
        self._undoing = False
        self._pending = ""
        self._flushed_at = time.monotonic()
        self._masked: list[str] = []
        self._lost = threading.Event()
        self._cancelled = threading.Event()
        if story.cancel_requested:
            self._cancelled.set()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"heartbeat of story {story.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._heart.join()

    # --- for steps --------------------------------------------------------------------------------------------------
    def log(self, text: str) -> None:
        """Write output of the step. Masked, and on the page within half a second."""
        self._pending += text
        if len(self._pending) > FLUSH_CHARACTERS or time.monotonic() - self._flushed_at > FLUSH_S:
            self._write(whole_lines=True)

    def say(self, line: str) -> None:
        """Write one line of our own."""
        self.log(line + "\n")

    def mask(self, *secrets: str) -> None:
        """From now on these never appear in the story's output."""
        self._masked += [secret for secret in secrets if secret]

    def keep_going(self) -> None:
        """To be called every second or so by long work. Raises Cancelled or ClaimLost."""
        if self._lost.is_set():
            raise ClaimLost
        if self._cancelled.is_set() and not self.final and not self._undoing:
            raise Cancelled
        if self._pending and time.monotonic() - self._flushed_at > FLUSH_S:
            self._write(whole_lines=True)

    @contextmanager
    def command(self, argv: Sequence[str]) -> Iterator[Command]:
        """Save a command before it runs; set `exit_code` on what you get. Its output is what is logged meanwhile."""
        self.flush()
        assert self._step is not None
        self._command = Command.objects.create(step=self._step, argv=[self._clean(part) for part in argv])
        try:
            yield self._command
        except Exception as error:
            self._command.exit_code = getattr(error, "exit_code", None)
            raise
        finally:
            self.flush()
            self._command.finished_at = clock.now()
            self._command.save(update_fields=["exit_code", "finished_at"])
            self._command = None

    def flush(self) -> None:
        self._write(whole_lines=False)

    def warn(self, line: str) -> None:
        """Say something that makes the step (and so the story) yellow."""
        assert self._step is not None
        self.say(line)
        self._step.result = Result.WARNING

    def fail_softly(self, title: str, detail: str, remedy: str) -> None:
        """Make the step and the story red, and go on: what failed is a finding, and the database is worth a look."""
        assert self._step is not None
        self._step.result = Result.FAILURE
        self._remember(title, detail, remedy)

    # --- for the runner ---------------------------------------------------------------------------------------------
    def handover_requested(self) -> bool:
        return handing_over()

    def listen(self) -> None:
        """Hear a wish to cancel now, not at the next heartbeat: what comes next can't be taken back."""
        if Story.objects.filter(pk=self.story.pk, cancel_requested=True).exists():
            self._cancelled.set()

    def enter(self, row: Step) -> None:
        self._step = row
        row.state, row.attempts, row.result = State.RUNNING, row.attempts + 1, Result.NONE
        row.started_at = row.started_at or clock.now()
        self.save(row, "state", "attempts", "result", "started_at")
        if row.attempts > 1:
            self.say(f"Resumed after an interruption (attempt {row.attempts}).")

    def leave(self, result: Result) -> None:
        assert self._step is not None
        self.flush()
        self._step.result = self._step.result or result
        self._step.state, self._step.finished_at = State.DONE, clock.now()
        self.save(self._step, "state", "result", "finished_at")

    def enter_undo(self, row: Step) -> None:
        self._step, self._undoing = row, True
        row.attempts += 1
        self.save(row, "attempts")

    def leave_undo(self) -> None:
        assert self._step is not None
        self.flush()
        self._step.undone = True
        self.save(self._step, "undone")

    def fail(self, result: Result, title: str, detail: str, remedy: str) -> bool:
        """End the step badly. Returns whether the story goes on: past the point of no return it does, yellow."""
        assert self._step is not None
        self.flush()
        self._step.result = Result.FAILURE if not self.final else Result.WARNING
        if result == Result.CANCELLED:
            self._step.result = result
        self._step.state, self._step.finished_at = State.DONE, clock.now()
        self.story.failing = not self.final
        with transaction.atomic():
            self.save(self._step, "state", "result", "finished_at")
            self._remember(title, detail, remedy)
        return self.final

    def _remember(self, title: str, detail: str, remedy: str) -> None:
        story = self.story
        story.error_title = self._clean(title)[:300]
        story.error_detail, story.error_remedy = self._clean(detail), self._clean(remedy)
        self.save(story, "failing", "error_title", "error_detail", "error_remedy")

    def put_off(self, reason: str, by: timedelta) -> None:
        """Hand the story over for a later time, when the step is told anew. The reason is said once in a step."""
        assert self._step is not None
        assert self._step.started_at is not None
        if self.story.not_before is None or self.story.not_before < self._step.started_at:
            self.say(reason)
        self.flush()
        self._step.attempts = 0  # nobody died of it
        self.save(self._step, "attempts")
        self.let_go(not_before=clock.now() + by)

    def let_go(self, **fields: datetime) -> None:
        """Hand the story over: whoever comes next resumes it at the step that follows."""
        self._ended.set()
        self._heart.join()
        mine = Story.objects.filter(pk=self.story.pk, claim=self._claim)
        mine.update(state=State.QUEUED, claim="", lease_until=None, **fields)

    def hold(self) -> None:
        """Keep the claim to the end of the transaction: what is written in it is the holder's. Raises ClaimLost."""
        if not Story.objects.select_for_update().filter(pk=self.story.pk, claim=self._claim):
            raise ClaimLost

    @transaction.atomic
    def save(self, row: Step | Story, *fields: str) -> None:
        """Write what only the holder of the claim may write. Raises ClaimLost."""
        self.hold()
        row.save(update_fields=fields)

    # --- inside -----------------------------------------------------------------------------------------------------
    def _clean(self, text: str) -> str:
        for secret in self._masked:
            text = text.replace(secret, "********")
        return text.replace("\x00", "")

    def _write(self, *, whole_lines: bool) -> None:
        """Write pending output as a row: up to the last line's end, so that no secret is cut in two.

        Of a line that doesn't end, what may be a secret's beginning is kept back.
        """
        self._pending = self._clean(self._pending)
        end = len(self._pending)
        if whole_lines:
            end = self._pending.rfind("\n") + 1
            if not end and len(self._pending) > FLUSH_CHARACTERS:
                end = max(0, len(self._pending) - max(map(len, self._masked), default=0))
        text, self._pending = self._pending[:end], self._pending[end:]
        self._flushed_at = time.monotonic()
        if text and self._step is not None:
            LogChunk.objects.create(step=self._step, command=self._command, text=text)

    def _beat(self) -> None:
        """Extend the lease and listen for wishes, until the story ends or the claim is lost."""
        try:
            while not self._ended.wait(HEARTBEAT_S):
                try:
                    self._beat_once()
                except Exception as error:  # whatever it is, the heart must beat again
                    log.warning("heartbeat of story %s: %s", self.story.pk, error)
                    connection.close()
        finally:
            connection.close()

    def _beat_once(self) -> None:
        mine = Story.objects.filter(pk=self.story.pk, claim=self._claim)
        if not mine.update(lease_until=clock.now() + self._lease):
            if not self._ended.is_set():
                self._lost.set()
            return
        if mine.values_list("cancel_requested", flat=True).get():
            self._cancelled.set()
