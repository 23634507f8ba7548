"""What happens to a company's data, looked at in a browser: backups, a copy's neutralising, places, the disk."""

import pytest
from playwright.sync_api import expect

from tests import backups, restores, staging
from tests.e2e.conftest import Portal

pytestmark = pytest.mark.e2e


def test_a_backup_is_made_and_shown_with_its_proof(portal: Portal) -> None:
    page, installation = portal.page, portal.installation
    portal.sign_in("Alice")
    portal.open(f"{restores.pages(installation)}/backups/")
    portal.examine("backups-before")
    taken = backups.end(installation, backups.ask(installation))
    assert taken["proof"] == "proven", taken["wrong"]
    page.reload()
    portal.examine("backups")

    portal.open(f"{restores.pages(installation)}/backups/{taken['id']}/")
    expect(page.get_by_role("heading", name="Manual backup of")).to_be_visible()
    portal.examine("backup")
    for name, path in (("backups-future", "backups/future/"), ("import", "import/")):
        portal.open(f"{restores.pages(installation)}/{path}")
        portal.examine(name)
    portal.open(f"/{installation.demo()['project']}/retired/")
    portal.examine("retired")
    assert portal.complaints == []


def test_a_copy_says_what_was_switched_off_on_it(portal: Portal) -> None:
    installation = portal.installation
    staging.staged(installation, "looked-at")
    build = installation.wait_for_build(staging.push(installation, "looked-at"))
    portal.sign_in("Alice")
    portal.open(f"/{installation.demo()['project']}/builds/{build.number}/neutralised/")
    expect(portal.page.get_by_role("heading", name="Switched off on this copy")).to_be_visible()
    portal.examine("neutralised")
    assert portal.complaints == []


def test_the_operator_sees_places_and_disk(portal: Portal) -> None:
    portal.sign_in_as_operator()
    for name, heading in (("places", "Backup places"), ("disk", "Disk")):
        portal.open(f"/operator/{name}/")
        expect(portal.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        portal.examine(name)
    assert portal.complaints == []
