"""A disk that is full while a build works: the build says so, production serves on, and with room pushes work again."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.commands import run
from tests.faults.changes import PATHS, change_static_file, raise_version
from tests.faults.clusters import stopped
from tests.holding import Moment, hold
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

MEGABYTE = 1024 * 1024
ROOM, LEFT = 2048 * MEGABYTE, MEGABYTE  # of the databases' own disk, and what is left when it is full


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A file system of that many bytes in place of a folder."""
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "berth-test", str(folder)], timeout=30)
    try:
        yield
    finally:
        run(["umount", "--lazy", str(folder)], timeout=30)


def resize(folder: Path, size: int) -> None:
    run(["mount", "-o", f"remount,size={size}", str(folder)], timeout=30)


def says_that_the_disk_is_full(installation: Installation, build: BuildRow) -> bool:
    with Portal(installation) as portal:
        page = portal.build_page(build)
    said = build.error_title == "The disk of this machine is full"
    return said and all(words in page for words in (build.error_title, build.error_remedy))


def test_a_build_on_a_full_disk_says_so_and_harms_nothing(installation: Installation) -> None:
    before = installation.answer(f"/{STATIC_FILE}")
    with small_disk(installation.home / "builds", 16 * 1024):
        build = installation.wait_for_build(change_static_file(installation))
    during = installation.answer(f"/{STATIC_FILE}")
    again = installation.wait_for_build(change_static_file(installation))
    assert build.result == "failure", build
    assert says_that_the_disk_is_full(installation, build), build
    assert (during.commit, during.text) == (before.commit, before.text)
    assert again.result == "success", again
    assert installation.settled() == []


# --- the databases' disk ----------------------------------------------------------------------------------------------
@contextmanager
def databases_on_their_own_disk(installation: Installation) -> Iterator[Path]:
    """Production's databases are on a disk of their own meanwhile; PostgreSQL's log of changes stays where it was."""
    base = (installation.home / "pg/hosted/base").resolve()
    kept, small = base.with_name("base.kept"), base.with_name("base.small")
    small.mkdir()
    with small_disk(small, ROOM):
        with stopped(installation, "hosted"):
            copy(base, small)
            base.rename(kept)
            base.symlink_to(small)
        try:
            yield small
        finally:
            with stopped(installation, "hosted"):
                base.unlink()
                shutil.rmtree(kept)
                base.mkdir()
                copy(small, base)
    small.rmdir()


def copy(source: Path, target: Path) -> None:
    run(["cp", "-a", f"{source}/.", str(target)], timeout=120)


def test_a_disk_that_is_full_for_the_copy_before_an_update_leaves_the_old_pool_serving(
    installation: Installation,
) -> None:
    before, versions = installation.answer(f"/{STATIC_FILE}"), installation.versions()
    with databases_on_their_own_disk(installation) as disk:
        with installation.load(PATHS) as load:
            load.wait_for(40)  # all processes find the database again
        with installation.load(PATHS) as load:
            load.wait_for(20)
            with hold(installation, "update_production", Moment.BEGINS) as held:
                sha = raise_version(installation)
                held.wait()
                resize(disk, shutil.disk_usage(disk).used + LEFT)
                held.let_go()
            build = installation.wait_for_build(sha)
            load.wait_for(20)
        resize(disk, ROOM)
        after, during = installation.versions(), installation.answer(f"/{STATIC_FILE}")
        again = installation.wait_for_build(raise_version(installation))
    assert build.result == "failure", build
    assert says_that_the_disk_is_full(installation, build), build
    assert (after, during) == (versions, before)
    assert load.figures().failed == 0, load.figures()
    assert again.result == "success", again
    assert installation.settled() == []
