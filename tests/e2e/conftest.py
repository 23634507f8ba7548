"""A browser on a real installation. It notes what no page may do: ask elsewhere, break the policy, throw."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.installation import Installation

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Portal:
    """The portal in a browser's tab. `complaints` is empty as long as the pages behave."""

    def __init__(self, page: Page, installation: Installation, pictures: Path) -> None:
        self.page, self.installation, self.pictures = page, installation, pictures
        self.url = installation.demo()["portal_url"]
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complain(f"thrown: {error}"))
        page.on("console", lambda said: self.complain(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self._look_at(request.url))

    def complain(self, text: str) -> None:
        """Only of the portal: the stand-in for GitHub and Odoo have pages of their own."""
        if self.page.url.startswith(self.url):
            self.complaints.append(f"{self.page.url}: {text}")

    def _look_at(self, url: str) -> None:
        place = urlsplit(url)
        here = place.hostname == "127.0.0.1" or str(place.hostname).endswith(".localhost")
        if place.scheme in {"http", "https"} and not here:
            self.complain(f"asked for {url}")

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, name: str) -> None:
        """With GitHub, that is with its stand-in."""
        self.open("/sign-in/")
        self.page.get_by_role("button", name="Sign in with GitHub").click()
        self.page.get_by_role("button", name=name).click()
        self.page.wait_for_url(f"{self.url}/**")

    def sign_in_as_operator(self) -> None:
        demo = self.installation.demo()
        self.open("/sign-in/")
        self.page.get_by_text("Sign in as operator").click()
        self.page.locator("input[name=username]").fill(demo["operator"])
        self.page.locator("input[name=password]").fill(demo["operator_password"])
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(f"{self.url}/")

    def examine(self, name: str) -> None:
        """Let axe look at the page in light and dark, and take pictures of it, wide and narrow."""
        for theme, width in (("light", 1400), ("dark", 390)):
            self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.screenshot(path=self.pictures / f"{name}-{theme}.png", animations="disabled")
            found = Axe().run(self.page).response["violations"]
            assert not found, (name, theme, [(each["id"], each["nodes"][0]["target"]) for each in found])
            over = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} is {over} px wider than a screen of {width}"
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1400, "height": 900})


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def portal(browser: Browser, installation: Installation, tmp_path: Path) -> Iterator[Portal]:
    """Pictures go to $BERTH_PICTURES, where that is set."""
    pictures = Path(os.environ.get("BERTH_PICTURES", tmp_path))
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(60_000)
    yield Portal(page, installation, pictures)
    page.close()
