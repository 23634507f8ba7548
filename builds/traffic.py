"""What users saw of a production deploy, from the router's request log, in words at the top of its page.

Requests are counted from the build's start until a minute after its end: a fault of what was deployed mostly shows at
once. What counts as failed: see `hosting.engines.haproxy.Request.outcome`.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import Q

from builds.models import Build
from hosting import traffic
from portal import clock
from portal.models import State
from projects.models import Stage

AROUND = timedelta(minutes=1)  # before the start and after the end
WRITTEN = timedelta(seconds=10)  # within which the agent has written down what it read
TOLD_S = 1.0  # shorter times in which nobody read the log are not worth a word


@dataclass(frozen=True)
class UsersSaw:
    """Stored in Build.users_saw. Times are in milliseconds, None where nobody asked."""

    requests: int
    failed: int
    left: int  # went away before their answer
    websockets: int
    held: int
    longest_held_ms: int
    longest_gap_ms: int  # in which somebody waited and nobody was answered
    p50_ms: float | None
    p99_before_ms: float | None
    p99_ms: float | None
    p99_after_ms: float | None
    seconds: float  # how long was counted
    unheard_s: float  # in which nobody read the log
    final: bool  # the minute after is over

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)

    def __str__(self) -> str:
        """The sentence."""
        if self.unheard_s > self.seconds - TOLD_S:
            return "What users saw is not known: the router's request log was not read meanwhile."
        if self.unheard_s < TOLD_S:
            return f"{self._figures()}{self._more()}."
        return (
            f"{self._figures()}{self._more()}. "
            f"For {self.unheard_s:.0f} of {self.seconds:.0f} s the router's request log was not read; "
            "what happened then is not counted."
        )

    def _more(self) -> str:
        return "" if self.final else "; counted until a minute after the end"

    def _figures(self) -> str:
        if not self.requests:
            return "Nobody visited meanwhile"
        said = [f"{self.requests:,} request{'s' * (self.requests != 1)}, {self.failed or 'none'} failed"]
        if self.left:
            said.append(f"{self.left} left before the answer")
        if self.held:
            said.append(f"{self.held} held, for {_time(self.longest_held_ms)} at most")
        said.append(f"longest wait {_time(self.longest_gap_ms)}")
        times = {"before": self.p99_before_ms, "during": self.p99_ms, "after": self.p99_after_ms}
        p99 = [f"{_time(took)} {when}" for when, took in times.items() if took is not None]
        return "; ".join([*said, f"p99 {', '.join(p99)}"])


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def note(build: Build) -> None:
    """Write down what users saw so far, or in the end, once the minute after is over."""
    if build.instance is None or build.started_at is None or build.stage != Stage.PRODUCTION:
        return
    now = clock.now()
    ended = build.finished_at or now
    until = min(ended + AROUND, now)
    seen = traffic.seen(build.instance, build.started_at, until)
    saw = UsersSaw(
        requests=seen.requests,
        failed=seen.failed,
        left=seen.left,
        websockets=seen.websockets,
        held=seen.held,
        longest_held_ms=seen.longest_held_ms,
        longest_gap_ms=seen.longest_gap_ms,
        p50_ms=seen.percentile(50),
        p99_before_ms=_p99(build, build.started_at - AROUND, build.started_at),
        p99_ms=_p99(build, build.started_at, ended),
        p99_after_ms=_p99(build, ended, until),
        seconds=(until - build.started_at).total_seconds(),
        unheard_s=traffic.unheard(build.started_at, min(until, now - WRITTEN)).total_seconds(),
        final=build.finished_at is not None and now >= ended + AROUND,
    )
    Build.objects.filter(pk=build.pk).update(users_saw=asdict(saw))


def _p99(build: Build, since: datetime, until: datetime) -> float | None:
    assert build.instance is not None
    return traffic.seen(build.instance, since, until).percentile(99)


def note_due() -> None:
    """Builds of production whose minute after is over and written down; those that failed may have disturbed too."""
    now = clock.now()
    ended = Build.objects.filter(state=State.DONE, stage=Stage.PRODUCTION, finished_at__lte=now - AROUND - WRITTEN)
    open_ones = Q(users_saw={}) | Q(users_saw__final=False)
    recent = ended.filter(open_ones, finished_at__gte=now - traffic.KEPT)
    for build in recent.exclude(instance=None).exclude(started_at=None):
        note(build)


def is_counting(build: Build) -> bool:
    """Whether its page is going to say more, though the build is over."""
    if not build.users_saw or build.users_saw["final"] or build.finished_at is None:
        return False
    return clock.now() < build.finished_at + 3 * AROUND
