"""A restic repository as plain folders: what was stored lies there as it was."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from hosting.engines.restic import Progress, RepositoryDamaged, RepositoryMissing, Snapshot, Stored
from tests.unit.fakes.world import World


class FakeRepository:
    def __init__(self, world: World, folder: Path, *, away: bool = False) -> None:
        self.world, self.address, self.folder, self.away = world, "fake:", folder, away

    def exists(self) -> bool:
        if self.away:
            self.world.happen("ask a place")
        return self.folder.exists()

    def create(self, *, like: "FakeRepository | None" = None) -> None:
        self.world.happen("create vault")
        self.folder.mkdir(parents=True)

    def copy(
        self, source: "FakeRepository", snapshots: Sequence[str], *, timeout: float, keep_going: Callable[[], None]
    ) -> None:
        self._look()
        for key in snapshots:
            self.world.happen("copy a snapshot")
            (found,) = source.folder.glob(f"{key}.*")
            other = hashlib.sha256(f"{self.folder}{found.name}".encode()).hexdigest()
            shutil.copytree(found, self.folder / f"{other}.{found.name.partition('.')[2]}", dirs_exist_ok=True)
            keep_going()

    def store(
        self,
        folder: Path,
        *,
        tag: str,
        timeout: float,
        told: Callable[[Progress], None],
        keep_going: Callable[[], None],
    ) -> Stored:
        self.world.happen("store")
        self._look()
        key = hashlib.sha256(f"{tag}{len(self.snapshots())}".encode()).hexdigest()
        told(Progress(bytes_done=1, bytes_total=2, seconds_left=None))
        keep_going()
        shutil.copytree(folder, self.folder / f"{key}.{tag}")
        self.world.happen("stored")
        return Stored(key, size=100, new=10)

    def restore(self, snapshot: str, target: Path, *, timeout: float, keep_going: Callable[[], None]) -> None:
        self.world.happen("restore from vault")
        keep_going()
        found = list(self.folder.glob(f"{snapshot}.*"))
        if not found:
            raise RepositoryDamaged(f"{snapshot} not found in repository")
        shutil.copytree(found[0], target, dirs_exist_ok=True)

    def check(self, *, timeout: float = 0, keep_going: Callable[[], None]) -> None:
        self.world.happen("check vault")
        self._look()

    def unlock(self) -> None:
        self._look()

    def snapshots(self) -> list[Snapshot]:
        self._look()
        names = (folder.name.partition(".") for folder in self.folder.iterdir())
        return [Snapshot(key, frozenset(tags.split(","))) for key, _dot, tags in names]

    def forget(self, snapshots: Sequence[str], *, timeout: float, keep_going: Callable[[], None]) -> None:
        self.world.happen("forget")
        for key in snapshots:
            for folder in self.folder.glob(f"{key}.*"):
                shutil.rmtree(folder)

    def _look(self) -> None:
        if not self.folder.exists():
            raise RepositoryMissing(f"There is nothing at {self.folder}")
