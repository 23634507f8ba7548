"""Subscriptions in a browser: what an admin sees and enters, and what the operator gives out."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Portal

pytestmark = pytest.mark.e2e


def test_a_code_is_refused_with_the_reason(portal: Portal) -> None:
    page, project = portal.page, portal.installation.demo()["project"]
    portal.sign_in("Alice")
    portal.open(f"/{project}/settings/")
    page.get_by_role("link", name="Subscription").click()
    expect(page.get_by_text("Without an end.")).to_be_visible()
    portal.examine("subscription")
    page.get_by_label("Code of an enterprise subscription").fill("no-such-code")
    page.get_by_role("button", name="Use this code").click()
    expect(page.get_by_role("alert")).to_contain_text("The code 'NO-SUCH-CODE' is unknown")
    portal.examine("subscription-refused")
    assert portal.complaints == []


def test_the_operator_gives_out_a_code(portal: Portal) -> None:
    page, code = portal.page, f"E2E-{secrets.token_hex(4).upper()}"
    portal.sign_in_as_operator()
    portal.open("/operator/subscriptions/")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Workers").fill("4")
    page.get_by_role("button", name="Give it out").click()
    expect(page.get_by_role("rowheader", name=code)).to_be_visible()
    portal.examine("subscriptions")
    assert portal.complaints == []
