"""Connecting a repository in a browser, to a production that answers."""

import re
import secrets
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Portal
from tests.e2e.repositories import new_repository
from tests.installation import BUILD_S

pytestmark = pytest.mark.e2e


def test_a_repository_is_connected_and_its_production_answers(portal: Portal, tmp_path: Path) -> None:
    page, name = portal.page, f"tiny-{secrets.token_hex(3)}"
    new_repository(portal.installation, tmp_path, name)
    portal.sign_in("Alice")

    page.get_by_role("link", name="New project").click()
    page.get_by_role("button", name=f"alice/{name}").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    expect(page.get_by_label("Address")).to_have_value(name)
    portal.examine("new-project")
    page.get_by_role("button", name="Create the project").click()

    page.get_by_role("link", name=re.compile("A tiny addon|No message")).click()
    expect(page).to_have_title(re.compile("^✔ #1"), timeout=BUILD_S * 1000)
    with page.expect_navigation():
        page.get_by_role("link", name="Connect").click()
    expect(page).to_have_url(re.compile(rf"{name}\.localhost"))
    portal.open("/new/")
    connected = page.get_by_role("button", name=f"alice/{name}")
    expect(connected).to_be_disabled()
    expect(connected).to_contain_text("connected already")
    portal.open(f"/{name}/settings/subscription/")
    expect(page.get_by_text("Trial: 30 days left.").first).to_be_visible()
    portal.examine("trial")
    assert portal.complaints == []
