"""How much disk a project may use, and does: its databases, filestores and logs, as they were measured last."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Max, Sum

from projects import plans
from projects.models import DiskUse, Project

GB = 1024**3  # as Django's pages write it
COUNTED = (DiskUse.Kind.DATABASE, DiskUse.Kind.FILES, DiskUse.Kind.LOGS)
NEARLY = 0.8  # of the quota, from which it is said


@dataclass(frozen=True)
class Storage:
    """Bytes of each kind; those beside the quota too. `limit` is None where there is none, of each database too."""

    by_kind: dict[str, int]
    limit: int | None
    measured_at: datetime | None
    largest: int = 0  # of its databases, with its filestore
    limit_of_each: int | None = None

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
        return (self.limit is not None and self.used > self.limit) or self.has_too_large

    @property
    def has_too_large(self) -> bool:
        """Whether one of its databases is larger than each may be."""
        return self.limit_of_each is not None and self.largest > self.limit_of_each

    @property
    def is_nearly_full(self) -> bool:
        return self.limit is not None and self.used > self.limit * NEARLY


def limit(project: Project) -> int | None:
    """In bytes: the smaller of the quota and what the project's plan has."""
    quota = settings.BERTH_QUOTA_GB if project.quota_gb is None else project.quota_gb
    given = [gb for gb in (quota, plans.plan(project).limits.storage_gb) if gb]
    return min(given) * GB if given else None


def limit_of_each(project: Project) -> int | None:
    """In bytes, of each database with its filestore."""
    gb = plans.plan(project).limits.database_gb
    return gb * GB if gb else None


def refusal_of(project: Project, size: int) -> str:
    """Why so many bytes more can't be taken into one database, "" where they can."""
    each, found = limit_of_each(project), storage(project)
    if each is not None and size > each:
        return f"A database of this project may have {each // GB} GB, and this would have {size / GB:.1f} GB."
    if found.limit is not None and found.used + size > found.limit:
        return f"The project uses {found.used / GB:.1f} of {found.limit // GB} GB, and this takes {size / GB:.1f} GB."
    return ""


def storage(project: Project) -> Storage:
    return storages([project])[project.pk]


def storages(projects: Collection[Project]) -> dict[int, Storage]:
    """By the primary key of each project."""
    rows: dict[int, list[Mapping[str, Any]]] = {project.pk: [] for project in projects}
    found = DiskUse.objects.filter(project__in=rows).values("project", "kind", "name")
    for row in found.annotate(sum=Sum("bytes"), at=Max("measured_at")):
        rows[row["project"]].append(row)
    return {project.pk: _storage(project, rows[project.pk]) for project in projects}


def _storage(project: Project, rows: Sequence[Mapping[str, Any]]) -> Storage:
    """Of what was measured: a row for each thing of each kind."""
    kinds, databases = Counter[str](), Counter[str]()
    for row in rows:
        kinds[row["kind"]] += row["sum"]
        if row["kind"] in (DiskUse.Kind.DATABASE, DiskUse.Kind.FILES):
            databases[row["name"]] += row["sum"]
    return Storage(
        dict(kinds.most_common()),
        limit(project),
        max((row["at"] for row in rows), default=None),
        max(databases.values(), default=0),
        limit_of_each(project),
    )
