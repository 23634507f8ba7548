"""Setting up a branch in a browser: its page by axe, a refusal, and a new size under the running database."""

import re

import pytest
from playwright.sync_api import expect

from bench.resize import settings_page
from tests.e2e.conftest import Portal

pytestmark = pytest.mark.e2e


def test_production_is_resized_and_set_up_on_its_page(portal: Portal) -> None:
    portal.sign_in("Alice")
    page, address = portal.page, settings_page(portal.installation)
    portal.open(address)
    page.get_by_role("link", name="Settings").last.click()
    expect(page.get_by_role("heading", name="Size")).to_be_visible()
    portal.examine("settings")

    page.get_by_label("Memory", exact=True).fill("1024")
    page.get_by_role("button", name="Resize").click()
    expect(page.get_by_text("To keep it, tick the box.")).to_be_visible()
    portal.examine("settings-refused")

    page.get_by_label("Memory", exact=True).fill("2176")
    page.get_by_role("button", name="Resize").click()
    expect(page.get_by_text(re.compile(r"alice changed it to 2,176 MB"))).to_be_visible()
    portal.examine("settings-resized")

    page.get_by_label("Time to finish").fill("90")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Takes effect: Time to finish: with the next deploy")).to_be_visible()
    expect(page.get_by_label("Time to finish")).to_have_value("90")
    assert portal.complaints == []
