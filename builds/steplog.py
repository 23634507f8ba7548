"""What a step wrote, for a page: its commands and their output in the order in which they happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal import clock
from portal.models import Command, LogChunk, State, Step

KEPT = timedelta(days=90)  # what a build printed; of each branch's newest build for good
TAIL_LINES = 200
FAILED_TAIL_LINES = 50
CHUNKS = 60  # of one answer; a chunk has up to 16,000 characters


@dataclass(frozen=True)
class Excerpt:
    """A piece of a step's output, and where a page reads on from it."""

    items: list[Command | LogChunk]
    step: Step
    after: int  # the last chunk shown: the cursor
    command: int  # the last command shown
    before: int | None  # the first chunk shown, where there are earlier ones
    unfinished: Command | None = None  # shown by an earlier excerpt; how it ended is told now
    follows: bool = True  # False for what lies before
    full: bool = False  # there is more to read at once

    @property
    def more(self) -> bool:
        """Whether more may come."""
        return self.step.state != State.DONE

    @property
    def forgotten(self) -> bool:
        """Whether the output may have been removed since."""
        at = self.step.finished_at
        return self.follows and not self.after and at is not None and at < clock.now() - KEPT


def tail(step: Step) -> Excerpt:
    """The end of the output: whole chunks with TAIL_LINES lines at least, FAILED_TAIL_LINES where the step failed."""
    wanted = FAILED_TAIL_LINES if step.result == "failure" else TAIL_LINES
    return _back(step, wanted, before=None)


def earlier(step: Step, before: int) -> Excerpt:
    """What comes before chunk `before`."""
    return _back(step, 5 * TAIL_LINES, before=before)


def following(step: Step, after: int, command: int) -> Excerpt:
    """What was written since chunk `after` and command `command`."""
    commands = list(step.commands.filter(pk__gte=command).order_by("pk"))
    shown = commands.pop(0) if commands and commands[0].pk == command else None
    chunks = list(step.chunks.filter(pk__gt=after).order_by("pk")[: CHUNKS + 1])
    full = len(chunks) > CHUNKS
    if full:  # commands that ran later are told with their output
        commands = [each for each in commands if each.started_at <= chunks[CHUNKS - 1].at]
    chunks = chunks[:CHUNKS]
    return Excerpt(
        items=_merged(commands, chunks),
        step=step,
        after=chunks[-1].pk if chunks else after,
        command=commands[-1].pk if commands else command,
        before=None,
        unfinished=shown,
        full=full,
    )


def whole(step: Step) -> Iterator[str]:
    """All of it as text."""
    commands = list(step.commands.order_by("pk"))
    for item in _merged(commands, list(step.chunks.order_by("pk"))):
        yield item.text if isinstance(item, LogChunk) else f"$ {item}\n"


def _back(step: Step, lines: int, *, before: int | None) -> Excerpt:
    rows = step.chunks.order_by("-pk")
    found = list((rows.filter(pk__lt=before) if before else rows)[: CHUNKS + 1])
    chunks: list[LogChunk] = []
    while found and lines > 0 and len(chunks) < CHUNKS:
        chunks.insert(0, found.pop(0))
        lines -= chunks[0].text.count("\n")
    commands = list(step.commands.order_by("pk"))
    if found:  # there are earlier chunks: leave their commands to them
        commands = [each for each in commands if each.started_at > found[0].at]
    if before is not None:
        commands = [each for each in commands if chunks and each.started_at <= chunks[-1].at]
    return Excerpt(
        items=_merged(commands, chunks),
        step=step,
        after=chunks[-1].pk if chunks else 0,
        command=commands[-1].pk if commands else 0,
        before=chunks[0].pk if chunks and found else None,
        follows=before is None,
    )


def _merged(commands: list[Command], chunks: list[LogChunk]) -> list[Command | LogChunk]:
    """By time. A command is saved before it runs, so it sorts before its output."""
    return sorted([*commands, *chunks], key=_moment)


def _moment(item: Command | LogChunk) -> tuple[datetime, bool]:
    return (item.started_at, False) if isinstance(item, Command) else (item.at, True)
