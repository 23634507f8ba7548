"""Where the database of a staging or development build came from: `Build.origin`, which the build page shows.

`way` is `restore` (a proven backup's, with its `backup` and `taken_at`), `live` (production as it is), `backup` (one
that somebody chose), `import`, `template` or `nothing`; `seconds` is how long it took, `saved` how many seconds that
saved, `why` why it was not a quicker way. `bytes` is the size of the database, `files` and `file_bytes` are of the
filestore that it shares, `copied_files` of these had to be copied in full.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from builds.models import Build
from hosting.filestores import Shared


class Way(StrEnum):
    RESTORE = "restore"
    LIVE = "live"
    BACKUP = "backup"
    IMPORT = "import"
    TEMPLATE = "template"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Origin:
    way: Way
    seconds: float = 0
    backup: int = 0
    taken_at: str = ""
    saved: float = 0
    modules: tuple[str, ...] = ()
    why: str = ""
    bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    copied_files: int = 0

    @classmethod
    def of(cls, build: Build) -> Self | None:
        found: dict[str, Any] = build.origin
        return cls(**{**found, "way": Way(found["way"]), "modules": tuple(found["modules"])}) if found else None

    @property
    def is_copy(self) -> bool:
        return self.way in (Way.RESTORE, Way.LIVE, Way.BACKUP, Way.IMPORT)

    @property
    def moment(self) -> datetime | None:
        """Of which a copy is."""
        return datetime.fromisoformat(self.taken_at) if self.taken_at else None

    def of_size(self, database: int, shared: Shared) -> Self:
        return replace(self, bytes=database, files=shared.files, file_bytes=shared.size, copied_files=shared.copied)

    def keep(self, build: Build) -> None:
        build.origin = asdict(self) | {"modules": list(self.modules)}
        Build.objects.filter(pk=build.pk).update(origin=build.origin)
