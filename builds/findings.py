"""What an inspection finds in a repository, as plain values that can be kept as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

ADDONS_ROOT = "/opt/berth/addons"
"""Where the addons are in the image; each folder that holds some has a number beneath. Not /mnt/extra-addons: Odoo's
images declare that a volume, of which the engine would make a copy for every container.
"""


class Severity(StrEnum):
    ERROR = "error"
    """The build ends."""
    WARNING = "warning"
    """The build goes on, and is yellow."""


@dataclass(frozen=True)
class Problem:
    severity: Severity
    title: str
    detail: str
    path: str
    """Relative to the repository, with `:LINE` where known; "" where it is about all of it."""
    what_to_do: str

    def __str__(self) -> str:
        where = f" ({self.path})" if self.path else ""
        return f"{self.title}{where}: {self.detail} {self.what_to_do}"


@dataclass(frozen=True)
class Addon:
    name: str
    path: str
    """Its folder, relative to the repository."""
    version: str
    """As the manifest has it."""
    full_version: str
    """With the series in front, as `ir_module_module.latest_version` has it once it is installed."""
    depends: tuple[str, ...]
    installable: bool
    application: bool
    python: tuple[str, ...]
    """Python packages that the manifest asks for."""
    programs: tuple[str, ...]
    """Programs that the manifest asks for."""
    requirements: tuple[str, ...]
    """The lines of requirements files that concern those packages: another line means that an update is due."""
    in_submodule: bool
    has_static: bool
    auto_install: tuple[str, ...] = ()
    """With these it is installed by itself; () where it isn't."""

    @property
    def folder(self) -> str:
        """The addons folder that it stands in; "" is the repository itself."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True)
class Inspection:
    series: str
    addons: tuple[Addon, ...]
    requirements_files: tuple[str, ...]
    requirements: tuple[str, ...]  # what these ask for, a line each
    problems: tuple[Problem, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders with installable addons, relative to the repository, sorted; "" is the repository itself.

        Odoo refuses to start on a folder without any.
        """
        return tuple(sorted({addon.folder for addon in self.addons if addon.installable}))

    @property
    def addons_path(self) -> tuple[str, ...]:
        """Odoo's `addons_path` in the image: one entry for each of `folders`, in their order."""
        return tuple(f"{ADDONS_ROOT}/{number}" for number in range(len(self.folders)))

    @property
    def queue_job(self) -> bool:
        """Whether OCA's queue_job is in the repository: it has to be loaded server-wide."""
        return any(addon.name == "queue_job" and addon.installable for addon in self.addons)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    def as_json(self) -> dict[str, Any]:
        """For `Build.inspection`; tuples are lists in it, as they come back from the database."""
        return {
            "series": self.series,
            "addons": [{key: _listed(value) for key, value in asdict(addon).items()} for addon in self.addons],
            "addons_path": list(self.addons_path),
            "folders": list(self.folders),
            "queue_job": self.queue_job,
            "requirements_files": list(self.requirements_files),
            "requirements": list(self.requirements),
            "problems": [{**asdict(problem), "severity": str(problem.severity)} for problem in self.problems],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What `as_json` was made of."""
        return cls(
            series=found["series"],
            addons=tuple(Addon(**{key: _fixed(value) for key, value in addon.items()}) for addon in found["addons"]),
            requirements_files=tuple(found["requirements_files"]),
            requirements=tuple(found.get("requirements", ())),  # builds of before have none
            problems=tuple(Problem(**{**each, "severity": Severity(each["severity"])}) for each in found["problems"]),
        )


def _fixed(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
