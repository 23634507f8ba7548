"""Stories: work that is told in steps, survives the death of whoever tells it, and is undone when it fails.

A story is a row; django-q2 is only the doorbell that says "look at story 42". Whoever looks claims it by one
conditional UPDATE, holds it with a lease that a heartbeat extends, and tells its steps in order. A step may be told
twice (after a crash), so it must have the same effect when told again. This module and portal/telling.py alone know
claims, step rows, heartbeats, cancelling, failure and undo; no step repeats any of it.
"""

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef
from django_q.tasks import async_task

from portal import clock
from portal.models import Result, State, Step, Story
from portal.telling import Cancelled, ClaimLost, Telling

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
MAX_ATTEMPTS = 5  # of one step: more deaths than that in one place are no accident
MAX_UNDOS = 500  # a lease apart, some hours: until then nothing else of its subject is told
PORTAL_AWAY = (OperationalError, InterfaceError)  # our own database: the lease ends, and somebody resumes the story


class StoryError(Exception):
    """A step can't be done: what was wrong, in which detail, and what to do. Something else than an accident."""

    def __init__(self, title: str, detail: str = "", remedy: str = "") -> None:
        self.title, self.detail, self.remedy = title, detail, remedy
        super().__init__(title)

    @property
    def in_words(self) -> str:
        """As one message."""
        return " ".join(f"{part.rstrip('.')}." for part in (self.title, self.detail, self.remedy) if part)


class ProjectError(StoryError):
    """The customer's: something in the repository or its settings is to be changed."""


class PlatformError(StoryError):
    """Ours: the operator has to look."""


def reason(error: Exception) -> str:
    """What was wrong, as one text, without what to do."""
    return f"{error.title}. {error.detail}".strip() if isinstance(error, StoryError) else str(error)


class Later(Exception):
    """A step can't go on now and says why: the story is put off, and nobody is kept busy with it meanwhile.

    The step is told from its beginning then, so it raises this before it did anything that takes long. `seconds`: at
    most PUT_OFF_AT_MOST.
    """

    def __init__(self, reason: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(reason)


StepFunction = Callable[[Any, Telling], None]


@dataclass(frozen=True)
class StepSpec:
    """A step as code: its stable name, its title on the page, what it does and how that is undone.

    Where `final`, there is no way back once it succeeded: the story can't be cancelled any more, and a failure after it
    is a warning, since what the user asked for has happened. It is told in one transaction with its own end, so that
    nobody can die between the decision and the word that it was made; it only changes rows.
    """

    name: str
    title: str
    tell: StepFunction
    undo: StepFunction | None = None
    final: bool = False


def step(title: str, *, undo: StepFunction | None = None, final: bool = False) -> Callable[[StepFunction], StepSpec]:
    """Make a step of a function; its name is the step's."""

    def wrap(function: StepFunction) -> StepSpec:
        return StepSpec(name=function.__name__, title=title, tell=function, undo=undo, final=final)

    return wrap


@dataclass(frozen=True)
class Kind:
    """What the runner must know of a kind of story. `load` gives the steps their object, fresh from the database.

    While it `is_waited_for`, a worker that shall end tells it on: the next one would let people wait longer.
    """

    name: str
    queue: str
    load: Callable[[int], Any]
    steps: Callable[[Any], Sequence[StepSpec]]
    started: Callable[[Any, Story], None] = lambda _object, _story: None
    finished: Callable[[Any, Story], None] = lambda _object, _story: None  # in the transaction that ends the story
    is_waited_for: Callable[[Any], bool] = lambda _object: False


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Called by each app when it is ready, so that the ground floor needn't import the upper ones."""
    _kinds[kind.name] = kind


def begin(kind: str, *, object_id: int, subject: str) -> Story:
    """Write a story down and ring for it when the transaction commits."""
    story = Story.objects.create(kind=kind, queue=_kinds[kind].queue, object_id=object_id, subject=subject)
    transaction.on_commit(lambda: ring(story))
    return story


def ring(story: Story) -> None:
    Story.objects.filter(pk=story.pk).update(rung_at=clock.now())
    async_task("portal.stories.look", story.pk, cluster=story.queue, task_name=f"story {story.pk}")


def ring_all() -> int:
    """Ring again for stories whose bell, or whose teller, was lost. Returns how many."""
    stories = list(Story.objects.unheard())
    for story in stories:
        ring(story)
    return len(stories)


def resume_dead() -> int:
    """End the leases of stories whose teller's process is no more, and ring for them. Returns how many.

    All workers are of this machine; where a number has become another process's, the lease ends by itself.
    """
    dead = [story for story in Story.objects.filter(state=State.RUNNING) if not _lives(story.claim)]
    for story in dead:
        Story.objects.filter(pk=story.pk, claim=story.claim).update(lease_until=clock.now())
        ring(story)
    return len(dead)


def _lives(claim: str) -> bool:
    pid = claim.partition("-")[0]
    return not pid.isdecimal() or Path(f"/proc/{pid}").exists()


def cancel(story: Story) -> None:
    """Ask for the end of a story. The one that tells it hears it within two seconds."""
    Story.objects.open().filter(pk=story.pk).update(cancel_requested=True)
    ring(story)


def look(story_id: int) -> None:
    """What a doorbell task calls: tell the story if nobody else does and nothing stands before it."""
    story = _claim(story_id)
    if story is None:
        return
    try:
        with Telling(story, lease=LEASE) as telling:
            finished = _tell(_kinds[story.kind], telling)
    except ClaimLost:
        log.warning("story %s is told by another worker now", story_id)
        return
    except Later as later:
        log.info("story %s is put off: %s", story_id, later)
        return  # the agent rings when its time has come
    if finished:
        _ring_next(story)
    else:
        ring(story)


def _claim(story_id: int) -> Story | None:
    """Take the story by an UPDATE that must change exactly one row. Kinds that another version knows are left alone."""
    now = clock.now()
    earlier = Story.objects.open().filter(subject=OuterRef("subject"), pk__lt=OuterRef("pk"))
    claim = f"{os.getpid()}-{secrets.token_hex(8)}"  # whose process it is, for people who look
    try:
        with transaction.atomic():
            won = (
                Story.objects.claimable()
                .filter(~Exists(earlier), pk=story_id, kind__in=_kinds)
                .update(state=State.RUNNING, claim=claim, lease_until=now + LEASE)
            )
    except IntegrityError:  # another story of the same subject was claimed in the same instant
        log.info("story %s waits for its turn", story_id)
        return None
    return Story.objects.get(pk=story_id) if won else None


def _tell(kind: Kind, telling: Telling) -> bool:
    """Tell what is left of the story. False where it was handed over before its end. Raises Later."""
    story = telling.story
    specs = kind.steps(kind.load(story.object_id))
    if story.started_at is None:
        with transaction.atomic():
            story.started_at = clock.now()
            telling.save(story, "started_at")
            kind.started(kind.load(story.object_id), story)
    _write_down(story, specs)
    if not story.failing:
        for spec in specs:
            if telling.handover_requested() and not kind.is_waited_for(kind.load(story.object_id)):
                telling.let_go()
                return False
            if not _tell_step(kind, spec, telling):
                break
    if story.failing:
        _undo(kind, specs, telling)
    _finish(kind, telling)
    return True


def _write_down(story: Story, specs: Sequence[StepSpec]) -> None:
    """Step rows for the page, before the first is told."""
    Step.objects.bulk_create(
        [Step(story=story, name=spec.name, title=spec.title, position=position) for position, spec in enumerate(specs)],
        ignore_conflicts=True,
    )


def _tell_step(kind: Kind, spec: StepSpec, telling: Telling) -> bool:
    """Tell one step unless it is told already. False where it failed. Raises Later."""
    row = telling.story.steps.get(name=spec.name)
    if row.state == State.DONE:
        telling.final = telling.final or spec.final
        return True
    telling.enter(row)
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise PlatformError(
                f"{spec.title}: interrupted {MAX_ATTEMPTS} times",
                "The process that does this step died again and again.",
                "Look into the worker's log and the machine's memory, then retry.",
            )
        if spec.final:
            telling.listen()
        telling.keep_going()
        with transaction.atomic() if spec.final else nullcontext():
            spec.tell(kind.load(telling.story.object_id), telling)
            telling.leave(Result.SUCCESS)
    except Cancelled:
        telling.fail(Result.CANCELLED, "Cancelled", "Stopped as asked. What had been done was undone.", "")
        return False
    except StoryError as error:
        return telling.fail(Result.FAILURE, error.title, error.detail, error.remedy)
    except Later as later:
        telling.put_off(str(later), timedelta(seconds=later.seconds))
        raise
    except PORTAL_AWAY:
        raise
    except Exception as error:
        log.exception("story %s, step %s", telling.story.pk, spec.name)
        return telling.fail(Result.FAILURE, *_accident(spec, error))
    telling.final = telling.final or spec.final
    return True


def _accident(spec: StepSpec, error: Exception) -> tuple[str, str, str]:
    """Title, detail and remedy of what nobody foresaw. All programs say in the same words that a disk is full."""
    if "no space left on device" in str(error).lower():
        return (
            "The disk of this machine is full",
            f"{spec.title}: {error}",
            "Nothing that serves was changed. Free some disk, or ask the operator to; then retry.",
        )
    return (
        f"{spec.title}: {type(error).__name__}",
        str(error),
        "This is a fault of the platform, not of the repository. Retry; if it stays, tell the operator.",
    )


def _undo(kind: Kind, specs: Sequence[StepSpec], telling: Telling) -> None:
    """Take back, last first, what the steps did.

    One that can't be undone now, as an engine is away, is tried again when the lease has ended; what was done before it
    waits for that. After MAX_UNDOS it is given up.
    """
    for spec in reversed(specs):
        row = telling.story.steps.get(name=spec.name)
        if spec.undo is None or row.undone or row.state == State.QUEUED:
            continue
        telling.enter_undo(row)
        try:
            spec.undo(kind.load(telling.story.object_id), telling)
        except Exception as error:
            telling.say(f"Could not be undone: {error}")
            telling.flush()
            if row.attempts < MAX_UNDOS:
                raise
            log.exception("story %s, undo of %s is given up", telling.story.pk, spec.name)
        telling.leave_undo()


def _finish(kind: Kind, telling: Telling) -> None:
    story = telling.story
    with transaction.atomic():
        telling.hold()
        results = set(story.steps.values_list("result", flat=True))
        if story.failing:
            story.result = Result.CANCELLED if Result.CANCELLED in results else Result.FAILURE
        else:
            story.result = next((r for r in (Result.FAILURE, Result.WARNING) if r in results), Result.SUCCESS)
        story.state, story.claim, story.lease_until = State.DONE, "", None
        story.finished_at = clock.now()
        story.save(update_fields=["state", "result", "claim", "lease_until", "finished_at"])
        kind.finished(kind.load(story.object_id), story)


def _ring_next(story: Story) -> None:
    following = Story.objects.open().filter(subject=story.subject).order_by("pk").first()
    if following is not None:
        ring(following)
