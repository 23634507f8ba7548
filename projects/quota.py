"""How much disk a project may use, and does: its databases, filestores and logs, as they were measured last."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max, Sum

from projects.models import DiskUse, Project

GB = 1024**3  # as Django's pages write it
COUNTED = (DiskUse.Kind.DATABASE, DiskUse.Kind.FILES, DiskUse.Kind.LOGS)
NEARLY = 0.8  # of the quota, from which it is said


@dataclass(frozen=True)
class Storage:
    """Bytes of each kind; those beside the quota too. `limit` is None where there is none."""

    by_kind: dict[str, int]
    limit: int | None
    measured_at: datetime | None

    @property
    def used(self) -> int:
        return sum(self.by_kind.get(kind, 0) for kind in COUNTED)

    @property
    def counted(self) -> list[tuple[str, int]]:
        return [(kind.label, self.by_kind.get(kind, 0)) for kind in COUNTED]

    @property
    def beside(self) -> list[tuple[str, int]]:
        return [(DiskUse.Kind(kind).label, used) for kind, used in self.by_kind.items() if kind not in COUNTED]

    @property
    def is_over(self) -> bool:
        return self.limit is not None and self.used > self.limit

    @property
    def is_nearly_full(self) -> bool:
        return self.limit is not None and self.used > self.limit * NEARLY


def limit(project: Project) -> int | None:
    """In bytes."""
    gb = settings.BERTH_QUOTA_GB if project.quota_gb is None else project.quota_gb
    return gb * GB or None


def storage(project: Project) -> Storage:
    rows = DiskUse.objects.filter(project=project)
    by_kind = dict(rows.values("kind").annotate(sum=Sum("bytes")).values_list("kind", "sum").order_by("-sum"))
    return Storage(by_kind, limit(project), rows.aggregate(at=Max("measured_at"))["at"])
