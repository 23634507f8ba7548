"""A disk that is full while a build works: the build says so, production serves on, and with room pushes work again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.commands import run
from tests.faults.changes import change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of that size in place of a folder."""
    run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0711", "berth-test", str(folder)], timeout=30)
    try:
        yield
    finally:
        run(["umount", "--lazy", str(folder)], timeout=30)


def test_a_build_on_a_full_disk_says_so_and_harms_nothing(installation: Installation) -> None:
    before = installation.answer(f"/{STATIC_FILE}")
    with small_disk(installation.home / "builds", kilobytes=16):
        build = installation.wait_for_build(change_static_file(installation))
    with Portal(installation) as portal:
        page = portal.build_page(build)
    during = installation.answer(f"/{STATIC_FILE}")
    again = installation.wait_for_build(change_static_file(installation))
    assert build.result == "failure", build
    assert build.error_title == "The disk of this machine is full"
    assert [words for words in (build.error_title, build.error_remedy) if words not in page] == []
    assert (during.commit, during.text) == (before.commit, before.text)
    assert again.result == "success", again
    assert installation.settled() == []
