"""From signing in with GitHub to a second push that goes live, as a person sees it in a browser."""

import re
import secrets
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Portal
from tests.installation import BUILD_S, STATIC_FILE

pytestmark = pytest.mark.e2e

BUILD_MS = BUILD_S * 1000
MANIFEST = "berth_hello/__manifest__.py"


def served(portal: Portal) -> str:
    """The demo's static file at the production address, as anybody gets it."""
    request = urllib.request.Request(portal.installation.demo()["production_url"] + "/" + STATIC_FILE)
    host = request.host
    request.host = f"127.0.0.1:{host.rpartition(':')[2]}"  # .localhost is for browsers; here we name the host ourselves
    request.add_unredirected_header("Host", host)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode().strip())


def wait_until_done(page: Page) -> None:
    """The page tells it by itself: nobody reloads it."""
    expect(page).to_have_title(re.compile("^[✔▲✖–]"), timeout=BUILD_MS)


def test_from_signing_in_to_a_second_push_that_is_live(portal: Portal) -> None:
    page, installation = portal.page, portal.installation
    portal.open("/")
    expect(page).to_have_url(re.compile("/sign-in/"))
    portal.examine("sign-in")
    portal.sign_in("Alice")

    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    portal.examine("projects")
    page.get_by_role("link", name="Demo", exact=True).first.click()
    expect(page.get_by_role("heading", name="main")).to_be_visible()
    portal.examine("branch")

    for round_ in range(2):
        text = f"journey {round_} {secrets.token_hex(3)}"
        sha = installation.push_static(text)
        follow_to_live(portal, sha, text)
        portal.examine(f"build-{round_}")
        page.get_by_role("link", name="main").first.click()

    page.get_by_role("link", name="Logs", exact=True).click()
    expect(page.locator("#log .line").first).to_be_visible()
    portal.examine("logs")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Builds")).to_be_visible()
    portal.examine("builds")
    portal.open("/demo/settings/")
    portal.examine("settings")
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="GitHub").click()
    webhook = page.get_by_role("region", name="Webhook")
    expect(webhook.get_by_text("In order", exact=True)).to_be_visible()
    portal.examine("github")
    assert portal.complaints == []


def follow_to_live(portal: Portal, sha: str, text: str) -> None:
    """The open branch page shows the push by itself, its build tells its steps, and then the address has it."""
    page = portal.page
    page.get_by_role("link", name=f"Say {text}").click(timeout=BUILD_MS)
    expect(page.locator("h1")).to_contain_text(re.compile(f"{sha[:7]}|Waiting"))
    wait_until_done(page)
    expect(page.locator("h1")).to_contain_text(f"Deployed {sha[:7]} to production")
    assert served(portal) == text
    with page.expect_navigation():
        page.get_by_role("link", name="Connect").click()
    expect(page).to_have_url(re.compile(r"demo\.localhost"))
    page.go_back()


def test_a_push_that_fails_says_why_and_the_next_one_works(portal: Portal) -> None:
    page, installation = portal.page, portal.installation
    branch = f"journey-{secrets.token_hex(3)}"
    portal.sign_in("Alice")
    sha = installation.push({MANIFEST: "{'name': broken"}, "Break the manifest", branch)
    build = installation.wait_for(sha, lambda _build: True)

    portal.open(f"/demo/builds/{build.number}/")
    wait_until_done(page)
    expect(page.locator("h1")).to_contain_text("Failed")
    expect(page.locator(".refusal")).to_contain_text("What to do")
    expect(page.locator("details[data-step][open]")).to_have_count(1)
    portal.examine("failed")

    sha = installation.push(
        {"berth_hello/__manifest__.py": installation.clone().read("berth_hello/__manifest__.py")}, "Mend it", branch
    )
    build = installation.wait_for(sha, lambda _build: True)
    portal.open(f"/demo/builds/{build.number}/")
    page.get_by_role("button", name="Cancel").click()
    wait_until_done(page)
    page.get_by_role("button", name=re.compile("Rebuild|Retry")).click()
    expect(page).to_have_url(re.compile(f"/builds/{build.number + 1}/"))
    wait_until_done(page)
    expect(page.locator("h1")).to_contain_text("to development")
    expect(page.locator(".tests").filter(has_text="tests passed")).to_be_visible()
    assert portal.complaints == []


def test_who_is_no_member_finds_nothing(portal: Portal) -> None:
    portal.sign_in("Oscar")

    expect(portal.page.get_by_role("heading", name="Bring in your first project")).to_be_visible()
    portal.examine("empty")
    portal.open("/demo/builds/")
    expect(portal.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    portal.examine("not-found")
