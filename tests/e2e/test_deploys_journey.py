"""Pages around production's deploys in a browser: an update, the way back, what stops a deploy, what runs by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from bench.wake import put_to_sleep
from tests.e2e.conftest import Portal
from tests.faults.changes import change_static_file, raise_version
from tests.installation import Installation

pytestmark = pytest.mark.e2e

PRODUCTION = "stage = 'production' AND project_id = (SELECT id FROM projects_project WHERE slug = 'demo')"
SIZE = f"UPDATE projects_branch SET workers = %s, memory_mb = %s WHERE {PRODUCTION}"


@contextmanager
def more_than_the_machine_has(installation: Installation) -> Iterator[None]:
    (before,) = installation.query(f"SELECT workers, memory_mb FROM projects_branch WHERE {PRODUCTION}")
    installation.query(SIZE, 2000, 2_000_000)
    try:
        yield
    finally:
        installation.query(SIZE, before["workers"], before["memory_mb"])


def test_an_update_and_the_way_back(portal: Portal) -> None:
    page, installation = portal.page, portal.installation
    portal.sign_in("Alice")
    build = installation.wait_for_build(raise_version(installation))
    portal.open(f"/demo/builds/{build.number}/")
    update = page.get_by_role("region", name="The update")
    expect(update.get_by_role("heading")).to_have_text(re.compile("Updated berth_library"))
    expect(update.get_by_role("row", name="Predicted")).to_have_text(re.compile(r"\d+\.\d s"))
    expect(update.get_by_role("row", name="Actual")).to_have_text(re.compile(r"\d+\.\d s"))
    portal.examine("update")

    page.get_by_role("link", name="Roll back").click()
    expect(page.get_by_role("heading", name="What doesn't come back")).to_be_visible()
    portal.examine("roll-back")
    page.get_by_role("link", name="Leave it as it is").click()
    portal.open(f"/demo/builds/{build.number}/roll-back/")
    expect(page.get_by_text(f"#{build.number} serves already.")).to_be_visible()

    page.get_by_role("link", name="main").first.click()
    page.get_by_role("link", name="Logs", exact=True).click()
    page.get_by_role("link", name="Scheduled actions").click()
    expect(page).to_have_title(re.compile("Scheduled actions"))
    portal.examine("actions")
    assert portal.complaints == []


def test_a_deploy_that_the_machine_has_no_room_for(portal: Portal) -> None:
    portal.sign_in("Alice")
    with more_than_the_machine_has(portal.installation):
        build = portal.installation.wait_for_build(change_static_file(portal.installation))
    portal.open(f"/demo/builds/{build.number}/")
    expect(portal.page.get_by_text(re.compile(r"Checked beforehand: \d+ of \d+ to look at"))).to_be_visible()
    expect(portal.page.get_by_text("Stops the deploy:")).to_have_count(2)  # memory, and connections to PostgreSQL
    portal.examine("pre-flight")
    assert portal.complaints == []


def test_a_database_that_sleeps(portal: Portal) -> None:
    installation = portal.installation
    build = installation.wait_for_build(installation.push({"README.md": "Asleep\n"}, "Say little", "sleeper"))
    put_to_sleep(installation, build)
    portal.sign_in("Alice")
    portal.open(f"/demo/builds/{build.number}/")
    expect(portal.page.get_by_text("Asleep").first).to_be_visible()
    portal.examine("asleep")
    portal.page.get_by_role("link", name="sleeper").first.click()
    expect(portal.page.get_by_role("button", name="Wake")).to_be_visible()
    portal.examine("asleep-branch")
    assert portal.complaints == []
