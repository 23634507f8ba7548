"""Private submodules and outgoing webhooks on the real path: a build with a deploy key, one without, and addresses that
nothing is fetched from or sent to.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from projects.providers.github import GitHub
from tests.fakehub.git import Content, Submodule
from tests.installation import Installation
from tests.portal import Portal
from tests.rows import BuildRow

pytestmark = pytest.mark.faults

BRANCH = "private-submodule"


@dataclass(frozen=True)
class Library:
    """A private repository beside the demo's, and the page of the demo's deploy keys."""

    name: str
    url: str
    sha: str
    owner: GitHub
    page: str


@pytest.fixture(scope="module")
def portal(installation: Installation) -> Iterator[Portal]:
    with Portal(installation) as portal:
        yield portal


@pytest.fixture(scope="module")
def library(installation: Installation) -> Library:
    access = json.loads((installation.home / "fakehub" / "access.json").read_text())
    owner = GitHub(access["tokens"]["alice"], access["api_url"])
    made = owner.create_repository("private-library", private=True)
    sha = owner.create_file(made.full_name, "secret.txt", "for builds alone\n", message="Begin", branch="main")
    page = f"/{installation.demo()['project']}/settings/submodules/"
    return Library(made.full_name, made.ssh_url, sha, owner, page)


def keys(installation: Installation) -> list[dict[str, str]]:
    return installation.query("SELECT id, public, error, known_hosts FROM projects_deploykey ORDER BY id")


def push(installation: Installation, library: Library, message: str) -> str:
    modules = f'[submodule "library"]\n\tpath = library\n\turl = {library.url}\n'
    files: dict[str, Content] = {".gitmodules": modules, "library": Submodule(library.sha)}
    return installation.push(files, message, BRANCH)


def rebuilt(installation: Installation, portal: Portal, build: BuildRow) -> BuildRow:
    """The same commit once more."""
    portal.build_page(build)
    portal.post(f"/{installation.demo()['project']}/builds/{build.number}/rebuild/")
    return installation.wait_for_build(build.commit)


def test_a_build_without_the_key_says_so_and_leads_to_where_one_is_made_and_with_it_the_build_works(
    installation: Installation, portal: Portal, library: Library
) -> None:
    without = installation.wait_for_build(push(installation, library, "Use a private library"))
    page = portal.build_page(without)
    assert without.result == "failure", without
    assert "There is no deploy key for this address" in page
    assert f"{library.page}?url=" in page

    portal.page(library.page)
    portal.post(library.page, url=library.url, kind="ed25519")
    (key,) = keys(installation)
    not_installed = rebuilt(installation, portal, without)
    assert not_installed.result == "failure", not_installed
    assert "refused the SSH key" in portal.page(library.page)

    library.owner.add_deploy_key(library.name, "Berth", key["public"])
    build = rebuilt(installation, portal, without)
    assert build.result == "success", build
    (key,) = keys(installation)
    assert key["error"] == ""
    assert " ssh-ed25519 " in key["known_hosts"]
    assert installation.settled() == []


def test_the_private_half_is_in_no_log_and_no_file(installation: Installation) -> None:
    assert keys(installation)
    told = installation.query("SELECT count(*) AS n FROM portal_logchunk WHERE text LIKE '%%PRIVATE KEY%%'")
    rows = installation.query("SELECT count(*) AS n FROM projects_deploykey WHERE private LIKE '%%PRIVATE KEY%%'")
    assert (told, rows) == ([{"n": 0}], [{"n": 0}])
    for folder in ("git", "builds", "log", "run"):
        found = (path for path in (installation.home / folder).rglob("*") if path.is_file() and not path.is_symlink())
        assert [path for path in found if b"OPENSSH PRIVATE KEY" in path.read_bytes()] == []


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=reboot/x",
        "ssh://git@127.0.0.1/x -oProxyCommand=reboot",
        "git@-oProxyCommand=reboot:x",
        "ext::sh -c reboot",
        "ext::reboot",
        "/etc/passwd",
        "file:///etc/passwd",
        "../x",
        "https://127.0.0.1/x.git",
    ],
)
def test_no_key_is_made_for_what_is_no_ssh_address(
    installation: Installation, portal: Portal, library: Library, url: str
) -> None:
    before = keys(installation)
    portal.page(library.page)
    portal.post(library.page, url=url, kind="ed25519")
    assert keys(installation) == before


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]/",
        "http://169.254.169.254/latest/",
        "http://10.0.0.1/",
    ],
)
def test_no_webhook_leads_inside(installation: Installation, portal: Portal, url: str) -> None:
    page = f"/{installation.demo()['project']}/settings/webhooks/"
    portal.page(page)
    portal.post(page, url=url, events="deploy.done")
    assert installation.query("SELECT id FROM projects_hook") == []
