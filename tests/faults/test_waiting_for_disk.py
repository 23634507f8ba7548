"""Builds that wait for free disk: they keep no worker busy, say why they wait, and begin when there is room."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.clone import Clone
from tests.faults.changes import change_static_file
from tests.installation import STATIC_FILE, Installation
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

BRANCHES = ("waits-1", "waits-2")
PUT_OFF = "SELECT id FROM portal_story WHERE id = %s AND state = 'queued' AND not_before > now() + interval '10 s'"


@contextmanager
def scarce_disk(installation: Installation) -> Iterator[None]:
    """All but one percent of the disk is to be kept free meanwhile."""
    installation.up(BERTH_FREE_PERCENT="99")
    try:
        yield
    finally:
        installation.up(BERTH_FREE_PERCENT="10")


def wait_until_put_off(installation: Installation, sha: str) -> BuildRow:
    """Just now, so that it isn't being looked at again at the next moment."""
    return installation.wait_for(sha, lambda build: bool(installation.query(PUT_OFF, build.story)))


@pytest.fixture
def clone(installation: Installation) -> Iterator[Clone]:
    clone = installation.clone()
    yield clone
    clone.delete(*BRANCHES)


def push(clone: Clone, branch: str, text: str) -> str:
    return clone.push({STATIC_FILE: f"{text}\n"}, f"Say {text} on {branch}", branch)  # one commit on each


def test_more_builds_wait_than_there_are_workers_and_all_go_on(installation: Installation, clone: Clone) -> None:
    before = installation.answer(f"/{STATIC_FILE}")
    with scarce_disk(installation):
        shas = [change_static_file(installation), *(push(clone, branch, "first") for branch in BRANCHES)]
        waiting = [wait_until_put_off(installation, sha) for sha in shas]
        with Portal(installation) as portal:
            page = portal.build_page(waiting[0])
            portal.post(f"/{installation.demo()['project']}/builds/{waiting[1].number}/cancel/")
        cancelled = installation.wait_for_build(shas[1])
        wait_until_put_off(installation, shas[2])
        newer = push(clone, BRANCHES[1], "second")
        skipped = installation.wait_for_build(shas[2])
        installation.kill("worker")
        wait_until_put_off(installation, newer)
        during = installation.answer(f"/{STATIC_FILE}")
    ended = [installation.wait_for_build(sha) for sha in (shas[0], newer)]
    assert "are free, which is less than 99 %: new builds wait then." in page
    assert "waits: the open step below says for what" in page
    assert cancelled.result == "cancelled", cancelled
    assert (skipped.result, skipped.verdict[:7]) == ("cancelled", "Skipped"), skipped
    assert (during.commit, during.text) == (before.commit, before.text)
    assert [build.result for build in ended] == ["success", "success"], ended
    assert installation.answer(f"/{STATIC_FILE}").commit == shas[0]
    assert installation.settled() == []
