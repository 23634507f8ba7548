"""Somebody is invited, comes in, leaves; what was done is in the audit log; a project's end is typed."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Portal

pytestmark = pytest.mark.e2e


def test_who_is_invited_comes_in_by_the_link_and_leaves(portal: Portal) -> None:
    page, slug = portal.page, portal.installation.demo()["project"]
    portal.sign_in("Alice")
    portal.open(f"/{slug}/settings/members/")
    form = page.get_by_role("region", name="Invite somebody")
    form.get_by_label("GitHub login or mail address").fill("not a login!")
    form.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("Write a GitHub login, like octocat")).to_be_visible()
    portal.examine("members-refused")
    form.get_by_label("GitHub login or mail address").fill("oscar")
    form.get_by_label("Role").select_option("tester")
    form.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="@oscar is invited")).to_be_visible()
    portal.examine("members-invited")
    link = page.locator("code", has_text="/invitations/").inner_text()

    page.context.clear_cookies()
    page.goto(link)
    page.get_by_role("button", name="Sign in with GitHub").click()
    page.get_by_role("button", name="Oscar").click()
    page.wait_for_url(link)
    portal.examine("invitation")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("You are tester of")).to_be_visible()
    page.goto(link)
    expect(page.get_by_text("This invitation was used on")).to_be_visible()

    portal.open(f"/{slug}/leave/")
    portal.examine("leave")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You have left")).to_be_visible()
    assert portal.complaints == []


def test_an_admin_finds_what_was_changed_and_is_asked_before_the_end(portal: Portal) -> None:
    page, slug = portal.page, portal.installation.demo()["project"]
    portal.sign_in("Alice")
    portal.open(f"/{slug}/settings/audit/")
    portal.examine("audit")
    page.get_by_label("What").fill("no such thing")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("No entry is like that.")).to_be_visible()
    portal.examine("audit-nothing")
    portal.open(f"/{slug}/settings/delete/")
    page.get_by_label(re.compile("^Type")).fill("something else")
    page.get_by_role("button", name="Delete the project").click()
    expect(page.get_by_text("That is not the project's address. Nothing was changed.")).to_be_visible()
    portal.examine("delete")
    assert portal.complaints == []


def test_the_operator_takes_the_audit_log_away(portal: Portal) -> None:
    page = portal.page
    portal.sign_in_as_operator()
    portal.open("/operator/audit/")
    portal.examine("operator-audit")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert download.value.suggested_filename.startswith("audit-berth-")
    assert download.value.path().read_text().startswith("id,at,by,verb,object,")
    assert portal.complaints == []
