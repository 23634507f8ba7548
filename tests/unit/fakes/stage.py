"""A stage for whole deploys on make-believe machines: the scenes from which they begin, and workers who tell them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from builds import backup
from builds.begin import begin
from builds.models import Build, Download
from hosting.models import Backup, Instance
from portal import clock, stories
from portal.models import Result, State, Story
from portal.telling import Telling
from projects.models import Branch, Project, Stage
from tests import cast
from tests.unit.fakes.seam import install, machine_rows
from tests.unit.fakes.world import Killed, World

OLD, NEW = "1" * 40, "2" * 40  # commits
CHANGES = ("INSERT", "UPDATE", "DELETE")


def nothing(_what: str) -> None:
    """What happens ahead of most calls."""


@dataclass
class Scenery:
    world: World
    home: Path
    telling: Telling | None = None  # the one that goes on, or the last one

    # --- scenes: each returns the build that is to be told ----------------------------------------------------------
    def first(self) -> Build:
        """Production, which has never been deployed."""
        self.world.commits = {NEW: {"shop": "1.0"}}
        return self.build(self.branch("main", Stage.PRODUCTION), NEW)

    def same(self) -> Build:
        """Production, where no module's version rose."""
        self.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
        return self._second(self.branch("main", Stage.PRODUCTION))

    def update(self) -> Build:
        """Production with two web containers a pool, where two modules are to be updated."""
        self.world.commits = {OLD: {"shop": "1.0", "till": "1.0"}, NEW: {"shop": "1.1", "till": "1.1"}}
        return self._second(self.branch("main", Stage.PRODUCTION, replicas=2))

    def development(self) -> Build:
        self.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.0"}}
        return self._second(self.branch("feature", Stage.DEVELOPMENT))

    def staging(self) -> Build:
        """A copy of production, with a module to be updated on it."""
        self.world.commits = {OLD: {"shop": "1.0"}, NEW: {"shop": "1.1"}}
        self.deploy(self.branch("main", Stage.PRODUCTION), OLD)
        return self._second(self.branch("next", Stage.STAGING))

    def kept(self) -> Build:
        """A copy of production that a push updates."""
        build = self.staging()
        Build.objects.filter(pk=build.pk).update(keeps_database=True)
        return Build.objects.get(pk=build.pk)

    def staging_restored(self) -> Build:
        """The same, where a backup of production was proven and its restore stays."""
        build = self.staging()
        self.back_up()
        return build

    def back_up(self) -> Backup:
        """Of production, to the end."""
        found = backup.begin(branch=Branch.objects.get(stage=Stage.PRODUCTION), kind=Backup.Kind.NIGHTLY, by=None)
        for _ in range(8):
            self.look(found)
            found = Backup.objects.get(pk=found.pk)
            if found.state == State.DONE:
                return found
        raise AssertionError(f"still {found.state}")

    def _second(self, branch: Branch) -> Build:
        self.deploy(branch, OLD)
        return self.build(branch, NEW)

    # --- rows -------------------------------------------------------------------------------------------------------
    def branch(self, name: str, stage: Stage, **fields: object) -> Branch:
        project = Project.objects.first() or cast.project("shop", token="github-token")
        return cast.branch(project, name, stage, **fields)

    def build(self, branch: Branch, commit: str) -> Build:
        return begin(branch=Branch.objects.get(pk=branch.pk), commit=commit, by=None)

    def deploy(self, branch: Branch, commit: str) -> Build:
        build = self.tell(self.build(branch, commit))
        assert build.result == Result.SUCCESS, said(build)
        return build

    # --- telling ----------------------------------------------------------------------------------------------------
    def look(self, build: Build | Backup | Download) -> None:
        """As a worker does it. One that was killed or gave up is noticed by its lease, which here ends at once."""
        try:
            with connection.execute_wrapper(self._statement):
                stories.look(build.story_id or 0)
        except (Killed, Exception):
            logging.info("left to the next worker", exc_info=True)
        self.world.dead, self.world.before = False, nothing
        Story.objects.filter(state=State.RUNNING).update(lease_until=clock.now() - timedelta(seconds=1))

    def tell(self, build: Build) -> Build:
        """Look until the story ends, and that of the backup that the build took."""
        for _ in range(8):
            self.look(build)
            build = Build.objects.select_related("backup").get(pk=build.pk)
            if build.state == State.DONE:
                break
        else:
            raise AssertionError(f"still {build.state}: {said(build)}")
        for _ in range(8):
            if build.backup is None or Story.objects.get(pk=build.backup.story_id or 0).state == State.DONE:
                return build
            self.look(build.backup)
        raise AssertionError(f"the backup of {build} does not end")

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Each change of a row is an event too: a worker can die between it and the next."""
        if self.world.dead and not sql.startswith(("ROLLBACK", "RELEASE")):
            raise Killed
        words = sql.split(maxsplit=3)
        if words[0] in CHANGES and "portal_logchunk" not in sql:
            self.world.happen(" ".join(words[:3]))
        return execute(sql, params, many, context)


@contextmanager
def scenery(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Iterator[Scenery]:
    world, home = World("c0ffee"), tmp_path / "home"
    home.mkdir()
    install(world, monkeypatch, settings, home)
    machine_rows()
    with (
        connection.cursor() as cursor
    ):  # a build is loaded with all around it: planning that takes longer than the query
        cursor.execute("SET join_collapse_limit = 1")
    scenery = Scenery(world, home)
    enter = Telling.__enter__

    def remembered(telling: Telling) -> Telling:
        scenery.telling = telling
        return enter(telling)

    monkeypatch.setattr(Telling, "__enter__", remembered)
    yield scenery


def said(build: Build) -> str:
    story = Story.objects.get(pk=build.story_id or 0)
    return f"{story.error_title}: {story.error_detail[-300:]}"


def production_host() -> str:
    """Production's address, which must answer all the time once it did; "" before there is one."""
    production = Instance.objects.filter(stage=Stage.PRODUCTION).first()
    return production.hostname if production else ""
