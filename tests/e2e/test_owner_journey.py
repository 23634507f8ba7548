"""Pages on which owners manage what a project lends and tells to others, looked at in a browser."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Portal

pytestmark = pytest.mark.e2e


def test_a_key_for_a_submodule_is_made(portal: Portal) -> None:
    page = portal.page
    portal.sign_in("Alice")
    portal.open(f"/{portal.installation.demo()['project']}/settings/submodules/")
    portal.examine("submodules-none")
    page.get_by_label("SSH address").fill("--upload-pack=touch /tmp/x")
    page.get_by_role("button", name="Make a key").click()
    portal.examine("submodules-refused")
    page.get_by_label("SSH address").fill(f"git@github.com:alice/{secrets.token_hex(4)}.git")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("ssh-ed25519").first).to_be_visible()
    portal.examine("submodules")
    assert portal.complaints == []


def test_webhooks_tokens_and_notifications_are_for_everybody(portal: Portal) -> None:
    portal.sign_in("Alice")
    project = portal.installation.demo()["project"]
    pages = {"webhooks": f"/{project}/settings/webhooks/", "tokens": "/account/tokens/"}
    pages |= {"notifications": "/account/notifications/", "api-docs": "/api/v1/docs/"}
    for name, path in pages.items():
        portal.open(path)
        expect(portal.page.locator("h1, h2").first).to_be_visible()
        if name != "api-docs":  # Swagger's own page has faults of its own
            portal.examine(name)
    assert portal.complaints == []
