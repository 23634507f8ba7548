"""A project is deleted on the real path, with workers killed meanwhile: it closes, loses nothing, and comes back."""

import secrets
import time
from collections.abc import Iterator

import pytest

from tests.faults.changes import change_static_file
from tests.installation import Installation
from tests.portal import Portal

pytestmark = pytest.mark.faults
PATIENCE_S = 600.0


@pytest.fixture
def mark(installation: Installation) -> str:
    """A row of production's."""
    assert installation.wait_for_build(change_static_file(installation)).result == "success"
    made = secrets.token_hex(8)
    installation.in_production("DELETE FROM ir_config_parameter WHERE key = 'mark'")
    installation.in_production("INSERT INTO ir_config_parameter (key, value) VALUES ('mark', %s)", made)
    return made


@pytest.fixture
def deleted(installation: Installation, mark: str) -> Iterator[str]:
    """The project's address. It is there again afterwards, whatever became of the test."""
    slug = installation.demo()["project"]
    with Portal(installation) as portal:
        assert "What it does" in portal.page(f"/{slug}/settings/delete/")
        portal.post(f"/{slug}/settings/delete/", typed=slug)
    yield slug
    installation.query("UPDATE projects_project SET deleted_at = NULL, hours_left = NULL WHERE slug = %s", slug)


def closed(installation: Installation) -> bool:
    """No database of the project is open, and none of its containers is there."""
    rows = installation.query(
        "SELECT 1 FROM hosting_instance i JOIN builds_build b ON b.instance_id = i.id WHERE i.state <> 'removed'"
        " AND (i.door <> 'stopped' OR i.id IN (SELECT instance_id FROM hosting_pool WHERE state <> 'gone'))"
    )
    return not rows


def test_it_closes_and_comes_back_with_all_that_was_in_it(installation: Installation, deleted: str, mark: str) -> None:
    deadline, lives_s = time.monotonic() + PATIENCE_S, 5.0
    while not closed(installation):
        assert time.monotonic() < deadline, "it was not closed"
        installation.kill("worker")
        time.sleep(lives_s)
        lives_s *= 1.5  # the last backup takes as long as it takes, and begins anew each time
    status = installation.answer("/web/login").status
    (backup,) = installation.query("SELECT state, snapshot FROM hosting_backup ORDER BY id DESC LIMIT 1")
    left = installation.settled()
    with Portal(installation) as portal:
        hidden = portal.status(f"/{deleted}/branches/")
        assert "Its databases are stopped" in portal.page(f"/{deleted}/deleted/")
        portal.post(f"/{deleted}/deleted/")
    (new,) = installation.query("SELECT id, commit FROM builds_build ORDER BY id DESC LIMIT 1")
    again = installation.wait_for(new["commit"], lambda build: build.id == new["id"] and build.state == "done")

    assert (status, left, hidden, backup["state"]) == (503, [], 404, "done")
    assert again.result == "success", again
    assert installation.answer("/web/login").status == 200
    rows = installation.in_production("SELECT value FROM ir_config_parameter WHERE key = 'mark'")
    assert [row["value"] for row in rows] == [mark]
    assert "holds" in installation.berth("audit", "verify")
