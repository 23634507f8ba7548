"""What the router's request log says of an instance's traffic: summed by second, and read for a stretch of time.

Latencies are counted in buckets, each a twentieth wider than the one before: percentiles are right within 3 %.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from hosting.engines.haproxy import Request
from hosting.models import Instance, TrafficSecond, TrafficWatch
from portal import clock

KEPT = timedelta(days=1)
STEP = 1.05


def bucket(milliseconds: int) -> int:
    """0 for less than a millisecond; bucket n ends before 1.05 to the n."""
    return 1 + int(math.log(milliseconds, STEP)) if milliseconds > 0 else 0


def middle(number: int) -> float:
    """Milliseconds in the middle of a bucket."""
    return float(STEP ** (number - 0.5)) if number > 0 else 0.5


@dataclass
class _Wait:
    """Of one instance: since when somebody waits, and when somebody was last answered, in milliseconds."""

    answered: int = 0
    wanted: int | None = None

    def gap(self, request: Request) -> int:
        """How long nobody was answered while somebody waited, up to the end of this request."""
        began = request.ended_ms - request.active_ms
        self.wanted = began if self.wanted is None else min(self.wanted, began)
        gap = request.ended_ms - max(self.wanted, self.answered)
        if request.outcome == "answered":
            self.answered, self.wanted = max(self.answered, request.ended_ms), None
        return max(0, gap)


class Sums:
    """Requests summed by instance and second, until they are taken to be written."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, int], TrafficSecond] = {}
        self._waits: dict[int, _Wait] = {}
        self._visits: dict[int, int] = {}

    def add(self, request: Request) -> None:
        instance, second = int(request.instance[1:]), request.ended_ms // 1000
        row = self._seconds.get((instance, second))
        if row is None:
            row = TrafficSecond(instance_id=instance, at=datetime.fromtimestamp(second, UTC))
            self._seconds[instance, second] = row
        if request.outcome == "websocket":
            row.websockets += 1
            return
        _count(row, request)
        row.longest_gap_ms = max(row.longest_gap_ms, self._waits.setdefault(instance, _Wait()).gap(request))
        if request.reached_pool:
            self._visits[instance] = max(self._visits.get(instance, 0), request.ended_ms)

    def take(self) -> tuple[list[TrafficSecond], dict[int, datetime]]:
        """Rows to be written, and each instance's last request that reached its pool. Both begin anew."""
        rows, self._seconds = list(self._seconds.values()), {}
        visits, self._visits = self._visits, {}
        return rows, {instance: datetime.fromtimestamp(ms / 1000, UTC) for instance, ms in visits.items()}


def _count(row: TrafficSecond, request: Request) -> None:
    row.requests += 1
    row.failed += request.outcome == "failed"
    row.left += request.outcome == "left"
    row.held += request.held_ms > 0
    row.longest_held_ms = max(row.longest_held_ms, request.held_ms)
    if request.outcome != "left":
        key = str(bucket(request.active_ms))
        row.latencies[key] = row.latencies.get(key, 0) + 1


@dataclass
class Traffic:
    """What was seen of an instance in a stretch of time."""

    requests: int = 0
    failed: int = 0
    left: int = 0
    websockets: int = 0
    held: int = 0
    longest_held_ms: int = 0
    longest_gap_ms: int = 0
    latencies: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[TrafficSecond]) -> Self:
        traffic = cls()
        for row in rows:
            for name in ("requests", "failed", "left", "websockets", "held"):
                setattr(traffic, name, getattr(traffic, name) + getattr(row, name))
            for name in ("longest_held_ms", "longest_gap_ms"):
                setattr(traffic, name, max(getattr(traffic, name), getattr(row, name)))
            traffic.latencies.update({int(number): requests for number, requests in row.latencies.items()})
        return traffic

    def percentile(self, percent: float) -> float | None:
        """Milliseconds within which so many of the requests were through; None without any."""
        rank = math.ceil(self.latencies.total() * percent / 100)
        for number in sorted(self.latencies):
            rank -= self.latencies[number]
            if rank <= 0:
                return middle(number)
        return None


def seen(instance: Instance, since: datetime, until: datetime) -> Traffic:
    """Requests that ended from `since` on, before `until`, as far as somebody listened (see `unheard`)."""
    return Traffic.of(TrafficSecond.objects.filter(instance=instance, at__gte=_second(since), at__lt=until))


def _second(time: datetime) -> datetime:
    return time.replace(microsecond=0)


def unheard(since: datetime, until: datetime) -> timedelta:
    """How much of a stretch of time nobody listened to the request log."""
    heard, covered = timedelta(), since
    for watch in TrafficWatch.objects.filter(until__gt=since, since__lt=until).order_by("since"):
        begins, ends = max(watch.since, covered), min(watch.until, until)
        heard += max(timedelta(), ends - begins)
        covered = max(covered, ends)
    return until - since - heard


def forget() -> None:
    """Remove what is older than a day: what deploys did to users is written on the builds by then."""
    old = clock.now() - KEPT
    TrafficSecond.objects.filter(at__lt=old).delete()
    TrafficWatch.objects.filter(until__lt=old).delete()
