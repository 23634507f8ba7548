"""What a project's subscription or trial limits, and how much of it is in use."""

from dataclasses import dataclass

from projects import plans, quota
from projects.models import Project, Stage


@dataclass(frozen=True)
class Use:
    """`limit` None: there is none."""

    name: str
    what: str
    used: float
    limit: int | None
    unit: str = ""

    @property
    def words(self) -> str:
        return f"{self.used:.1f} {self.unit}" if self.unit else f"{self.used:g}"

    @property
    def limit_words(self) -> str:
        return "" if self.limit is None else f"{self.limit} {self.unit}".strip()


def uses_of(project: Project) -> list[Use]:
    limits, alive = plans.plan(project).limits, project.branches.alive()
    production = alive.filter(stage=Stage.PRODUCTION).first()
    workers, replicas = plans.granted_workers(production) if production else (0, 0)
    staging = alive.filter(stage=Stage.STAGING).count()
    stored = quota.storage(project).used / quota.GB
    return [
        Use("workers", "Workers of production", workers * replicas, limits.workers),
        Use("staging", "Staging branches", staging, limits.staging),
        Use("storage", "Storage", stored, limits.storage_gb, "GB"),
    ]
