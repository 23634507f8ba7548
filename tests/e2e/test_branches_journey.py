"""Branches dragged onto each other and onto stages in a browser, and the same by the keyboard."""

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from deploy.processes import CHECKOUT
from portal.commands import run
from tests.e2e.conftest import Portal
from tests.installation import BUILD_S, Installation

pytestmark = pytest.mark.e2e


@pytest.fixture
def name(installation: Installation) -> Iterator[str]:
    """A development branch, with a commit that production hasn't."""
    made = f"drag-{secrets.token_hex(3)}"
    installation.wait_for_build(installation.push({f"notes/{made}.txt": "1\n"}, f"Begin {made}", made))
    yield made
    installation.clone().delete(made)


def open_branch(portal: Portal, name: str) -> str:
    """Its page; the address."""
    address = f"/demo/branches/{portal.installation.branch(name=name)['id']}/"
    portal.open(address)
    return address


def drag(page: Page, name: str, onto: str) -> None:
    page.locator(f'#columns a[title="{name}"]').drag_to(page.locator(onto))


def production_row(portal: Portal) -> str:
    return f"#side-{portal.installation.branch()['id']}"


def test_a_branch_is_merged_by_dragging_it_onto_another(portal: Portal, name: str) -> None:
    page = portal.page
    portal.sign_in("Alice")
    open_branch(portal, name)

    drag(page, name, production_row(portal))
    expect(page.get_by_role("heading", name=f"Merge {name} into main?")).to_be_visible()
    portal.examine("merge")
    page.get_by_role("button", name="Merge into main").click()

    expect(page.get_by_text(f"{name} was merged into main, as")).to_be_visible()
    portal.examine("merge-done")
    page.get_by_role("link", name=f"Merge {name} into main").first.click(timeout=BUILD_S * 1000)
    expect(page).to_have_title(re.compile("^[✔▲✖–]"), timeout=BUILD_S * 1000)
    expect(page.locator("h1")).to_contain_text("to production")

    open_branch(portal, name)
    drag(page, name, production_row(portal))
    page.get_by_role("button", name="Merge into main").click()
    expect(page.get_by_text(f"There was nothing to merge: main has all of {name} already.")).to_be_visible()
    assert portal.complaints == []


def test_a_conflict_is_shown_with_the_commands_to_settle_it(portal: Portal, name: str) -> None:
    page, installation = portal.page, portal.installation
    file = f"notes/{name}.txt"
    other = f"{name}-other"
    installation.wait_for_build(installation.push({file: "2\n"}, "Differ", other))
    before = installation.branch(name=other)["head"]
    try:
        portal.sign_in("Alice")
        open_branch(portal, name)
        drag(page, name, f"#side-{installation.branch(name=other)['id']}")
        page.get_by_role("button", name=f"Merge into {other}").click()
        conflict = page.get_by_role("alert").filter(has_text=f"{name} and {other} conflict")
        expect(conflict).to_be_visible()
        expect(conflict.get_by_text(f"git merge origin/{other}")).to_be_visible()
        portal.examine("merge-conflict")
        assert installation.branch(name=other)["head"] == before
        assert portal.complaints == []
    finally:
        installation.clone().delete(other)


def test_dragged_onto_a_stage_it_is_asked_whether_to_move(portal: Portal, name: str) -> None:
    page = portal.page
    portal.sign_in("Alice")
    address = open_branch(portal, name)

    drag(page, name, ".column-staging h2")
    expect(page.get_by_role("heading", name=f"Move {name} to staging?")).to_be_visible()
    portal.examine("move")
    page.get_by_role("link", name="Leave it as it is").click()
    expect(page).to_have_url(re.compile(f"{address}$"))
    drag(page, name, ".column-production h2")
    expect(page.get_by_text("is the production branch already")).to_be_visible()
    portal.examine("move-refused")
    page.get_by_role("link", name="Merge into main").click()
    expect(page.get_by_role("heading", name=f"Merge {name} into main?")).to_be_visible()
    assert portal.complaints == []


def test_the_keyboard_leads_to_the_same_pages(portal: Portal, name: str) -> None:
    page = portal.page
    portal.sign_in("Alice")
    open_branch(portal, name)

    menu = page.locator("summary.stage")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("^Staging"))).to_be_focused()
    portal.examine("menu")
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("^Merge into"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Merge {name} into …")).to_be_visible()
    portal.examine("merge-choice")
    page.get_by_label("The branch that gets its commits").select_option(label="main")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name=f"Merge {name} into main?")).to_be_visible()
    assert portal.complaints == []


def test_a_script_merges_by_the_command_line(installation: Installation, name: str) -> None:
    demo = installation.demo()
    surroundings = {"PATH": "/usr/bin:/bin", "BERTH_URL": demo["portal_url"], "BERTH_TOKEN": demo["api_token"]}

    def berth(*arguments: str) -> str:
        return run([str(CHECKOUT / "bin" / "berth"), *arguments], timeout=60, cwd=CHECKOUT, env=surroundings).output

    target = f"{name}-target"
    installation.wait_for_build(installation.push({"notes/target.txt": "1\n"}, "Begin a target", target))
    try:
        assert "in a fresh database" in berth("merge", "demo", name, target, "--dry-run")
        merged = re.search(r"Merged as ([0-9a-f]{40})", berth("merge", "demo", name, target))
        assert merged is not None
        assert installation.wait_for_build(merged[1]).stage == "development"
        assert "There was nothing to merge" in berth("merge", "demo", name, target)
    finally:
        installation.clone().delete(target)
